package batch_test

import (
	"slices"
	"testing"

	"mole/batch"

	"github.com/google/go-cmp/cmp"
)

// TestTokenWeights checks that the weight of a token reaches its label, times
// that of the example.
func TestTokenWeights(t *testing.T) {
	off := int32(batch.Ignore)
	e := batch.Example{Tokens: []int32{1, 2, 3, 4}, Labels: []int32{off, 2, off, 4}, Weights: []float32{9, 0.5, 9, 0}}
	for weight, want := range map[float32][]float32{0: {0.5, 0}, 1: {0.5, 0}, 4: {2, 0}} {
		e.Weight = weight
		for name, b := range map[string]*batch.Batch{"packed": pack(t, e), "shared": share(t, e)} {
			var got []float32
			for _, l := range b.Labels {
				got = append(got, l.Weight)
			}
			if !slices.Equal(got, want) {
				t.Errorf("example of weight %v, %s: got %v, want %v", weight, name, got, want)
			}
		}
	}
}

// TestLosses sums losses by part, in the order of a batch.
func TestLosses(t *testing.T) {
	off := int32(batch.Ignore)
	var l batch.Losses
	if got := l.Means(); got != nil {
		t.Errorf("got %v of no losses", got)
	}
	l.Add([]batch.Example{
		{Tokens: []int32{1, 2, 3}, Labels: []int32{off, 2, 3}, Parts: []batch.Part{batch.CallArg, batch.CallBase, batch.CallArg}},
		{Tokens: []int32{1, 2}, Labels: []int32{off, 2}}, // without parts
		{Tokens: []int32{1}, Parts: []batch.Part{batch.CallAction}},
		{Tokens: []int32{1, 2, 3}, Labels: []int32{off, 2, 3}, Parts: []batch.Part{0, batch.CallArg, batch.NoPart}},
	}, []float32{1, 2, 100, 4, 200})
	if diff := cmp.Diff(map[string]float64{"base": 1, "arg": 3}, l.Means()); diff != "" {
		t.Errorf("means (-want +got):\n%s", diff)
	}
	if mean, ok := l.Mean(batch.CallAction); ok {
		t.Errorf("got %v for a part that no label is of", mean)
	}
}
