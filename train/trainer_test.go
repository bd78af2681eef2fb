package train_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"mole/batch"
	"mole/train"
)

// checkErr reports an error that is not as wanted; "" wants none.
func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("got no error, want %q", want)
	case err != nil && want == "":
		t.Errorf("got error %q, want none", err)
	case err != nil && !strings.Contains(err.Error(), want):
		t.Errorf("got error %q, want %q in it", err, want)
	}
}

// finish runs r to its end and returns the reports of its steps.
func finish(t *testing.T, r *train.Trainer) []train.Step {
	t.Helper()
	var steps []train.Step
	r.Report = func(s train.Step) { steps = append(steps, s) }
	if _, err := r.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return steps
}

func TestOverfit(t *testing.T) {
	r := trainer(t, 2)
	r.Examples = examples(4)
	r.Options.Steps, r.Options.Warmup, r.Options.Shape = 150, -1, train.Constant
	steps := finish(t, r)
	if first := steps[0].Loss; math.Abs(first-math.Log(vocab)) > 1.5 {
		t.Errorf("got loss %v at first, want about log %d", first, vocab)
	}
	if last := steps[len(steps)-1].Loss; last > 0.01 {
		t.Errorf("got loss %v after 150 steps, want at most 0.01", last)
	}
}

func TestReport(t *testing.T) {
	r := trainer(t, 1)
	steps := finish(t, r)
	if len(steps) != 12 {
		t.Fatalf("got %d reports, want 12", len(steps))
	}
	schedule := train.Schedule{Shape: train.Cosine, Peak: 0.05, Warmup: 2, Steps: 12}
	for i, got := range steps {
		// Of the rest only the sign is known; all but the first token of each of
		// four examples are supervised.
		if !(got.Loss > 0 && got.GradNorm > 0 && got.Duration > 0) {
			t.Errorf("step %d: got %+v, want positive numbers", i, got)
		}
		want := got
		want.Index, want.Rate, want.Tokens, want.Skipped = i, schedule.Rate(i), got.Supervised+4, ""
		if got != want {
			t.Errorf("step %d: got %+v, want %+v", i, got, want)
		}
	}
	if slices.Equal(weights(r.Network), weights(open(t, 1))) {
		t.Errorf("got the weights of a new network")
	}
}

// TestShared checks that what the examples of a step have in common is computed
// once, and that this does not change the step, but for rounding.
func TestShared(t *testing.T) {
	var steps [2][]train.Step
	for i, tokens := range []int{1, 1000} { // one example a pass, all
		r := trainer(t, 1)
		r.Examples, r.Options.PassTokens = examples(1), tokens
		steps[i] = finish(t, r)
	}
	for i, got := range steps[1] {
		apart := steps[0][i]
		if got.Tokens != 3 || apart.Tokens != 4*3 || got.Supervised != apart.Supervised {
			t.Errorf("step %d: got %+v, want 3 tokens for the 12 of %+v", i, got, apart)
		}
		near(t, "loss", got.Loss, apart.Loss, 1e-5)
		near(t, "gradient norm", got.GradNorm, apart.GradNorm, 1e-4)
	}
}

// TestAccumulation checks that a step does not depend on the passes it is cut
// into, for either rule, but for rounding.
func TestAccumulation(t *testing.T) {
	for _, rule := range []train.Normalise{train.TokenMean, train.SampleMean} {
		t.Run(string(rule), func(t *testing.T) {
			var runs [][]train.Step
			var results [][]float32
			for _, tokens := range []int{1, 10, 1000} { // one example a pass, some, all
				r := trainer(t, 1)
				r.Options.PassTokens, r.Options.Normalise = tokens, rule
				runs = append(runs, finish(t, r))
				results = append(results, weights(r.Network))
			}
			for k := range 2 {
				for i := range runs[k] {
					near(t, fmt.Sprintf("loss of step %d", i), runs[k][i].Loss, runs[2][i].Loss, 1e-5)
					near(t, fmt.Sprintf("gradient norm of step %d", i), runs[k][i].GradNorm, runs[2][i].GradNorm, 1e-4)
				}
				for i := range results[k] {
					near(t, fmt.Sprintf("weight %d", i), float64(results[k][i]), float64(results[2][i]), 1e-3)
				}
			}
		})
	}
}

// near reports numbers that differ by more than tolerance, relative to the
// larger of want and 0.1.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*max(math.Abs(want), 0.1)) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// TestWorkers checks that the number of workers changes no byte.
func TestWorkers(t *testing.T) {
	r := trainer(t, 1)
	finish(t, r)
	want := weights(r.Network)
	for _, workers := range []int{2, 3, 8} {
		r := trainer(t, workers)
		finish(t, r)
		if got := weights(r.Network); !slices.Equal(got, want) {
			t.Errorf("%d workers: got %v, want %v", workers, got, want)
		}
	}
}

// poisoned spoils a network at given calls of Forward, counted from 0.
type poisoned struct {
	*network
	calls    int
	loss     map[int]float32 // becomes the loss of the last label
	gradient map[int]float32 // becomes the gradient of b
}

// Forward implements train.Network.
func (p *poisoned) Forward(b *batch.Batch) ([]float32, error) {
	losses, err := p.network.Forward(b)
	if v, ok := p.loss[p.calls]; ok {
		losses[len(losses)-1] = v
	}
	p.calls++
	return losses, err
}

// Backward implements train.Network.
func (p *poisoned) Backward() error {
	err := p.network.Backward()
	if v, ok := p.gradient[p.calls-1]; ok {
		p.dev.Fill(p.b.Grad, v)
	}
	return err
}

var nan, inf = float32(math.NaN()), float32(math.Inf(1))

func TestSkip(t *testing.T) {
	tests := []struct {
		name           string
		loss, gradient map[int]float32
		want           map[int]string // skipped steps
	}{
		{"loss NaN", map[int]float32{3: nan}, nil, map[int]string{3: "loss NaN, example 0"}},
		{"loss infinite", map[int]float32{0: inf}, nil, map[int]string{0: "loss +Inf, example 15"}},
		{"gradient NaN", nil, map[int]float32{5: nan}, map[int]string{5: "gradient norm NaN, examples ["}},
		{"gradient infinite", nil, map[int]float32{5: inf}, map[int]string{5: "gradient norm +Inf, examples ["}},
		{"square infinite", nil, map[int]float32{5: 1e30}, map[int]string{5: "gradient norm +Inf, examples ["}},
		{"two and two", map[int]float32{1: nan, 2: nan, 4: nan}, map[int]float32{5: nan},
			map[int]string{1: "loss NaN", 2: "loss NaN", 4: "loss NaN", 5: "gradient norm NaN"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := trainer(t, 1)
			r.Options.PassTokens = 1000 // one pass a step
			r.Network = &poisoned{network: r.Network.(*network), loss: tt.loss, gradient: tt.gradient}
			var result train.Result
			before, skipped := weights(r.Network), 0
			r.Report = func(s train.Step) {
				after := weights(r.Network)
				if !strings.Contains(s.Skipped, tt.want[s.Index]) || (s.Skipped == "") != (tt.want[s.Index] == "") {
					t.Errorf("step %d: got %q, want %q", s.Index, s.Skipped, tt.want[s.Index])
				}
				if unchanged := slices.Equal(before, after); unchanged != (s.Skipped != "" || s.Index == 0) { // step 0 has rate 0
					t.Errorf("step %d, skipped %q: unchanged %v", s.Index, s.Skipped, unchanged)
				}
				before = after
			}
			result, err := r.Run(context.Background())
			checkErr(t, err, "")
			skipped = len(tt.want)
			if want := (train.Result{Steps: 12, Skipped: skipped}); result != want {
				t.Errorf("got %+v, want %+v", result, want)
			}
		})
	}
}

// TestSkipLeavesNothing checks that a skipped step leaves no part of its
// gradient to the next one: with rate 0 in the skipped step, the run equals one
// in which the step was fine but for Adam's moments, so compare gradients.
func TestSkipLeavesNothing(t *testing.T) {
	r := trainer(t, 1)
	r.Options.PassTokens = 1 // four passes a step: the last one of step 0 is bad
	r.Network = &poisoned{network: r.Network.(*network), loss: map[int]float32{3: nan}}
	got := finish(t, r)
	want := finish(t, trainer(t, 1))
	near(t, "gradient norm of step 1", got[1].GradNorm, want[1].GradNorm, 1e-4)
	if got[0].Tokens != want[0].Tokens || got[0].Supervised != want[0].Supervised {
		t.Errorf("got %d tokens, %d supervised, want %d and %d", got[0].Tokens, got[0].Supervised, want[0].Tokens, want[0].Supervised)
	}
}

func TestAbort(t *testing.T) {
	r := trainer(t, 1)
	r.Options.PassTokens = 1000
	r.Network = &poisoned{network: r.Network.(*network), loss: map[int]float32{2: nan, 3: nan}, gradient: map[int]float32{4: inf}}
	result, err := r.Run(context.Background())
	if !errors.Is(err, train.ErrNotFinite) {
		t.Errorf("got error %v, want ErrNotFinite", err)
	}
	for _, want := range []string{"3 steps in a row", "step 2: loss NaN, example ", "; step 3: loss NaN, example ", "; step 4: gradient norm +Inf, examples ["} {
		checkErr(t, err, want)
	}
	if want := (train.Result{Steps: 5, Skipped: 3}); result != want {
		t.Errorf("got %+v, want %+v", result, want)
	}
}

// broken is a source of examples that are not good to learn from.
type broken struct{ example batch.Example }

// Len implements train.Examples.
func (b broken) Len() int { return 1 }

// Example implements train.Examples.
func (b broken) Example(int) (batch.Example, error) {
	if b.example.Tokens == nil {
		return batch.Example{}, errors.New("shard gone")
	}
	return b.example, nil
}

func TestRunRefuses(t *testing.T) {
	tokens := []int32{1, 2}
	tests := []struct {
		name     string
		examples train.Examples
		change   func(o *train.Options)
		wantErr  string
	}{
		{"no examples", examples(0), nil, "no examples to learn from"},
		{"source fails", broken{}, nil, "step 0: example 0: shard gone"},
		{"nothing supervised", broken{batch.Example{Tokens: tokens}}, nil, "step 0: example 0: no supervised token"},
		{"negative weight", broken{batch.Example{Tokens: tokens, Labels: []int32{batch.Ignore, 2}, Weight: -1}}, nil, "step 0: example 0: weight -1, want a positive number"},
		{"not packable", broken{batch.Example{Tokens: []int32{1, 1000}, Labels: []int32{batch.Ignore, 1000}}}, nil, "step 0: examples [0]: example 0: token 1: "},
		{"no steps", examples(1), func(o *train.Options) { o.Steps = -1 }, "steps: -1, want at least 1"},
		{"no batch", examples(1), func(o *train.Options) { o.BatchExamples = -1 }, "examples per step: -1, want at least 1"},
		{"no tokens", examples(1), func(o *train.Options) { o.PassTokens = -1 }, "tokens per pass: -1, want at least 1"},
		{"never saves", examples(1), func(o *train.Options) { o.SaveEvery = -1 }, "steps between checkpoints: -1, want at least 1"},
		{"rate NaN", examples(1), func(o *train.Options) { o.Rate = math.NaN() }, "learning rate NaN, want a positive number"},
		{"rate negative", examples(1), func(o *train.Options) { o.Rate = -1 }, "learning rate -1, want a positive number"},
		{"long warm-up", examples(1), func(o *train.Options) { o.Warmup = 13 }, "13 steps of warm-up, want at most the 12 of the run"},
		{"unknown schedule", examples(1), func(o *train.Options) { o.Shape = "step" }, `schedule "step", want "cosine", "linear" or "constant"`},
		{"unknown rule", examples(1), func(o *train.Options) { o.Normalise = "sum" }, `normalise "sum", want "token-mean" or "sample-mean"`},
		{"beta 1", examples(1), func(o *train.Options) { o.Optimizer.Beta1 = 1 }, "beta1 1, want at least 0 and below 1"},
		{"decay NaN", examples(1), func(o *train.Options) { o.Optimizer.Decay = math.NaN() }, "weight decay NaN, want at least 0"},
		{"clip NaN", examples(1), func(o *train.Options) { o.Optimizer.ClipNorm = math.NaN() }, "clip norm NaN, want a number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := trainer(t, 1)
			r.Examples = tt.examples
			if tt.change != nil {
				tt.change(&r.Options)
			}
			_, err := r.Run(context.Background())
			checkErr(t, err, tt.wantErr)
		})
	}
}

// failing is a network whose device is fine but whose passes are not.
type failing struct{ *network }

// Forward implements train.Network.
func (failing) Forward(*batch.Batch) ([]float32, error) { return nil, errors.New("out of memory") }

// short is a network that loses a loss.
type short struct{ *network }

// Forward implements train.Network.
func (s short) Forward(b *batch.Batch) ([]float32, error) {
	losses, err := s.network.Forward(b)
	return losses[1:], err
}

func TestNetworkFails(t *testing.T) {
	r := trainer(t, 1)
	n := r.Network.(*network)
	r.Network = failing{n}
	_, err := r.Run(context.Background())
	checkErr(t, err, "out of memory")
	r.Network = short{n}
	_, err = r.Run(context.Background())
	checkErr(t, err, "losses for")
}
