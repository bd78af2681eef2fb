package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"mole/config"
	"mole/dataset"
	"mole/stage"
)

// linkCmd is mole link.
type linkCmd struct {
	State       string   `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of the store. Default: .mole."`
	Config      string   `default:"config" placeholder:"DIR" help:"Folder of the configuration. Default: config."`
	FromDir     string   `placeholder:"DIR" help:"Folder of the experts' datasets, which are published. Default: the volume, and experts in the state folder."`
	OutputName  string   `placeholder:"NAME" help:"Name of the manifest. Default: made of the time."`
	TestSamples *int     `placeholder:"N" help:"Samples of each expert that are held out. Default: dataset.yaml's."`
	Experts     []string `placeholder:"NAME" help:"Experts to link. Default: all that have a dataset and a count."`
	RequireAll  bool     `help:"Refuse if an expert has no dataset, instead of leaving it out."`
	Seed        uint64   `placeholder:"N" help:"Seed of the draw. Default: dataset.yaml's, 42."`
	Workers     int      `placeholder:"N" help:"Cores to use. Default: profiles.yaml's, or all."`
	Dry         bool     `help:"Print what would be linked, and write nothing."`
	Force       bool     `help:"Make a new manifest, though there is one of the same input, and replace one of that name."`
	JSON        bool     `name:"json" help:"Print the manifest, and nothing else."`
	Verbose     bool     `short:"v" help:"Log more."`

	kong.Plugins // the count of each expert
	counts       expertCounts
}

// Help shows how the command is used.
func (*linkCmd) Help() string {
	return `Chooses samples of the newest dataset of each expert for a router to learn from, and writes down which: a manifest, which takes the place of a routing set. No picture is in two splits. Samples for mole eval are held out, and up to a quarter of the count is for validation. An expert without a dataset is left out, with a notice. The datasets must not change between mole link and mole train: a manifest of other data is refused. docs/link.md describes the manifest.

The flags with the name of an expert say how many of its samples are for training, 0 for none. Default: its count in dataset.yaml, or 500 for an expert that is not there.

    mole link
    mole link --calendar 200 --ocr 0 --test-samples 25 --output-name small
    mole link --experts calendar,desktop --require-all --dry
    mole train --manifest small` + exitHelp
}

// expertCounts are flags that are named like experts. They point to the values.
type expertCounts struct {
	names  []string
	values reflect.Value // a struct with a *int for each name
}

// countFlags adds flags for the experts that the configuration of a command line
// names. An expert that is called like another flag has none.
func (c *linkCmd) countFlags(args []string) {
	taken := map[string]bool{"help": true}
	for field := range reflect.TypeFor[linkCmd]().Fields() {
		taken[strings.ToLower(field.Name)] = true
	}
	var fields []reflect.StructField
	for _, name := range experts(args) {
		if taken[strings.ReplaceAll(name, "-", "")] {
			continue
		}
		c.counts.names = append(c.counts.names, name)
		fields = append(fields, reflect.StructField{
			Name: fmt.Sprintf("Count%d", len(fields)), Type: reflect.TypeFor[*int](),
			Tag: reflect.StructTag(fmt.Sprintf(`name:%q placeholder:"N" help:"Samples of %s." group:"Counts"`, name, name)),
		})
	}
	c.counts.values = reflect.New(reflect.StructOf(fields))
	c.Plugins = kong.Plugins{c.counts.values.Interface()}
}

// experts returns the experts of the configuration that a command line names.
// One that does not load is refused later, by the command.
func experts(args []string) []string {
	dir := config.Dir
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--config="); ok {
			dir = value
		} else if arg == "--config" && i+1 < len(args) {
			dir = args[i+1]
		}
	}
	c, err := loadConfig(dir)
	if err != nil {
		c, err = config.Load(config.Options{})
	}
	if err != nil {
		return nil
	}
	return c.Experts.Names()
}

// given returns the counts that the command line names.
func (c expertCounts) given() map[string]int {
	counts := map[string]int{}
	for i, name := range c.names {
		if n, _ := c.values.Elem().Field(i).Interface().(*int); n != nil {
			counts[name] = *n
		}
	}
	return counts
}

// Run links.
func (c *linkCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	ch, err := chainFlags{State: c.State, Config: c.Config, Workers: c.Workers, Verbose: c.Verbose}.open(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	l, err := c.stage(ch)
	if err != nil {
		return err
	}
	done, err := within(ctx, ch.job("link"), l.Run)
	if err != nil {
		return err
	}
	if c.JSON {
		ch.progress.end()
		return writeObject(out, done.Manifest)
	}
	ch.sayLinked(done)
	if c.Dry {
		ch.say("nothing was written")
		return nil
	}
	ch.say("Next: mole train --manifest %s", done.Manifest.Name)
	return nil
}

// defaultLinked is the number of samples of an expert that neither a flag nor
// dataset.yaml counts (specification mole, 5.6).
const defaultLinked = 500

// stage returns the stage that links.
func (c *linkCmd) stage(ch *chain) (*stage.Link, error) {
	d := ch.config.Dataset
	o := dataset.LinkOptions{
		Name: c.OutputName, Seed: d.Seed, Tests: d.TestSamplesPerAdapter, Counts: map[string]int{},
		ConfigPath: filepath.ToSlash(filepath.Join(c.Config, "dataset.yaml")), Workers: ch.job("link").cores(),
	}
	for _, name := range ch.Experts.Names() {
		o.Counts[name] = defaultLinked
		if draw := d.Adapters[name]; draw != nil {
			o.Counts[name] = draw.Count
		}
	}
	maps.Copy(o.Counts, c.counts.given())
	if c.Seed != 0 {
		o.Seed = c.Seed
	}
	if c.TestSamples != nil {
		o.Tests = *c.TestSamples
	}
	for _, name := range slices.Sorted(maps.Keys(o.Counts)) {
		if n, given := c.counts.given()[name]; given && n < 0 {
			return nil, fmt.Errorf("--%s %d, want 0 or more", name, n)
		}
	}
	if o.Tests < 0 {
		return nil, fmt.Errorf("--test-samples %d, want 0 or more", o.Tests)
	}
	return &stage.Link{Place: ch.Place, From: c.FromDir, Options: o, Only: c.Experts, RequireAll: c.RequireAll, Dry: c.Dry, Force: c.Force}, nil
}

// sayLinked prints what is linked, and what is not.
func (c *chain) sayLinked(l *stage.LinkedSet) {
	if l.Done {
		c.say("link: the manifest of the same input is there already")
	}
	m := l.Manifest
	for _, name := range c.Experts.Names() {
		e := m.Experts[name]
		if e == nil {
			continue
		}
		c.say("  %d %-14s %4d train %4d val %4d test  of %d in %s", e.Label, name, e.TrainCount, e.ValCount, e.TestCount, e.Available, e.Dataset)
		if want := m.ExpertCounts[name]; e.TrainCount < want {
			c.say("  %16s %d were wanted for training; there are no more", "", want)
		}
		if e.TestCount < m.TestSamples {
			c.say("  %16s no pictures to hold out: it has no more than %d", "", m.TestSamples)
		}
	}
	for _, name := range l.Missing {
		c.say("  %s has no dataset and is left out", name)
	}
	if l.Report != nil && len(l.Report.Conflicts) > 0 {
		first := l.Report.Conflicts[0]
		c.say("  %d pictures of several experts are left out; %s is one", len(l.Report.Conflicts), strings.Join(first.Images, " = "))
	}
	c.say("%s  %d train, %d val, %d test", m.Name, m.Totals.Train, m.Totals.Val, m.Totals.Test)
}
