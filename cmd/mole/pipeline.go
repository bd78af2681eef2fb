package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"mole/bundle"
	"mole/eval"
	"mole/stage"
)

// pipelineCmd is mole pipeline.
type pipelineCmd struct {
	generateCmd `embed:""`
	RunName     string `placeholder:"NAME" help:"Name of the run. Default: made of the set's."`
	Fast        bool   `help:"A smoke test: 20 steps."`
	Outside     string `placeholder:"DIR" help:"Folder of screens of no expert, for the report."`
	DeployIf    string `enum:"better,better-significant,always,never" default:"better" placeholder:"RULE" help:"When to deploy: better, better-significant, always or never. Default: better."`
	NoDeploy    bool   `help:"The same as --deploy-if never."`
}

// Help shows how the command is used.
func (*pipelineCmd) Help() string {
	return `Runs the whole chain, and goes on where mole generate ends: judges the new router, compares it with the deployed one, and deploys it if the rule says so.

    mole pipeline
    mole pipeline --from-dir ~/datasets --outside ~/unknown --deploy-if better` + exitHelp
}

// Run runs the chain.
func (c *pipelineCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	from := c.FromDir
	if from == "" {
		from = ch.experts()
	}
	if c.DryRun {
		ch.say("would run: generate from %s, upload, preprocess, train, eval, deploy if %s", from, c.rule())
		return nil
	}
	made, err := (&stage.Generate{Place: ch.Place, From: from, Options: c.options(ch), Force: c.Force}).Run(ctx)
	if err != nil {
		return err
	}
	ch.sayGenerated(made)
	o := runOptions{name: c.RunName}
	if c.Fast {
		o.settings.Preset = "fast"
	}
	trained, err := ch.fromUpload(ctx, made.Dir, from, o)
	if err != nil {
		return err
	}
	judged, err := ch.eval(ctx, stage.Eval{Dataset: made.Name, Name: trained.Name, Outside: c.Outside})
	if err != nil {
		return err
	}
	return c.promote(ctx, ch, judged)
}

func (c *pipelineCmd) rule() stage.Rule {
	if c.NoDeploy {
		return stage.DeployNever
	}
	return stage.Rule(c.DeployIf)
}

// promote deploys the router that was judged, if it is to take the place of
// the deployed one.
func (c *pipelineCmd) promote(ctx context.Context, ch *chain, e *stage.Evaluated) error {
	old, err := deployedReport(ctx, ch.Place)
	if err != nil {
		return err
	}
	yes, why, err := stage.Better(c.rule(), e.Report, old, nil)
	if err != nil {
		return err
	}
	if !yes {
		ch.say("NOT DEPLOYED: %s", why)
		return nil
	}
	d := &stage.Deploy{
		Place: ch.Place, Dataset: e.Bundle.Dataset, Name: e.Bundle.Run, Base: ch.flags.BaseModel, Adapters: adaptersOf(ch.config),
		MinAccuracy: ch.config.Adapters.Deploy.MinAccuracy / 100, Keep: ch.config.Adapters.Deploy.Keep,
	}
	done, err := d.Run(ctx)
	if err != nil {
		return err
	}
	ch.say("DEPLOYED: release %s, %s", done.Metadata.Release, why)
	return nil
}

// deployedReport returns the report of the deployed router, nil if there is
// none.
func deployedReport(ctx context.Context, p *stage.Place) (*eval.Report, error) {
	d, err := p.Deployed(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := fs.ReadFile(d.Tree.FS(ctx, p.Store), bundle.ReportFile)
	if errors.Is(err, fs.ErrNotExist) {
		return &eval.Report{}, nil // deployed, but nobody knows how good
	}
	if err != nil {
		return nil, err
	}
	var r eval.Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("report of the deployed router: %w", err)
	}
	return &r, nil
}
