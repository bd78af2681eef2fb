package kernel_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mole/internal/kernel"
)

func TestRoPE(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, half := range lengths {
		x, angles := normals(r, 2*half), normals(r, half)
		cos, sin := make([]float32, half), make([]float32, half)
		want := make([]float64, 2*half)
		for i, a := range angles {
			s, c := math.Sincos(float64(a))
			cos[i], sin[i] = float32(c), float32(s)
			turned := complex(float64(x[i]), float64(x[i+half])) * complex(float64(cos[i]), float64(sin[i]))
			want[i], want[i+half] = real(turned), imag(turned)
		}
		got := slices.Clone(x)
		kernel.RoPE(got, cos, sin, 1)
		once(t, "turned", got, want)
		kernel.RoPE(got, cos, sin, -1)
		for i := range x {
			if !close64(float64(got[i]), float64(x[i]), 4e-7) {
				t.Errorf("D=%d: turned back[%d]: got %v, want %v", 2*half, i, got[i], x[i])
			}
		}
	}
}
