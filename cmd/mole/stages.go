package main

import (
	"context"
	"io"
	"path/filepath"

	"mole/router"
	"mole/stage"
)

// uploadCmd is mole upload.
type uploadCmd struct {
	chainFlags
	linkFlags
	Dir          string `arg:"" optional:"" help:"The routing set. Default: the newest one."`
	FromDir      string `placeholder:"DIR" help:"Folder of the experts' datasets. Default: experts in the state folder."`
	SkipValidate bool   `help:"Do not look at the contents."`
	Dry          bool   `help:"The same as --dry-run."`
}

// Help shows how the command is used.
func (*uploadCmd) Help() string {
	return `Checks a routing set and publishes it, with the pictures that it names, on the volumes. Only what is not there yet is copied.

    mole upload
    mole upload .mole/datasets/routing_20260105_110000 --no-chain` + exitHelp
}

// Run publishes the set and starts preprocess.
func (c *uploadCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	if c.Dir == "" {
		name, err := ch.newestSet()
		if err != nil {
			return err
		}
		c.Dir = filepath.Join(ch.datasets(), name)
	}
	if c.FromDir == "" {
		c.FromDir = ch.experts()
	}
	if c.DryRun || c.Dry {
		ch.say("would run: upload %s, preprocess, train", c.Dir)
		return nil
	}
	u, err := ch.upload(ctx, c.Dir, c.FromDir, c.SkipValidate)
	if err != nil {
		return err
	}
	if c.NoChain {
		ch.say("Next: mole preprocess --dataset-name %s", u.Name)
		return nil
	}
	_, err = ch.fromPreprocess(ctx, u.Name, runOptions{})
	return err
}

// preprocessCmd is mole preprocess.
type preprocessCmd struct {
	chainFlags
	linkFlags
	DatasetName string `required:"" placeholder:"NAME" help:"The routing set on the volume."`
	Force       bool   `help:"Do it again, though it was done before."`
	Dry         bool   `help:"The same as --dry-run."`
}

// Help shows how the command is used.
func (*preprocessCmd) Help() string {
	return `Turns a routing set into what training reads: token ids and labels, and every distinct picture once, in the size that the network sees.

    mole preprocess --dataset-name routing_20260105_110000` + exitHelp
}

// Run preprocesses the set and starts train.
func (c *preprocessCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	if c.DryRun || c.Dry {
		ch.say("would run: preprocess %s, train --run-name %s", c.DatasetName, runName(c.DatasetName))
		return nil
	}
	if _, err := ch.preprocess(ctx, c.DatasetName, c.Force); err != nil {
		return err
	}
	if c.NoChain {
		ch.say("Next: mole train --dataset-name %s --run-name %s", c.DatasetName, runName(c.DatasetName))
		return nil
	}
	_, err = ch.train(ctx, c.DatasetName, runOptions{})
	return err
}

// trainCmd is mole train.
type trainCmd struct {
	chainFlags
	DatasetName   string  `required:"" placeholder:"NAME" help:"The preprocessed routing set."`
	RunName       string  `placeholder:"NAME" help:"Name of the run. Default: made of the set's."`
	Fast          bool    `help:"A smoke test: 20 steps, one evaluation, no early stop."`
	Preset        string  `enum:",tiny,assembled,fast" default:"" placeholder:"NAME" help:"tiny, assembled or fast. Default: tiny with the network inside the program, else assembled."`
	Rung          string  `enum:"auto,lora,linear,prototype" default:"auto" placeholder:"NAME" help:"How the router decides: lora, linear, prototype, or auto for the one that does best on validation data. Default: auto."`
	TargetPreset  string  `enum:",text,full,reference" default:"" placeholder:"NAME" help:"Where adapters go: text, full or reference. Default: the preset's."`
	LoraRank      int     `placeholder:"N" help:"Rank of the adapter. Default: by the size of the set."`
	LoraAlpha     int     `placeholder:"N" help:"Alpha of the adapter. Default: twice the rank."`
	LearningRate  float64 `placeholder:"R" help:"Peak learning rate."`
	BatchSize     int     `placeholder:"N" help:"Examples of a pass."`
	Accumulation  int     `name:"gradient-accumulation-steps" placeholder:"N" help:"Passes of a step."`
	MaxSteps      int     `placeholder:"N" help:"Steps of the run."`
	EvalSteps     int     `placeholder:"N" help:"Steps between evaluations."`
	SaveSteps     int     `placeholder:"N" help:"Steps between checkpoints."`
	Patience      int     `placeholder:"N" help:"Evaluations without gain that end the run; negative for no early stop."`
	Seed          uint64  `placeholder:"N" help:"Seed of weights and order. Default: 420."`
	ShuffleLabels bool    `help:"A control run: labels without meaning, which must not be learnt."`
	Force         bool    `help:"Train again, though it was done before."`
	Dry           bool    `help:"Print what would run, and touch nothing."`
}

// Help shows how the command is used.
func (*trainCmd) Help() string {
	return `Trains a router on a preprocessed set and calibrates it, with a linear head and class prototypes on frozen features as baselines. A run that was stopped or killed continues when it is started again.

    mole train --dataset-name routing_20260105_110000
    mole train --dataset-name routing_20260105_110000 --run-name wide --lora-rank 32 --max-steps 400` + exitHelp
}

// Run trains the router.
func (c *trainCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	if c.Dry {
		ch.say("would run: train %s", c.DatasetName)
		return nil
	}
	_, err = ch.train(ctx, c.DatasetName, runOptions{name: c.RunName, settings: c.settings()})
	return err
}

// settings returns what the flags say.
func (c *trainCmd) settings() stage.Settings {
	preset := c.Preset
	if c.Fast {
		preset = "fast"
	}
	return stage.Settings{
		Preset: preset, Rung: router.Rung(c.Rung), Targets: c.TargetPreset, Rank: c.LoraRank, Alpha: c.LoraAlpha, Rate: c.LearningRate,
		Batch: c.BatchSize, Accumulation: c.Accumulation, Steps: c.MaxSteps, EvalEvery: c.EvalSteps, SaveEvery: c.SaveSteps, Patience: c.Patience,
		Seed: c.Seed, ShuffleLabels: c.ShuffleLabels,
	}
}

// evalCmd is mole eval.
type evalCmd struct {
	chainFlags
	DatasetName string `required:"" placeholder:"NAME" help:"The routing set."`
	RunName     string `placeholder:"NAME" help:"The run. Default: made of the set's name."`
	Split       string `enum:"test,val,train" default:"test" placeholder:"NAME" help:"test, val or train. Default: test."`
	Outside     string `placeholder:"DIR" help:"Folder of screens of no expert, to see whether they are noticed."`
	Out         string `placeholder:"DIR" help:"Folder for the reports. Default: reports in the state folder."`
}

// Help shows how the command is used.
func (*evalCmd) Help() string {
	return `Judges a trained router and its baselines on pictures that it did not learn from: accuracy with its interval, calibration, and whether unknown screens come out as unsure. Writes a report as JSON and as a page.

    mole eval --dataset-name routing_20260105_110000
    mole eval --dataset-name routing_20260105_110000 --outside screens/unknown` + exitHelp
}

// Run evaluates the router.
func (c *evalCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	name := c.RunName
	if name == "" {
		name = runName(c.DatasetName)
	}
	_, err = ch.eval(ctx, stage.Eval{Dataset: c.DatasetName, Name: name, Split: c.Split, Outside: c.Outside, Out: c.Out})
	if err != nil {
		return err
	}
	ch.say("Next: mole deploy --dataset-name %s --run-name %s", c.DatasetName, name)
	return nil
}

// eval runs an evaluation and prints the report.
func (c *chain) eval(ctx context.Context, e stage.Eval) (*stage.Evaluated, error) {
	v, dev, err := c.network(ctx)
	if err != nil {
		return nil, err
	}
	e.Place, e.Base, e.View, e.Device = c.Place, c.base, v, dev
	done, err := e.Run(ctx)
	if err != nil {
		return nil, err
	}
	c.say("%s", done.Text)
	c.say("%s", done.Report.Line())
	c.say("report: %s", done.HTML)
	return done, nil
}
