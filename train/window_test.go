package train

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"mole/batch"
)

// TestPermutation pins the order of examples: a run that began with one build
// of the program must go on with the next.
func TestPermutation(t *testing.T) {
	if got, want := fmt.Sprint(permutation(12, 3, 0)), "[2 1 4 0 11 7 6 3 10 8 9 5]"; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOrder(t *testing.T) {
	const n = 50
	sorted := make([]int, n)
	for i := range sorted {
		sorted[i] = i
	}
	seen := map[string]bool{}
	for _, seed := range []uint64{0, 1, math.MaxUint64} {
		o := &order{seed: seed, n: n}
		for epoch := range 3 {
			var perm []int
			for i := range n {
				perm = append(perm, o.at(epoch*n+i))
			}
			// Where it was before must not matter.
			if fresh := (&order{seed: seed, n: n}).at(epoch*n + 7); fresh != perm[7] {
				t.Errorf("seed %d, epoch %d: got %d from a new order, want %d", seed, epoch, fresh, perm[7])
			}
			seen[fmt.Sprint(perm)] = true
			if slices.Sort(perm); !slices.Equal(perm, sorted) {
				t.Errorf("seed %d, epoch %d: got %v, want each number once", seed, epoch, perm)
			}
		}
	}
	if len(seen) != 9 {
		t.Errorf("got %d different orders, want 9", len(seen))
	}
}

// windowOf returns a window of examples with the given weights and labels.
func windowOf(weights []float32, labels []int) *window {
	w := &window{labels: labels}
	for i, v := range weights {
		w.index = append(w.index, 10+i)
		w.examples = append(w.examples, batch.Example{Tokens: make([]int32, labels[i]+1), Weight: v})
	}
	return w
}

func TestNormalise(t *testing.T) {
	tests := []struct {
		name    string
		rule    Normalise
		weights []float32
		labels  []int
		want    []float64 // of each label
	}{
		{"one", TokenMean, []float32{1}, []int{4}, []float64{0.25}},
		{"tokens", TokenMean, []float32{1, 1}, []int{1, 3}, []float64{0.25, 0.25}},
		{"tokens, weighted", TokenMean, []float32{3, 1}, []int{1, 3}, []float64{0.5, 1. / 6}},
		{"samples", SampleMean, []float32{1, 1}, []int{1, 4}, []float64{0.5, 0.125}},
		{"samples, weighted", SampleMean, []float32{3, 1}, []int{1, 4}, []float64{0.75, 0.0625}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := windowOf(tt.weights, tt.labels)
			w.normalise(tt.rule)
			sum := 0.0
			for i, want := range tt.want {
				got := float64(w.examples[i].Weight)
				if math.Abs(got-want) > 1e-7 {
					t.Errorf("example %d: got %v, want %v", i, got, want)
				}
				sum += got * float64(tt.labels[i])
			}
			if math.Abs(sum-1) > 1e-6 {
				t.Errorf("weights add up to %v, want 1", sum)
			}
		})
	}
}

func TestCut(t *testing.T) {
	w := windowOf(make([]float32, 6), []int{3, 1, 9, 1, 1, 1}) // 4, 2, 10, 2, 2 and 2 tokens
	for i, e := range w.examples {
		e.Tokens[0] = int32(min(i, 4)) // the last two are equal
	}
	var got [][]int
	for len(w.index) > 0 {
		var pass *window
		pass, w = w.cut(batch.Layout{ImageToken: 1000, VideoToken: 1001, Merge: 2}, 6)
		got = append(got, pass.index)
	}
	if s, want := fmt.Sprint(got), "[[10 11] [12] [13 14 15]]"; s != want {
		t.Errorf("got %v, want %v", s, want)
	}
}

func TestExampleOf(t *testing.T) {
	w := windowOf(make([]float32, 3), []int{2, 1, 3})
	var got []int
	for i := range w.supervised() {
		got = append(got, w.exampleOf(i))
	}
	if s, want := fmt.Sprint(got), "[10 10 11 12 12 12]"; s != want {
		t.Errorf("got %v, want %v", s, want)
	}
}

func TestDifference(t *testing.T) {
	tests := []struct {
		name    string
		was, is map[string]string
		want    string
	}{
		{"equal", map[string]string{"a": "1"}, map[string]string{"a": "1"}, "<nil>"},
		{"value", map[string]string{"a": "1", "b": "2"}, map[string]string{"a": "1", "b": "3"}, `b was "2", is "3"`},
		{"gone", map[string]string{"a": "1"}, nil, `a was "1", is not set`},
		{"new, by the caller", nil, map[string]string{"run.data": ""}, `data was not set, is ""`},
		{"several", map[string]string{"b": "1", "a": "1"}, map[string]string{"b": "2", "a": "2"}, `a was "1", is "2"; b was "1", is "2"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want != "<nil>" {
				want = "other settings than the run was begun with: " + want
			}
			if got := fmt.Sprint(difference(tt.was, tt.is)); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if equal := digest(tt.was) == digest(tt.is); equal != (tt.want == "<nil>") {
				t.Errorf("digests equal: %v", equal)
			}
		})
	}
}

// TestPacking checks that a checkpoint of a run that packed otherwise, or did
// not say how, is refused.
func TestPacking(t *testing.T) {
	is := Options{}.settings(1)
	was := Options{}.settings(1)
	delete(was, "packing")
	if got, want := fmt.Sprint(difference(was, is)), `packing was not set, is "forest"`; !strings.HasSuffix(got, want) {
		t.Errorf("got %q, want %q at its end", got, want)
	}
}

func TestDefaults(t *testing.T) {
	got := Options{}.withDefaults()
	want := Options{
		Steps: 1000, BatchExamples: 16, PassTokens: 4096, Rate: 1e-4, Warmup: 30, Shape: Cosine, Normalise: TokenMean, SaveEvery: 20, EvalEvery: 20,
		Optimizer: OptimizerOptions{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, ClipNorm: 1},
	}
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("got %v, want %v", g, w)
	}
	if err := got.check(); err != nil {
		t.Error(err)
	}
	if got := (Options{Warmup: -1}).withDefaults().Warmup; got != 0 {
		t.Errorf("warm-up -1: got %d steps, want 0", got)
	}
}
