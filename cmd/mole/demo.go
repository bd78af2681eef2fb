package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mole/config"
	"mole/dataset"
	"mole/eval"
	"mole/router"
	"mole/stage"
	"mole/synth"
)

// demoCmd is mole demo.
type demoCmd struct {
	Out     string `default:"mole-demo" placeholder:"DIR" help:"Folder for everything. Default: mole-demo."`
	Steps   int    `default:"120" placeholder:"N" help:"Training steps. Default: 120."`
	Workers int    `placeholder:"N" help:"Cores to use. Default: all."`
	Expert  bool   `default:"true" negatable:"" help:"Train, test and deploy an expert, too, and let it answer. Default: yes."`
}

// Help shows how the command is used.
func (*demoCmd) Help() string {
	return `Runs the whole chain, small, on this machine, without network and with the built-in settings: draws screens of seven programs, makes a routing set of them, preprocesses it, trains a router, judges it on screens that it has not seen, and on screens of programs that nobody told it about. Then trains an expert for one of the programs, tests and deploys it, and asks both with a new screen. The same stages and the same code as the commands of the chain. What was done is not done again.

    mole demo
    mole demo --out /srv/demo --steps 200` + exitHelp
}

// The size of the demonstration: enough pictures for a router that works, few
// enough for a coffee's first sip.
const (
	demoImages  = 60  // drawn for each expert
	demoSamples = 40  // of these, in train and val
	demoTests   = 10  // of these, in test
	demoUnknown = 20  // screens of no expert
	demoScale   = 0.5 // of the screens' size
	demoSeed    = 420
)

// Run runs the chain and prints what came of it.
func (c *demoCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) (err error) {
	began := time.Now()
	ch, err := chainFlags{State: c.Out, Workers: c.Workers}.openDefault(out, errs)
	if err != nil {
		return err
	}
	defer ch.finish(&err)
	if err := c.draw(ctx, ch); err != nil {
		return err
	}
	s := c.stages(ch)
	if err := ch.start(ctx, s, false); err != nil {
		return err
	}
	if c.Expert {
		picture, trial, err := c.expert(ctx, ch)
		if err == nil {
			err = c.together(ctx, ch, picture, trial)
		}
		if err != nil {
			return err
		}
	}
	c.farewell(ch, s.Deploy.Judged, time.Since(began))
	return nil
}

// stages returns the chain, small, and what is printed on the way.
func (c *demoCmd) stages(ch *chain) *stage.Chain {
	counts := map[string]int{}
	for _, name := range ch.Experts.Names() {
		counts[name] = demoSamples
	}
	s := ch.stages("")
	s.Until = "deploy"
	s.Generate = &stage.Generate{Place: ch.Place, From: ch.experts(), Options: dataset.AssembleOptions{
		Seed: demoSeed, TestPerAdapter: demoTests, Counts: counts, IncludeVal: true, Name: "routing_demo",
	}}
	s.Train.Name, s.Train.Settings = "demo", stage.Settings{Preset: "tiny", Steps: c.Steps, EvalEvery: c.Steps}
	s.Eval.Outside = c.unknown()
	s.Deploy = &stage.Promote{Deploy: &stage.Deploy{Place: ch.Place}, Rule: stage.DeployAlways}
	s.After = func(name string, result any) error {
		if err := ch.tell(name, result); err != nil {
			return err
		}
		if r, ok := result.(*stage.Evaluated); ok {
			ch.sayRoutes(r)
		}
		return nil
	}
	return s
}

func (c *demoCmd) unknown() string { return filepath.Join(c.Out, "unknown") }

// openDefault opens a chain with the built-in settings, whatever variables say.
func (f chainFlags) openDefault(out, errs io.Writer) (*chain, error) {
	c, err := config.Load(config.Options{})
	if err != nil {
		return nil, err
	}
	return f.openWith(c, out, errs)
}

// draw draws the experts' screens and those of nobody.
func (c *demoCmd) draw(ctx context.Context, ch *chain) error {
	o := synth.Options{
		Images: demoImages, Tests: 7, Crops: 20, Seed: demoSeed, Scale: demoScale, Workers: c.Workers,
		Time: time.Date(2026, 1, 5, 9, 0, 0, 0, time.Local), // part of the names, so that a second run finds what the first one drew
	}
	dirs, err := synth.Generate(ctx, ch.experts(), o, func(done, total int) { ch.progress.update("draw screens", int64(done), int64(total)) })
	if err != nil {
		return err
	}
	ch.say("drew %d screens of each of %d programs: %s", demoImages, len(dirs), ch.experts())
	if _, err := os.Stat(c.unknown()); errors.Is(err, os.ErrNotExist) {
		return synth.Outside(ctx, c.unknown(), demoUnknown, demoSeed)
	}
	return nil
}

// sayRoutes prints what the router says about some of the screens.
func (c *chain) sayRoutes(e *stage.Evaluated) {
	c.say("some of the screens that it had never seen:")
	seen := map[string]bool{}
	for _, o := range e.Known {
		if !seen[o.Expected] {
			seen[o.Expected] = true
			c.say("  %s", routeLine(o, e.Bundle.Table.Names()))
		}
	}
	unsure := 0
	for _, o := range e.Unknown {
		if o.Decision.Unsure {
			unsure++
		}
	}
	alarms := 0
	for _, o := range e.Known {
		if o.Decision.Unsure {
			alarms++
		}
	}
	c.say("screens of programs that it knows nothing of: %d of %d came out as unsure; so did %d of %d that it does know", unsure, len(e.Unknown), alarms, len(e.Known))
}

// routeLine returns a decision in one line: what it was, what the router says,
// and the two largest probabilities.
func routeLine(o eval.Outcome, names []string) string {
	mark := "right"
	switch {
	case o.Decision.Unsure:
		mark = "unsure"
	case o.Decision.Expert != o.Expected:
		mark = "WRONG"
	}
	return fmt.Sprintf("%-14s -> %-14s %-6s %s", o.Expected, o.Decision.Expert, mark, topTwo(o.Decision, names))
}

// topTwo returns the two largest probabilities with their names.
func topTwo(d router.Decision, names []string) string {
	best, second := -1, -1
	for i, p := range d.Probs {
		switch {
		case best < 0 || p > d.Probs[best]:
			best, second = i, best
		case second < 0 || p > d.Probs[second]:
			second = i
		}
	}
	var parts []string
	for _, i := range []int{best, second} {
		if i >= 0 {
			parts = append(parts, fmt.Sprintf("%s %.3f", names[i], d.Probs[i]))
		}
	}
	return strings.Join(parts, ", ")
}

// farewell prints where everything is and what to do next.
func (c *demoCmd) farewell(ch *chain, e *stage.Evaluated, took time.Duration) {
	ch.say("")
	ch.say("done in %v; everything is in %s:", took.Round(time.Second), c.Out)
	ch.say("  report    %s", e.HTML)
	ch.say("  pictures  %s, and of no program that it knows %s", ch.experts(), c.unknown())
	ch.say("  logs      %s", filepath.Join(c.Out, "tb_logs"))
	ch.say("  router    %s:%s", ch.Volumes.Data, stage.CheckpointPath(e.Bundle.Dataset, e.Bundle.Run))
	ch.say("")
	ch.say("Next: mole infer --state %s A-SCREENSHOT.png --prompt \"Click OK\"", c.Out)
	ch.say("      mole serve --state %s", c.Out)
	ch.say("      mole generate --from-dir YOUR-DATASETS")
}
