package main

import (
	"context"
	"errors"
	"io"

	"mole/stage"
)

// testCmd is mole test.
type testCmd struct {
	chainFlags
	Expert      string `placeholder:"NAME" help:"Test this expert, not a router."`
	DatasetName string `placeholder:"NAME" help:"The routing set; with --expert, the expert's dataset. Default there: its newest."`
	FromDir     string `placeholder:"DIR" help:"With --expert: folder of the dataset, or of datasets. Default: the volume, else experts in the state folder."`
	RunName     string `placeholder:"NAME" help:"The run. Default: made of the set's name."`
	Checkpoint  string `placeholder:"PATH" help:"With --expert: test this adapter, a path of the volume, VOLUME:PATH, or a folder."`
	Tests       int    `placeholder:"N" help:"With --expert: the first N tests only."`
	Out         string `placeholder:"DIR" help:"Folder for the report. Default: reports in the state folder."`
	JSON        bool   `name:"json" help:"With --expert: print the report as one JSON object."`
}

// Help shows how the command is used.
func (*testCmd) Help() string {
	return `Lets an expert answer the tests of its dataset and compares its tool calls with the expected ones: the same action, the point within the tolerance, the same text. Without --expert it judges a router on held-out pictures, as mole eval does.

    mole test --expert calendar
    mole test --expert calendar --dataset-name calendar--demo--20260105_090000 --checkpoint adapters/calendar
    mole test --dataset-name routing_20260105_110000` + exitHelp
}

// Run tests an expert or a router.
func (c *testCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	if c.Expert == "" {
		return c.router(ctx, out, errs)
	}
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	t, err := ch.testExpert(ctx, c.Expert)
	if err != nil {
		return err
	}
	t.Dataset, t.From, t.Name, t.Checkpoint, t.Tests, t.Out = c.DatasetName, c.FromDir, c.RunName, c.Checkpoint, c.Tests, c.Out
	done, err := within(ctx, ch.job("eval"), t.Run)
	if err != nil {
		return err
	}
	ch.progress.end()
	if c.JSON {
		return writeObject(out, done.Report)
	}
	if err := done.Report.WriteText(out); err != nil {
		return err
	}
	ch.say("%s", done.Report.Line())
	ch.say("report: %s", done.JSON)
	return nil
}

// router judges a router.
func (c *testCmd) router(ctx context.Context, out io.Writer, errs errorWriter) error {
	if c.DatasetName == "" {
		return errors.New("--dataset-name: want the routing set, or --expert NAME")
	}
	e := evalCmd{chainFlags: c.chainFlags, DatasetName: c.DatasetName, RunName: c.RunName, Split: "test", Out: c.Out}
	return e.Run(ctx, out, errs)
}

// testExpert returns the stage that tests an expert.
func (c *chain) testExpert(ctx context.Context, name string) (*stage.TestExpert, error) {
	v, err := c.expertView(ctx, name)
	if err != nil {
		return nil, err
	}
	d, err := c.accelerator("eval")
	return &stage.TestExpert{Place: c.Place, Base: c.base, View: v, Device: d}, err
}
