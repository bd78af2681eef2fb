package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"mole/base"
)

// modelMakeCmd is mole model make.
type modelMakeCmd struct {
	Dir          string `arg:"" name:"dir" help:"New or empty folder."`
	Shape        string `enum:"tiny,2b,4b,8b,32b" required:"" placeholder:"NAME" help:"tiny, 2b, 4b, 8b or 32b."`
	Random       bool   `required:"" help:"Random weights; there are no others to make."`
	Seed         uint64 `default:"420" placeholder:"N" help:"Of the weights. Default: 420."`
	Layers       int    `placeholder:"N" help:"Layers of the decoder. Default: all."`
	VisionLayers int    `placeholder:"N" help:"Blocks of the vision tower. Default: all."`
}

// Run writes the checkpoint.
func (c *modelMakeCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) error {
	p := newProgressLine(errs)
	defer p.end()
	o := base.MakeOptions{
		Shape: c.Shape, Layers: c.Layers, VisionLayers: c.VisionLayers, Seed: c.Seed,
		Progress: func(done, total int64) { p.update("writing weights, MiB", done>>20, total>>20) },
	}
	if err := base.Make(ctx, c.Dir, o); err != nil {
		return err
	}
	p.end()
	_, err := fmt.Fprintf(out, "%s: random weights in the shape of %s\nNext: mole model check %s --try\n", c.Dir, c.Shape, filepath.Clean(c.Dir))
	return err
}
