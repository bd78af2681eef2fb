package stage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"mole/device"
	"mole/history"
	"mole/router"
	"mole/stage"
	"mole/store"
	"mole/tbevents"
	"mole/tensor"
)

// TestRecord looks at what a run writes down beside the bundle (specification
// mole, 4.11, 4.13, 4.14, 4.16 and 8.8).
func TestRecord(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	c := w.chain(brief())
	c.Train.HourlyRate = 3600 // a dollar a second
	results, _ := mustRun(t, c)
	set := results["generate"].(*stage.Generated).Name
	fsys := results["train"].(*stage.Trained).Tree.FS(t.Context(), w.Store)

	wantFiles(t, fsys, set)
	if err := json.Unmarshal(read(t, fsys, "run.json"), &map[string]any{}); err != nil {
		t.Error(err)
	}
	runs, err := history.Records{Volume: store.Volume{Store: w.Store, Name: w.Volumes.History}, Kind: "router"}.Read(t.Context())
	if err != nil || len(runs) != 1 || runs[0].RunName != "run" || runs[0].Metrics.TotalSteps != 6 {
		t.Errorf("history: got %+v, %v", runs, err)
	}
	wantTags(t, w.LogDir(set, "run"))
}

// wantFiles checks the files of a finished run.
func wantFiles(t *testing.T, fsys fs.FS, set string) {
	t.Helper()
	cost, err := history.ParseCostReport(read(t, fsys, "cost_report.json"))
	if err != nil || cost.Cost.TotalUSD <= 0 {
		t.Fatalf("cost report: got %+v, %v", cost, err)
	}
	r, err := history.ParseTrainResults(read(t, fsys, "train-results.json"))
	if err != nil || r.Training.TrainLoss <= 0 {
		t.Fatalf("results: got %+v, %v", r, err)
	}
	state, err := history.ParseTrainerState(read(t, fsys, "trainer_state.json"))
	if err != nil || math.IsNaN(state.BestEvalLoss()) {
		t.Fatalf("state: got %+v, %v", state, err)
	}
	got := fmt.Sprintln(cost.Run.TotalSteps, len(cost.Checkpoints), len(cost.Attempts), r.RunName, r.DatasetName, r.Training.TotalSteps,
		r.Dataset.TrainSamples, state.GlobalStep, state.MaxSteps)
	if want := fmt.Sprintln(6, 3, 1, "run", set, 6, 27, 6, 6); got != want {
		t.Errorf("got %swant %s", got, want)
	}
}

func read(t *testing.T, fsys fs.FS, name string) []byte {
	t.Helper()
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wantTags checks the tags of a run's event files.
func wantTags(t *testing.T, dir string) {
	t.Helper()
	wantCounts(t, dir, map[string]int{
		"train/loss": 6, "train/grad_norm": 6, "train/learning_rate": 6, "train/epoch": 6, "perf/step_time": 6, "perf/tokens_per_second": 6, "cost/usd": 6,
		"eval/loss": 2, "eval/runtime": 2, "eval/samples_per_second": 2, "eval/steps_per_second": 2, "eval/accuracy": 2, "eval/accuracy/calendar": 2,
		"eval/confidence": 2, "mem/bytes": 2, "train/train_loss": 1, "train/train_runtime": 1, "train/train_samples_per_second": 1,
		"train/train_steps_per_second": 1, "train/total_flos": 1, "args": 1, "model_config": 1, "eval_examples/example_0": 2, "eval_examples/example_2": 2,
		"loss/label": 6, "loss/end": 6, "eval/loss/label": 2, "eval/loss/end": 2,
	})
}

// wantCounts checks how many values the event files of a run have by tag.
func wantCounts(t *testing.T, dir string, want map[string]int) {
	t.Helper()
	counts := map[string]int{}
	runs, err := tbevents.Runs(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, run := range runs {
		log, err := tbevents.Load(os.DirFS(dir), run)
		if err != nil || log.Torn != nil || log.Damaged != nil {
			t.Fatalf("%s: %v, torn %v, damaged %v", run.Name, err, log.Torn, log.Damaged)
		}
		for _, s := range log.Series {
			counts[s.Tag] = s.Count
		}
	}
	for tag, n := range want {
		if counts[tag] != n {
			t.Errorf("%s: got %d values, want %d", tag, counts[tag], n)
		}
	}
}

// TestMemory gives a run less memory than it needs.
func TestMemory(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	c := w.chain(brief())
	c.Train.Memory = 16 << 20
	_, err := c.Run(t.Context())
	if !errors.Is(err, stage.ErrMemory) {
		t.Fatalf("got %v, want %v", err, stage.ErrMemory)
	}
	for _, part := range []string{"16.0 MiB may be taken", "weights 7.9 MiB", "adapter states", "activations of", "features"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want %q in it", err, part)
		}
	}
	s := brief()
	s.Batch = 27
	c = w.chain(s)
	c.Train.Memory = 68 << 20
	results, _ := mustRun(t, c)
	if got := results["train"].(*stage.Trained).Settings.PassTokens; got > 1024 || got < 256 {
		t.Errorf("got passes of %d tokens, want 256 to 1024", got)
	}
}

// meter is a device that counts the bytes in use.
type meter struct {
	device.Accelerator
	used, peak int64
}

func (m *meter) Alloc(d tensor.DType, s tensor.Shape) tensor.Tensor {
	t := m.Accelerator.Alloc(d, s)
	m.used += int64(t.Len() * d.Size())
	m.peak = max(m.peak, m.used)
	return t
}

func (m *meter) Free(t tensor.Tensor) {
	m.used -= int64(t.Len() * t.DType.Size())
	m.Accelerator.Free(t)
}

// TestNeeds compares the estimate with what a run takes of the device: the
// estimate counts what lies elsewhere too, and memory comes in blocks.
func TestNeeds(t *testing.T) {
	for _, targets := range []string{"text", "full"} {
		w := openWorkshop(t, t.TempDir(), draw(t))
		m := &meter{Accelerator: w.dev}
		s := brief()
		s.Targets, s.Batch, s.Steps, s.PassTokens = targets, 27, 2, 8192
		c := w.chain(s)
		c.Train.Device = m
		mustRun(t, c)
		n, err := c.Train.Needs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v; taken %d", targets, n, m.peak)
		if low := m.peak * 2 / 3; n.Total() < low || n.Activations > 4*m.peak {
			t.Errorf("%s: got %v, taken were %d bytes", targets, n, m.peak)
		}
	}
}

// TestRungs trains a router without an adapter.
func TestRungs(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	s := brief()
	s.Rung = router.Linear
	c := w.chain(s)
	c.Until = "eval"
	results, _ := mustRun(t, c)
	b := results["train"].(*stage.Trained).Bundle
	if got := b.Rungs(); b.Weights != nil || !slices.Equal(got, []router.Rung{router.Linear, router.Prototype}) {
		t.Errorf("got rungs %v, %d bytes of adapter, want linear and prototype only", got, len(b.Weights))
	}
	if got := results["eval"].(*stage.Evaluated).Report.Rung; got != router.Linear {
		t.Errorf("got a report about %s, want %s", got, router.Linear)
	}
}

// TestSameName trains again under one name with other settings.
func TestSameName(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	s := brief()
	s.Rung = router.Linear
	old, _ := mustRun(t, w.chain(s))
	s.Seed = 5
	c := w.chain(s)
	if _, err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "there is a run of that name already") {
		t.Errorf("got %v, want a refusal", err)
	}
	again, _ := mustRun(t, w.chain(old["train"].(*stage.Trained).Settings))
	if !again["train"].(*stage.Trained).Done {
		t.Error("the run that is there was done again")
	}
	c.Train.Force = true
	if forced, _ := mustRun(t, c); forced["train"].(*stage.Trained).Done {
		t.Error("the forced run was not done")
	}
}

// TestForce does a finished stage again.
func TestForce(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	c := w.chain(brief())
	c.Until = "generate"
	old, _ := mustRun(t, c)
	c.Generate.Force, c.Generate.Options.Name = true, ""
	results, _ := mustRun(t, c)
	if got := results["generate"].(*stage.Generated); got.Done {
		t.Errorf("got %s and %s, want the work done again", old["generate"].(*stage.Generated).Name, got.Name)
	}
	c.Generate.Force = false
	results, _ = mustRun(t, c)
	if got := results["generate"].(*stage.Generated); !got.Done {
		t.Error("the forced result was not kept")
	}
}
