package stage_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mole/history"
	"mole/prompt"
	"mole/safetensors"
	"mole/stage"
	"mole/train"
)

// weights are those of the specification.
var weights = stage.LossWeights{Base: 1, Action: 1.5, Arg: 2, Mode: prompt.ByJSON}

// weightedRun returns the training of an expert with weights.
func (w *workshop) weightedRun(t testing.TB, name string, of stage.LossWeights) *stage.TrainExpert {
	e := w.expertRun(t)
	e.Name, e.Settings.Loss = name, of
	return e
}

// TestTrainExpertWeights trains with weights: another adapter than without, the
// parts of the loss in the records, and the same bytes where the run was stopped.
func TestTrainExpertWeights(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	out := mustTrainExpert(t, w.weightedRun(t, "weighted", weights))
	plain := mustTrainExpert(t, w.weightedRun(t, "plain", stage.LossWeights{}))
	if adapterOf(t, w, out) == adapterOf(t, w, plain) {
		t.Error("weights changed nothing")
	}
	wantParts(t, w, out)
	wantCounts(t, w.LogDir(out.Dataset, out.Name), map[string]int{
		"loss/base": 3, "loss/action": 3, "loss/arg": 3, "eval/loss/base": 1, "eval/loss/action": 1, "eval/loss/arg": 1, "loss/label": 0, "eval/loss": 1,
	})
	wantCounts(t, w.LogDir(out.Dataset, plain.Name), map[string]int{"loss/base": 0, "eval/loss/arg": 0, "loss/end": 0, "eval/loss": 1})
	wantStops(t, w, adapterOf(t, w, out))
}

// wantParts checks what the files of a run say about weights.
func wantParts(t *testing.T, w *workshop, out *stage.TrainedExpert) {
	t.Helper()
	fsys := out.Tree.FS(t.Context(), w.Store)
	if text := string(read(t, fsys, "run.json")); !strings.Contains(text, `"loss_weights": {`) || !strings.Contains(text, `"mode": "json"`) {
		t.Errorf("run.json: %s", text)
	}
	state, err := history.ParseTrainerState(read(t, fsys, "trainer_state.json"))
	if err != nil || len(state.LogHistory) != 1 {
		t.Fatalf("got %+v, %v", state, err)
	}
	e := state.LogHistory[0]
	parts := e.EvalLossByPart
	if want := 0.1*parts["action"] + 0.1*parts["base"] + 0.8*parts["arg"]; len(parts) != 3 || math.Abs(*e.EvalLoss-want) > 1e-12 || *out.Loss != *e.EvalLoss {
		t.Errorf("got loss %v, lowest %v, of %v, want %v", *e.EvalLoss, *out.Loss, parts, want)
	}
}

// wantStops stops a run with weights. Other weights do not continue it; the same
// ones do, to the wanted bytes.
func wantStops(t *testing.T, w *workshop, want string) {
	t.Helper()
	legacy := weights
	legacy.Mode = prompt.ByLength
	for _, of := range []stage.LossWeights{weights, legacy} {
		if steps := stopAfter(t, w, of, 1); !slices.Equal(steps, []int{0}) {
			t.Errorf("weights %v: took steps %v, want a run of its own", of, steps)
		}
	}
	wantSettings(t, w.State, weights.String(), legacy.String())
	if steps := stopAfter(t, w, weights, 2); !slices.Equal(steps, []int{1}) {
		t.Errorf("the same weights: took steps %v, want 1 to follow", steps)
	}
	if got := adapterOf(t, w, mustTrainExpert(t, w.weightedRun(t, "stopped", weights))); got != want {
		t.Error("the continued run has other weights")
	}
	_, err := w.weightedRun(t, "stopped", legacy).Run(t.Context())
	wantError(t, err, "there is a run of that name already, of other settings")
}

// wantSettings checks that the checkpoints below a folder name these weights.
func wantSettings(t *testing.T, dir string, want ...string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(filepath.Base(path), "step-") {
			return err
		}
		f, err := safetensors.Open(path)
		if err != nil {
			return err
		}
		got = append(got, f.Metadata()["setting.run.loss_weights"])
		return f.Close()
	})
	slices.Sort(got)
	if slices.Sort(want); err != nil || !slices.Equal(got, want) {
		t.Errorf("checkpoints: got weights %q, %v, want %q", got, err, want)
	}
}

// stopAfter stops a run when so many steps are done, and returns those it took.
func stopAfter(t *testing.T, w *workshop, of stage.LossWeights, done int) (steps []int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	e := w.weightedRun(t, "stopped", of)
	e.Report = func(s train.Step, _ stage.Settings) {
		steps = append(steps, s.Index)
		if s.Index+1 == done {
			stop()
		}
	}
	if _, err := e.Run(ctx); !stopped(err) {
		t.Fatalf("got %v, want %v", err, train.ErrStopped)
	}
	return steps
}

// TestWeightsRefused checks what makes no sense: a router, and weights that leave
// nothing of the answers. Neither takes a step.
func TestWeightsRefused(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	e := w.weightedRun(t, "none", stage.LossWeights{Base: 1, Mode: prompt.ByLength})
	e.Report = func(train.Step, stage.Settings) { t.Error("it took a step") }
	_, err := e.Run(t.Context())
	wantError(t, err, "train: loss weights base 1, action 0, arg 0 (legacy): no token of its")
	_, err = w.weightedRun(t, "none", stage.LossWeights{Base: -1, Mode: prompt.ByLength}).Run(t.Context())
	wantError(t, err, "loss weights: base -1, want a finite number, at least 0")

	s := brief()
	s.Loss = weights
	if _, err := w.chain(s).Run(t.Context()); !errors.Is(err, stage.ErrRouterWeights) {
		t.Errorf("a router: got %v, want %v", err, stage.ErrRouterWeights)
	}
}
