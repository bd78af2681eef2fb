package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"mole/base"
	"mole/stage"
	"mole/train"
)

// stages returns the stages of the chain up to train, and eval for the hint at
// the end. Its callers say where it begins, and what the stages are about.
func (c *chain) stages(from string) *stage.Chain {
	if from == "" {
		from = c.experts()
	}
	return &stage.Chain{
		Place:      c.Place,
		Upload:     &stage.Upload{Place: c.Place, From: from},
		Preprocess: &stage.Preprocess{Place: c.Place, Workers: c.flags.Workers},
		Train:      &stage.Train{Place: c.Place, Memory: c.job("train").memory(memoryLimit()), HourlyRate: c.hourlyRate()},
		Eval:       &stage.Eval{Place: c.Place},
		Until:      "train",
		After:      c.tell,
	}
}

// start runs the stages, or says what would run, and prints how to go on.
func (c *chain) start(ctx context.Context, s *stage.Chain, dry bool) error {
	if dry {
		return c.plan(s)
	}
	if err := c.equip(ctx, s); err != nil {
		return err
	}
	s.Within = func(ctx context.Context, name string, run func(context.Context) (any, error)) (any, error) {
		return within(ctx, c.job(jobName(s, name)), run)
	}
	next, err := s.Run(ctx)
	if errors.Is(err, train.ErrStopped) && hint(err) == "" {
		return hintedError{err, "the same command continues it"}
	}
	if err == nil && next != "" {
		c.say("Next: %s", next)
	}
	return err
}

// narrow makes the experts of the chain those of its manifest, and reports
// whether it is about one.
func (c *chain) narrow(ctx context.Context, s *stage.Chain) (linked bool, err error) {
	name := ""
	if s.Preprocess != nil {
		name = s.Preprocess.Dataset
	}
	if s.Train != nil {
		name = cmp.Or(name, s.Train.Dataset)
	}
	if s.Eval != nil {
		name = cmp.Or(name, s.Eval.Dataset)
	}
	if linked, err = c.HasManifest(ctx, name); err == nil && linked {
		c.Experts, err = c.LinkedExperts(ctx, name)
	}
	return linked, err
}

// jobName returns the job of a stage: those of manifests have their own.
func jobName(s *stage.Chain, name string) string {
	if t := s.Train; t != nil && t.Linked {
		switch name {
		case "preprocess":
			return "preprocess-from-experts"
		case "train":
			return "train-linked"
		}
	}
	return name
}

// plan prints what would run.
func (c *chain) plan(s *stage.Chain) error {
	lines, err := s.Plan()
	for _, line := range lines {
		c.say("%s", line)
	}
	return err
}

// equip opens the base network and the device for the stages that need them.
func (c *chain) equip(ctx context.Context, s *stage.Chain) error {
	if !s.Runs("preprocess") && !s.Runs("train") && !s.Runs("eval") {
		return nil
	}
	linked, err := c.narrow(ctx, s)
	if err != nil {
		return err
	}
	v, err := c.view(ctx)
	if err != nil {
		return err
	}
	if p := s.Preprocess; p != nil {
		p.Base, p.View = c.base, v
	}
	if e := s.Eval; e != nil {
		e.Base, e.View = c.base, v
		if e.Device, err = c.accelerator("eval"); err != nil {
			return err
		}
	}
	if t := s.Train; t != nil {
		t.Base, t.View = c.base, v
		t.Linked = linked
		t.Settings.Preset = c.preset(t.Settings.Preset, t.Linked)
		c.watch(t)
		name := jobName(s, "train")
		t.Memory = c.job(name).memory(memoryLimit())
		t.Device, err = c.accelerator(name)
	}
	return err
}

// hourlyRate returns what an hour of the processor costs, in US dollars.
func (c *chain) hourlyRate() float64 {
	usd, _ := c.config.Adapters.Cost.Rate("cpu")
	return usd
}

// preset returns the preset of a run: the named one, or that of the base
// network and of the kind of its set.
func (c *chain) preset(name string, linked bool) string {
	switch {
	case name != "":
		return name
	case c.base.Name == base.Tiny:
		return "tiny"
	case linked:
		return "linked"
	}
	return "assembled"
}

// tell prints what came of a stage, with the lines that other programs look
// for (specification mole, 5.0).
func (c *chain) tell(_ string, result any) error {
	switch r := result.(type) {
	case *stage.Generated:
		c.sayGenerated(r)
	case *stage.Uploaded:
		c.sayUploaded(r)
	case *stage.Preprocessed:
		c.sayPreprocessed(r)
	case *stage.Trained:
		c.sayTrained(r)
	case *stage.Evaluated:
		c.say("%s", r.Text)
		c.say("%s", r.Report.Line())
		c.say("report: %s", r.HTML)
	case *stage.Promoted:
		c.sayPromoted(r)
	}
	return nil
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

// sayUploaded prints what was copied, and the name of the set.
func (c *chain) sayUploaded(u *stage.Uploaded) {
	if u.Done {
		c.say("upload: everything is there already")
	} else {
		c.say("upload: %d files, %s", u.Files, sizeText(u.Bytes))
	}
	c.say("DATASET_NAME=%s", u.Name)
}

// sayPreprocessed prints what training will read.
func (c *chain) sayPreprocessed(p *stage.Preprocessed) {
	if p.Done {
		c.say("preprocess: done before")
	}
	m := p.Meta
	c.say("preprocess: %d pictures, %d distinct, %s; %d train, %d val, %d test samples",
		m.Images.Samples, m.Images.Distinct, sizeText(m.BytesTotal), m.TrainSamples, m.ValSamples, m.TestSamples)
}

// sayTrained prints where the router is and how it decides.
func (c *chain) sayTrained(t *stage.Trained) {
	if t.Done {
		c.say("train: done before")
	}
	c.say("train: run %s", t.Name)
	b := t.Bundle
	for _, r := range b.Rungs() {
		mark, fit := "", b.Calibrations[r].Fit
		if r == b.Rung {
			mark = "  <- routes"
		}
		c.say("  %-9s  loss %.4f on %d validation pictures%s", r, fit.Loss, fit.Images, mark)
	}
}

// sayPromoted prints whether the router answers from now on, and why.
func (c *chain) sayPromoted(p *stage.Promoted) {
	switch d := p.Deployed; {
	case d == nil:
		c.say("NOT DEPLOYED: %s", p.Why)
	case d.Done:
		c.say("deployed already: release %s", d.Metadata.Release)
	default:
		c.say("DEPLOYED: release %s, %s", d.Metadata.Release, p.Why)
	}
}

// memoryLimit returns the bytes that this process may take at most, 0 if that
// is not known.
func memoryLimit() int64 {
	h := readHost(os.DirFS("/"))
	if h.MemLimit > 0 && h.MemLimit < h.MemTotal {
		return h.MemLimit
	}
	return h.MemTotal
}

// watch shows the steps of a run.
func (c *chain) watch(t *stage.Train) { t.Report, t.Evaluated = c.watchers() }

// watchers return functions that show steps and log evaluations.
func (c *chain) watchers() (func(train.Step, stage.Settings), func(train.Evaluation)) {
	report := func(s train.Step, of stage.Settings) {
		text := fmt.Sprintf("train  loss %.3f", s.Loss)
		if s.Skipped != "" {
			c.Log.Warn("step skipped", "step", s.Index, "reason", s.Skipped)
		}
		c.progress.step(text, int64(s.Index+1), int64(of.Steps))
	}
	evaluated := func(e train.Evaluation) {
		c.Log.Info("evaluation", "step", e.Step, "loss_nats", e.Loss, "lowest", e.Lowest, "without_gain", e.Without)
	}
	return report, evaluated
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
