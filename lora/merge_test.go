package lora_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"mole/lora"
)

// TestAddTo compares a merged weight with the product in float64, the rows done
// in two parts.
func TestAddTo(t *testing.T) {
	const in, out, rank = 7, 5, 3
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	p := &lora.Pair{Site: lora.Site{In: in, Out: out}, Rank: rank, Scale: 1.5, A: draw(rank * in), B: draw(out * rank)}
	w := draw(out * in)
	want := make([]float64, len(w))
	for i := range out {
		for j := range in {
			sum := float64(w[i*in+j])
			for k := range rank {
				sum += p.Scale * float64(p.B[i*rank+k]) * float64(p.A[k*in+j])
			}
			want[i*in+j] = sum
		}
	}
	p.AddTo(w, 0, 2)
	p.AddTo(w, 2, out)
	for i, got := range w {
		if math.Abs(float64(got)-want[i]) > 1e-5 {
			t.Errorf("element %d: got %v, want %v", i, got, want[i])
		}
	}
}
