package main

import (
	"context"
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

// Run makes the set and starts the next stages.
func (c *generateCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := c.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	s := c.stages(ch)
	s.NoChain = c.NoChain || c.SkipTrain || c.Dry
	return ch.start(ctx, s, c.DryRun)
}

// stages returns the chain that begins with the draw.
func (c *generateCmd) stages(ch *chain) *stage.Chain {
	s := ch.stages(c.FromDir)
	s.Generate = &stage.Generate{Place: ch.Place, From: s.Upload.From, Options: c.options(ch), Force: c.Force}
	return s
}

// options returns what dataset.yaml and the flags say.
func (c *generateCmd) options(ch *chain) dataset.AssembleOptions {
	d := ch.config.Dataset
	o := dataset.AssembleOptions{
		Seed: d.Seed, Train: d.Splits.Train, Val: d.Splits.Val, TestPerAdapter: d.TestSamplesPerAdapter, Counts: maps.Clone(d.Counts()),
		OwnOnly: ch.config.OwnOnly(), Prefix: d.NamePrefix, AllowShort: c.AllowShort, KeepApart: c.KeepApart, Name: c.Name, Researcher: c.Researcher, Workers: c.Workers, MoleVersion: "devel",
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
