package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"mole/synth"
)

// synthCmd is mole synth.
type synthCmd struct {
	Expert     string  `default:"all" placeholder:"NAME" help:"Expert to draw screens for. Default: all."`
	Images     int     `placeholder:"N" help:"Pictures of each expert. Default: 1100."`
	Tests      int     `placeholder:"N" help:"Test records of each expert. Default: 100."`
	Seed       uint64  `placeholder:"N" help:"Seed of all that is drawn. Default: 420."`
	Test       bool    `help:"A hundredth of the pictures."`
	Scale      float64 `placeholder:"F" help:"Size of the pictures, 1 for the screens' own. Default: 1."`
	Frame      string  `placeholder:"HOW" help:"window, desktop, or mix:SHARE of both. Default: window."`
	Exp        string  `placeholder:"LABEL" help:"Label of the experiment, for the names."`
	Researcher string  `placeholder:"NAME" help:"Name of the researcher, for the names."`
	Out        string  `placeholder:"DIR" help:"Folder of the datasets. Default: experts in the state folder."`
	Outside    string  `placeholder:"DIR" help:"Draw screens of no expert into this new folder instead."`
	State      string  `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of this machine's state. Default: .mole."`
	Workers    int     `placeholder:"N" help:"Cores to use. Default: all."`
}

// Help shows how the command is used.
func (*synthCmd) Help() string {
	return `Draws screens of seven kinds of software, with random people, dates and tables in them, and writes for each kind a dataset as experts are trained on: instructions, the right click or key, and tests. The same seed draws the same bytes.

    mole synth --test
    mole synth --expert calendar --images 200 --scale 0.5
    mole synth --outside unknown --images 20` + exitHelp
}

// Run draws the datasets and prints where they are.
func (c *synthCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) error {
	progress := newProgressLine(errs)
	defer progress.end()
	if c.Outside != "" {
		n := c.Images
		if n == 0 {
			n = 100
		}
		return synth.Outside(ctx, c.Outside, n, c.Seed)
	}
	dir := c.Out
	if dir == "" {
		dir = filepath.Join(c.State, "experts")
	}
	o := synth.Options{
		Images: c.Images, Tests: c.Tests, Seed: c.Seed, Test: c.Test, Scale: c.Scale, Frame: c.Frame, Exp: c.Exp, Researcher: c.Researcher, Workers: c.Workers,
	}
	if c.Expert != "all" {
		o.Experts = []string{c.Expert}
	}
	dirs, err := synth.Generate(ctx, dir, o, func(done, total int) { progress.update("draw screens", int64(done), int64(total)) })
	if err != nil {
		return err
	}
	progress.end()
	for _, d := range dirs {
		if _, err := fmt.Fprintln(out, d); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "Next: mole generate --from-dir %s\n", dir)
	return err
}

// errorWriter is standard error.
type errorWriter struct{ io.Writer }
