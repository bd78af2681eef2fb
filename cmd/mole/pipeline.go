package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"

	"mole/stage"
)

// pipelineCmd is mole pipeline.
type pipelineCmd struct {
	generateCmd `embed:""`
	trainFlags  `embed:""`
	DatasetName string `placeholder:"NAME" help:"The routing set, where the chain begins after generate."`
	RunName     string `placeholder:"NAME" help:"Name of the run. Default: made of the set's."`
	From        string `enum:"generate,upload,preprocess,train,eval" default:"generate" placeholder:"STAGE" help:"First stage. Default: generate."`
	Until       string `enum:"generate,upload,preprocess,train,eval,deploy" default:"deploy" placeholder:"STAGE" help:"Last stage. Default: deploy."`
	Outside     string `placeholder:"DIR" help:"Folder of screens of no expert, for the report."`
	DeployIf    string `enum:"better,better-significant,always,never" default:"better" placeholder:"RULE" help:"When to deploy: better, better-significant, always or never. Default: better."`
	NoDeploy    bool   `help:"The same as --deploy-if never."`
}

// Help shows how the command is used.
func (*pipelineCmd) Help() string {
	return `Runs the whole chain, and goes on where mole generate ends: judges the new router, lets the deployed one answer the same pictures, and deploys the new one if the rule says so. Started again, it does only what is missing.

    mole pipeline
    mole pipeline --from-dir ~/datasets --outside ~/unknown --deploy-if better
    mole pipeline --from train --dataset-name routing_20260105_110000 --run-name wide --lora-rank 32` + exitHelp
}

// Run runs the chain.
func (c *pipelineCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	s := c.stages(ch)
	s.From, s.Until, s.NoChain = c.From, c.Until, c.NoChain
	s.Train.Settings, s.Train.Name = c.settings(), c.RunName
	s.Eval.Outside = c.Outside
	s.Deploy = &stage.Promote{Deploy: ch.deployment(), Rule: c.rule()}
	if c.SkipTrain || c.Dry {
		s.Until = "generate"
	}
	if err := c.begin(ch, s); err != nil {
		return err
	}
	if s.Eval.Against, err = ch.opponent(ctx); err != nil {
		return err
	}
	return ch.start(ctx, s, c.DryRun)
}

// begin says what the later stages are about where the first ones are left out.
func (c *pipelineCmd) begin(ch *chain, s *stage.Chain) (err error) {
	name := c.DatasetName
	if c.From == "generate" {
		return nil
	}
	if name == "" {
		if name, err = ch.newestSet(); err != nil {
			return err
		}
	}
	s.Upload.Dir, s.Preprocess.Dataset, s.Train.Dataset, s.Eval.Dataset = filepath.Join(ch.datasets(), name), name, name, name
	s.Train.Name = cmp.Or(c.RunName, stage.RunName(name))
	s.Eval.Name = s.Train.Name
	return nil
}

// rule returns when to deploy.
func (c *pipelineCmd) rule() stage.Rule {
	if c.NoDeploy {
		return stage.DeployNever
	}
	return stage.Rule(c.DeployIf)
}

// opponent names the deployed router, "" if there is none.
func (c *chain) opponent(ctx context.Context) (string, error) {
	_, err := c.DeployedVersion(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	}
	return stage.DeployedRouter, nil
}
