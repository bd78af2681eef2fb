package kernel_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mole/internal/kernel"
)

// crossEntropy is the loss in float64, with h added to logit j.
func crossEntropy(logits []float32, target, j int, h float64) float64 {
	z := widened(logits, j, h)
	top := slices.Max(z)
	var sum float64
	for _, v := range z {
		sum += math.Exp(v - top)
	}
	return math.Log(sum) + top - z[target]
}

func TestCrossEntropy(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, v := range lengths {
		logits := normals(r, v)
		for i := range logits {
			logits[i] = 5*logits[i] + 100 // e¹⁰⁰ is beyond float32
		}
		target := r.IntN(v)
		loss, lse := kernel.CrossEntropy(logits, target)
		if want := crossEntropy(logits, target, 0, 0); !close64(float64(loss), want, 1e-7) {
			t.Errorf("V=%d: loss: got %v, want %v", v, loss, want)
		}
		grad := make([]float32, v)
		kernel.CrossEntropyGrad(grad, logits, target, lse, -3)
		for j, got := range grad {
			want := -3 * slope(func(h float64) float64 { return crossEntropy(logits, target, j, h) })
			if !close64(float64(got), want, 2e-7) {
				t.Errorf("V=%d: gradient[%d]: got %v, want %v", v, j, got, want)
			}
		}
		kernel.CrossEntropyGrad(logits, logits, target, lse, -3)
		if !slices.Equal(logits, grad) {
			t.Errorf("V=%d: in place got %v, want %v", v, logits, grad)
		}
	}
}

// TestCrossEntropyFar checks logits that exclude a token, and that a NaN is not
// lost in the search for the largest.
func TestCrossEntropyFar(t *testing.T) {
	never, nan := float32(math.Inf(-1)), float32(math.NaN())
	if loss, _ := kernel.CrossEntropy([]float32{never, 2, 2}, 1); loss != math.Ln2 {
		t.Errorf("one token excluded: got %v, want %v", loss, math.Ln2)
	}
	for i := range 3 {
		logits := []float32{1, 2, 3}
		logits[i] = nan
		if loss, _ := kernel.CrossEntropy(logits, 0); loss == loss {
			t.Errorf("NaN at %d: got %v, want NaN", i, loss)
		}
	}
}
