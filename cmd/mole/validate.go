package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"mole/dataset"
)

// validateCmd is mole validate.
type validateCmd struct {
	Dir     string `arg:"" help:"The dataset of an expert, or a routing set."`
	FromDir string `placeholder:"DIR" help:"Folder in which the pictures of a routing set are found. Default: the one above it."`
	Own     bool   `help:"Apply the rules for datasets that this program makes."`
	Pixels  bool   `help:"Decode every picture, not only its header."`
	Verbose bool   `short:"v" help:"Show every problem, not only the first ten."`
}

// Help shows how the command is used.
func (*validateCmd) Help() string {
	return `Checks a dataset and prints what is wrong with it, each problem with its file and line. Exit status 0 means that there is no error; warnings do not count.

    mole validate .mole/experts/calendar--mole--20260105_090000
    mole validate -v --pixels datasets/routing_20260105_110000` + exitHelp
}

// Run checks the dataset.
func (c *validateCmd) Run(_ context.Context, out io.Writer) error {
	folder := os.DirFS(c.Dir)
	check := dataset.ValidateExpert
	o := dataset.ValidateOptions{Own: c.Own, Pixels: c.Pixels}
	if _, err := fs.Stat(folder, "metadata.json"); err == nil {
		check = dataset.ValidateRouting
		o.Datasets = os.DirFS(c.pictures())
	}
	problems := check(folder, o)
	const shown = 10
	for i, p := range problems {
		if i == shown && !c.Verbose {
			fmt.Fprintf(out, "and %d more; -v shows them\n", len(problems)-shown)
			break
		}
		fmt.Fprintln(out, p)
	}
	if !dataset.Valid(problems) {
		return fmt.Errorf("%s: not valid: %d problems", c.Dir, len(problems))
	}
	_, err := fmt.Fprintf(out, "%s: valid\n", c.Dir)
	return err
}

// pictures returns the folder in which the pictures of a routing set are found.
func (c *validateCmd) pictures() string {
	if c.FromDir != "" {
		return c.FromDir
	}
	return filepath.Dir(filepath.Clean(c.Dir))
}
