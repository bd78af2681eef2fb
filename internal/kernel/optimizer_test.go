package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"mole/internal/kernel"
)

func TestSumSquares(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for _, n := range lengths {
		x := normals(r, n)
		var want float64
		for _, v := range x {
			want += float64(v) * float64(v)
		}
		if got := kernel.SumSquares(x); got != want {
			t.Errorf("n=%d: got %v, want %v", n, got, want)
		}
	}
}

// TestAdamW follows one weight for three steps, against the formulas worked
// out with the moments that were stored.
func TestAdamW(t *testing.T) {
	w, m, v := []float32{2}, []float32{0}, []float32{0}
	for step, grad := range []float32{4, -1, 0.5} {
		o := kernel.AdamW{Rate: 0.1, Beta1: 0.9, Beta2: 0.99, Eps: 1e-3, Decay: 0.02, Step: step + 1, Scale: 0.5}
		g := 0.5 * float64(grad)
		m1 := 0.9*float64(m[0]) + (1-0.9)*g
		v1 := 0.99*float64(v[0]) + (1-0.99)*g*g
		n := float64(step + 1)
		mHat, vHat := m1/(1-math.Pow(0.9, n)), v1/(1-math.Pow(0.99, n))
		want := float64(w[0]) - 0.1*0.02*float64(w[0]) - 0.1*mHat/(math.Sqrt(vHat)+1e-3)
		o.Apply(w, m, v, []float32{grad})
		once(t, "w", w, []float64{want})
		once(t, "m", m, []float64{m1})
		once(t, "v", v, []float64{v1})
	}
}

// TestAdamWFirst checks the best known property of the first step: its size is
// the rate, whatever the size of the gradient.
func TestAdamWFirst(t *testing.T) {
	grad := []float32{1e-3, -1e-3, 5, -1e4}
	w, m, v := make([]float32, 4), make([]float32, 4), make([]float32, 4)
	o := kernel.AdamW{Rate: 0.01, Beta1: 0.9, Beta2: 0.999, Step: 1, Scale: 1}
	o.Apply(w, m, v, grad)
	once(t, "w", w, []float64{-0.01, 0.01, -0.01, 0.01})
}
