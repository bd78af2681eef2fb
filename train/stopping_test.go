package train_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"mole/train"
)

// scripted returns a run of 12 steps that is evaluated every second step with
// the given losses.
func scripted(t *testing.T, losses []float64, seen *[]train.Evaluation) *train.Trainer {
	t.Helper()
	r, err := tiny(1)
	if err != nil {
		t.Fatal(err)
	}
	r.Options.Steps, r.Options.SaveEvery, r.Options.EvalEvery = 12, 4, 2
	r.Options.Patience, r.Options.MinGain = 3, 0.0005
	r.Evaluate = func(step int) (float64, error) { return losses[step/2-1], nil }
	r.Evaluated = func(e train.Evaluation) { *seen = append(*seen, e) }
	return r
}

// TestEarlyStop is acceptance scenario 10 of the specification mole: small
// gains do not keep a run going, yet the best weights are the last ones.
func TestEarlyStop(t *testing.T) {
	var seen []train.Evaluation
	r := scripted(t, []float64{1.0, 0.9998, 0.9997, 0.9996, 0.1, 0.1}, &seen)
	got, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := train.Result{Steps: 8, Early: true, Best: 0.9996, BestStep: 8}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	last := seen[len(seen)-1]
	if len(seen) != 4 || !last.Lowest || last.Without != 3 || last.Best != 1 {
		t.Errorf("got %d evaluations, the last %+v", len(seen), last)
	}
}

// TestBestWeights checks that a run ends with the weights of its lowest loss.
func TestBestWeights(t *testing.T) {
	var seen []train.Evaluation
	r := scripted(t, []float64{1, 0.5, 0.9, 0.8, 0.7, 0.6}, &seen)
	r.Options.Patience = 0
	var atBest []float32
	evaluate := r.Evaluate
	r.Evaluate = func(step int) (float64, error) {
		if step == 4 {
			atBest = weights(r.Network)
		}
		return evaluate(step)
	}
	got, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (train.Result{Steps: 12, Best: 0.5, BestStep: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !slices.Equal(weights(r.Network), atBest) {
		t.Error("the weights are not those of the lowest loss")
	}
}

// TestStoppingResumes stops a run between its evaluations and continues it: the
// last checkpoint is that of a run that went through.
func TestStoppingResumes(t *testing.T) {
	losses := []float64{1, 0.5, 0.9, 0.8, 0.7, 0.6}
	var seen []train.Evaluation
	whole := scripted(t, losses, &seen)
	whole.Dir = t.TempDir()
	want, err := whole.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for steps := 0; steps < want.Steps; steps += 3 {
		ctx, stop := context.WithCancel(t.Context())
		r := scripted(t, losses, &seen)
		r.Dir = dir
		r.Report = func(s train.Step) {
			if s.Index >= steps {
				stop()
			}
		}
		if _, err := r.Run(ctx); err != nil && !errors.Is(err, train.ErrStopped) {
			t.Fatal(err)
		}
		stop()
	}
	r := scripted(t, losses, &seen)
	r.Dir = dir
	got, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.First = 0; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if name := "step-000010.safetensors"; !bytes.Equal(contents(t, filepath.Join(dir, name)), contents(t, filepath.Join(whole.Dir, name))) {
		t.Errorf("%s differs from that of a run that was not stopped", name)
	}
}

func TestEvaluationNotFinite(t *testing.T) {
	var seen []train.Evaluation
	r := scripted(t, []float64{math.NaN()}, &seen)
	if _, err := r.Run(t.Context()); !errors.Is(err, train.ErrNotFinite) {
		t.Errorf("got %v, want %v", err, train.ErrNotFinite)
	}
}
