package main

import (
	"context"
	"fmt"
	"io"
	"maps"

	"mole/dataset"
	"mole/stage"
)

// generateCmd is mole generate.
type generateCmd struct {
	chainFlags
	linkFlags
	FromDir           string `placeholder:"DIR" help:"Folder of the experts' datasets. Default: experts in the state folder."`
	Seed              uint64 `placeholder:"N" help:"Seed of the draw. Default: dataset.yaml's."`
	SamplesPerAdapter int    `placeholder:"N" help:"Records of each expert in train and val. Default: dataset.yaml's."`
	TestPerAdapter    int    `placeholder:"N" help:"Records of each expert in test. Default: dataset.yaml's."`
	AllowShort        bool   `help:"Take what there is where an expert has too few pictures."`
	KeepApart         bool   `help:"Keep pictures that look alike in one split."`
	Name              string `placeholder:"NAME" help:"Name of the routing set. Default: made of the time."`
	Researcher        string `placeholder:"NAME" help:"Name of the researcher, for the name."`
	SkipTrain         bool   `help:"The same as --no-chain."`
	Dry               bool   `help:"Make the set, and do not start the next stage."`
	Force             bool   `help:"Make a new set, though there is one of the same input."`
}

// Help shows how the command is used.
func (*generateCmd) Help() string {
	return `Draws a routing set from the newest dataset of each expert: as many records of each, no picture in two splits, none with two labels. Then it starts upload, which starts preprocess, which starts train. What was done before for the same input is not done again.

    mole generate
    mole generate --from-dir ~/datasets --samples-per-adapter 200 --test-per-adapter 25 --no-chain` + exitHelp
}

// Run makes the set and starts the next stage.
func (c *generateCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
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
		ch.say("would run: generate from %s, upload, preprocess, train", from)
		return nil
	}
	g := &stage.Generate{Place: ch.Place, From: from, Options: c.options(ch), Force: c.Force}
	made, err := g.Run(ctx)
	if err != nil {
		return err
	}
	ch.sayGenerated(made)
	if c.NoChain || c.SkipTrain || c.Dry {
		ch.say("Next: mole upload %s", made.Dir)
		return nil
	}
	_, err = ch.fromUpload(ctx, made.Dir, from, runOptions{})
	return err
}

// options returns what dataset.yaml and the flags say.
func (c *generateCmd) options(ch *chain) dataset.AssembleOptions {
	d := ch.config.Dataset
	o := dataset.AssembleOptions{
		Seed: d.Seed, Train: d.Splits.Train, Val: d.Splits.Val, TestPerAdapter: d.TestSamplesPerAdapter, Counts: maps.Clone(d.Counts()),
		AllowShort: c.AllowShort, KeepApart: c.KeepApart, Name: c.Name, Researcher: c.Researcher, Workers: c.Workers, MoleVersion: "devel",
	}
	if c.Seed != 0 {
		o.Seed = c.Seed
	}
	if c.TestPerAdapter != 0 {
		o.TestPerAdapter = c.TestPerAdapter
	}
	for name := range o.Counts {
		if c.SamplesPerAdapter != 0 {
			o.Counts[name] = c.SamplesPerAdapter
		}
	}
	return o
}

// sayGenerated prints what is in a set, and its name.
func (c *chain) sayGenerated(g *stage.Generated) {
	if g.Done {
		c.say("generate: the set of the same input is there already")
	}
	if g.Report != nil {
		for _, a := range g.Report.Adapters {
			c.say("  %d %-14s %4d train %4d val %4d test  from %s", a.Label, a.Expert, a.Got.Train, a.Got.Val, a.Got.Test, a.Source)
		}
		if n := g.Report.Near; n.Val+n.Test > 0 {
			c.say("  %d pictures of val and %d of test look like one in train", n.Val, n.Test)
		}
	}
	c.say("%s  %d train, %d val, %d test", g.Name, len(g.Set.Train), len(g.Set.Val), len(g.Set.Test))
}

// finish closes a chain and keeps the first error.
func (c *chain) finish(err *error) {
	if closing := c.close(); *err == nil {
		*err = closing
	}
}

// sizeText returns a number of bytes for people.
func sizeText(bytes int64) string {
	const mib = 1 << 20
	return fmt.Sprintf("%.1f MiB", float64(bytes)/mib)
}
