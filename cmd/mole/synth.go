package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mole/config"
	"mole/synth"
)

// synthCmd is mole synth.
type synthCmd struct {
	Expert     string  `default:"all" placeholder:"NAME" help:"Expert to draw screens for. Default: all of generators.yaml."`
	Config     string  `default:"config" placeholder:"PATH" help:"Folder of the configuration, or the file of a generator project, for one expert. Default: config."`
	Images     int     `placeholder:"N" help:"Pictures of each expert. Default: generators.yaml's, 1100."`
	Tests      int     `placeholder:"N" help:"Test records of each expert. Default: generators.yaml's, 100."`
	Seed       uint64  `placeholder:"N" help:"Seed of all that is drawn. Default: generators.yaml's, 420."`
	Test       bool    `help:"A hundredth of the pictures."`
	Scale      float64 `placeholder:"F" help:"Size of the pictures, 1 for the screens' own. Default: generators.yaml's, 1."`
	Frame      string  `placeholder:"HOW" help:"window, desktop, or mix:SHARE of both. Default: generators.yaml's, window."`
	Exp        string  `placeholder:"LABEL" help:"Label of the experiment, for the names."`
	Researcher string  `placeholder:"NAME" help:"Name of the researcher, for the names."`
	Out        string  `placeholder:"DIR" help:"Folder of the datasets. Default: experts in the state folder."`
	Outside    string  `placeholder:"DIR" help:"Draw screens of no expert into this new folder instead."`
	State      string  `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of this machine's state. Default: .mole."`
	Workers    int     `placeholder:"N" help:"Cores to use. Default: profiles.yaml's, or all."`
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
	settings, err := c.settings()
	if err != nil {
		return err
	}
	o, err := c.options(settings)
	if err != nil {
		return err
	}
	progress := newProgressLine(errs)
	defer progress.end()
	dir := cmp.Or(c.Out, filepath.Join(c.State, "experts"))
	dirs, err := within(ctx, jobOf(settings, "synth", c.Workers), func(ctx context.Context) ([]string, error) {
		if c.Outside != "" {
			return nil, synth.Outside(ctx, c.Outside, cmp.Or(c.Images, outsideImages), o.Seed)
		}
		return synth.Generate(ctx, dir, o, func(done, total int) { progress.update("draw screens", int64(done), int64(total)) })
	})
	if err != nil || c.Outside != "" {
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

// outsideImages is how many screens of no expert are drawn where nobody says.
const outsideImages = 100

// settings reads the configuration, or that of a generator project.
func (c *synthCmd) settings() (*config.Config, error) {
	info, err := os.Stat(c.Config)
	if err != nil || info.IsDir() {
		return openConfig(c.Config, "")
	}
	if c.Expert == all {
		return nil, errors.New("--config with a file is about one expert: want --expert, too")
	}
	settings, err := loadConfig(config.Dir)
	if err != nil {
		return nil, err
	}
	if err := config.LoadGenerator(settings, os.DirFS(filepath.Dir(c.Config)), filepath.Base(c.Config), c.Expert); err != nil {
		return nil, err
	}
	return settings, settings.Supported("")
}

// all stands for every expert.
const all = "all"

// options returns what generators.yaml and the flags say.
func (c *synthCmd) options(settings *config.Config) (synth.Options, error) {
	g := settings.Generators
	o := synth.Options{
		Images: c.Images, Tests: c.Tests, Seed: cmp.Or(c.Seed, g.Seed), Test: c.Test, Scale: cmp.Or(c.Scale, g.Scale), Frame: cmp.Or(c.Frame, g.Frame),
		ImageFormat: g.Output.ImageFormat, Quality: g.Output.ImageQuality, Exp: c.Exp, Researcher: c.Researcher, Workers: c.Workers,
		Time: time.Now(), Each: map[string]synth.Setting{},
	}
	if o.Seed == 0 {
		return o, settings.Refuse("generators.seed", "found 0, want 1 or more")
	}
	if c.Expert != all {
		o.Experts = []string{c.Expert}
	}
	for name, e := range g.Experts {
		if slices.Contains(synth.Screens(), name) {
			o.Each[name] = c.setting(e)
		}
	}
	if c.Expert != all {
		return o, nil
	}
	for _, name := range synth.Screens() {
		if _, ok := o.Each[name]; ok {
			o.Experts = append(o.Experts, name)
		}
	}
	return o, drawable(settings)
}

// drawable refuses experts that have no built-in screen. Those that only
// adapters.yaml names are left out.
func drawable(settings *config.Config) error {
	drawn := 0
	for name := range settings.Generators.Experts {
		key := "generators.experts." + name
		switch {
		case slices.Contains(synth.Screens(), name):
			drawn++
		case !settings.Source(key).IsDefault():
			return settings.Refuse(key, "expert %q has no built-in screen, want some of %q", name, synth.Screens())
		}
	}
	if drawn == 0 {
		return settings.Refuse("generators.experts", "no expert has a built-in screen, want some of %q", synth.Screens())
	}
	return nil
}

// setting returns what generators.yaml says about one expert, as far as flags
// do not.
func (c *synthCmd) setting(g *config.Generator) synth.Setting {
	s := synth.Setting{
		Train: g.Splits.Train, Seed: g.Seed, ImageFormat: g.Output.ImageFormat, Quality: g.Output.ImageQuality, Prefix: g.NamePrefix,
		Odds: g.TaskDistributions, TestTasks: g.Test.Distribution, Tests: g.Test.Count, PerTask: g.Test.PerTaskType, Tolerance: g.Test.Tolerance,
		Marks: synth.Marks{None: !g.Annotation.Enabled, Share: g.Annotation.Ratio, ByTask: g.Annotation.PerType},
	}
	s.Tasks, s.Images = g.TaskShares()
	if g.HeldOut.Enabled {
		s.HeldOut = g.HeldOut.Ratio
	}
	if c.Images != 0 {
		s.Images = 0
	}
	if c.Tests != 0 {
		s.Tests, s.PerTask = 0, false
	}
	if c.Seed != 0 {
		s.Seed = 0
	}
	return s
}

// errorWriter is standard error.
type errorWriter struct{ io.Writer }
