package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mole/dataset"
	"mole/eval"
	"mole/serve"
	"mole/stage"
	"mole/synth"
)

// The expert of the demonstration: one task whose target does not move, which is
// what the network inside the program can learn in seconds. At this rate 40 steps
// are enough; docs/expert.md has the figures.
const (
	demoExpert      = "login-window"
	demoExpertTask  = "click-ok"
	demoExpertRun   = "demo-expert"
	demoLessons     = 48 // pictures
	demoExpertTests = 10
	demoExpertSteps = 40
	demoExpertRate  = 3e-3
)

// expert trains an expert, tests it, and deploys it. It returns the picture of a
// test, and what came of that.
func (c *demoCmd) expert(ctx context.Context, ch *chain) (picture string, trial eval.Trial, err error) {
	dirs, err := synth.Generate(ctx, filepath.Join(c.Out, "lessons"), synth.Options{
		Experts: []string{demoExpert}, Images: demoLessons, Tests: demoExpertTests, Seed: demoSeed, Scale: demoScale, Workers: c.Workers,
		Time: time.Date(2026, 1, 5, 9, 30, 0, 0, time.Local), Exp: "demo",
		Each: map[string]synth.Setting{demoExpert: {Tasks: map[string]float64{demoExpertTask: 1}}},
	}, nil)
	if err != nil {
		return "", trial, err
	}
	t, err := ch.trainExpert(ctx, demoExpert)
	if err != nil {
		return "", trial, err
	}
	t.From, t.Name = dirs[0], demoExpertRun
	t.Settings = stage.Settings{Preset: "tiny", Steps: demoExpertSteps, EvalEvery: demoExpertSteps, Rate: demoExpertRate}
	trained, err := t.Run(ctx)
	if err != nil {
		return "", trial, err
	}
	ch.sayTrainedExpert(trained)
	test, err := ch.testExpert(ctx, demoExpert)
	if err != nil {
		return "", trial, err
	}
	test.Dataset, test.Name = trained.Dataset, trained.Name
	tested, err := test.Run(ctx)
	if err != nil {
		return "", trial, err
	}
	ch.sayTested(tested)
	_, err = (&stage.DeployExpert{
		Place: ch.Place, Checkpoint: stage.ExpertCheckpointPath(trained.Dataset, trained.Name), Base: ch.base, View: test.View, Device: test.Device,
	}).Run(ctx)
	if err != nil {
		return "", trial, err
	}
	trial = tested.Trials[0]
	return filepath.Join(dirs[0], filepath.FromSlash(trial.Picture)), trial, nil
}

// together asks router and expert with a screen, as mole infer and mole serve
// do, and prints what each says.
func (c *demoCmd) together(ctx context.Context, ch *chain, picture string, trial eval.Trial) (err error) {
	file, err := os.ReadFile(picture)
	if err != nil {
		return err
	}
	flags := routerFlags{State: c.Out, Precision: "auto"}
	w := newWriters(ch, flags, writerFlags{KeyMemory: 128, AdapterMemory: 128, MaxBatch: 1})
	d, err := flags.openRouter(ctx, ch, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	s, err := serve.New(serve.Options{Source: flags.source(ch, 1, nil), Unsure: serve.UnsureError})
	if err != nil {
		return err
	}
	a, err := s.Ask(ctx, d, serve.Ask{Image: file, Prompt: trial.Prompt})
	if err != nil {
		return err
	}
	ch.say("router and expert together, asked %q with %s:", trial.Prompt, picture)
	ch.say("  router  %s, %.1f %%, in %.0f ms", a.RoutedAdapter, 100*a.Scores[a.RoutedAdapter], 1000*a.Timings["route"])
	if a.Output == nil {
		ch.say("  nobody answered: %s", *a.Error)
		return nil
	}
	ch.say("  %s answers in %.0f ms:", a.Adapter, 1000*a.Timings["generate"])
	ch.say("  %s", strings.ReplaceAll(*a.Output, "\n", "\n  "))
	return nil
}

// sayTested prints how many tests an expert passed, and one of its answers.
func (c *chain) sayTested(t *stage.TestedExpert) {
	r := t.Report
	c.say("expert %s passed %d of %d tests that it had never seen:", r.Expert, r.Results.Passed, r.Results.Total)
	c.say("  %s", trialLine(t.Trials[0]))
}

// trialLine returns a test in one line: what was asked, and what was answered.
func trialLine(t eval.Trial) string {
	verdict := "passed"
	if !t.Passed {
		verdict = "FAILED: " + t.Reason
	}
	answer := strings.Join(strings.Fields(t.Got), " ")
	if calls, err := dataset.ParseCalls(t.Got); err == nil {
		answer = calls[0].Action()
		if at := calls[0].Arg("coordinate"); json.Valid(at) {
			answer += " " + string(at)
		}
	}
	return fmt.Sprintf("%q -> %s  %s", t.Prompt, answer, verdict)
}
