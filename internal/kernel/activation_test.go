package kernel_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mole/internal/kernel"
)

// TestActivations compares with values to 17 digits, computed with 50.
func TestActivations(t *testing.T) {
	tests := []struct {
		name string
		f    func(y, x []float32)
		x    []float32
		want []float64
	}{
		{"silu", func(y, x []float32) { kernel.SwiGLU(y, x, []float32{1, 1, 1, 1, 1, 1}[:len(x)]) },
			[]float32{0, 1, -1, -20, 30, -200},
			[]float64{0, 0.73105857863000488, -0.26894142136999512, -4.1223072363804072e-8, 29.999999999997193, 0}},
		{"gelu tanh", kernel.GELUTanh,
			[]float32{0, 1, -1, 3, -5, -100},
			[]float64{0, 0.8411919906082767, -0.1588080093917233, 2.996362607918227, -2.291796196629506e-7, 0}},
		{"gelu erf", kernel.GELUErf,
			[]float32{0, 1, -1, 3, -8, -100},
			[]float64{0, 0.84134474606854295, -0.15865525393145705, 2.9959503059051097, -4.9767684594174273e-15, 0}},
	}
	for _, tt := range tests {
		y := make([]float32, len(tt.x))
		tt.f(y, tt.x)
		once(t, tt.name, y, tt.want)
		tt.f(tt.x, tt.x)
		if !slices.Equal(tt.x, y) {
			t.Errorf("%s in place: got %v, want %v", tt.name, tt.x, y)
		}
	}
}

func TestActivationGrads(t *testing.T) {
	tanh := func(x float64) float64 { return x / (1 + math.Exp(-2*math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) }
	erf := func(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 }
	silu := func(x float64) float64 { return x / (1 + math.Exp(-x)) }
	r := rand.New(rand.NewPCG(11, 12))
	x, dy, up, got, dup := normals(r, 400), normals(r, 400), normals(r, 400), make([]float32, 400), make([]float32, 400)
	for i := range x {
		x[i] *= 4
	}
	check := func(name string, i int, got float32, f func(h float64) float64) {
		if want := slope(f) * float64(dy[i]); !close64(float64(got), want, 1e-7) {
			t.Errorf("%s of %v: got %v, want %v", name, x[i], got, want)
		}
	}
	kernel.GELUTanhGrad(got, dy, x)
	for i, v := range x {
		check("gelu tanh", i, got[i], func(h float64) float64 { return tanh(float64(v) + h) })
	}
	kernel.GELUErfGrad(got, dy, x)
	for i, v := range x {
		check("gelu erf", i, got[i], func(h float64) float64 { return erf(float64(v) + h) })
	}
	kernel.SwiGLUGrad(got, dup, dy, x, up)
	for i, v := range x {
		check("gate", i, got[i], func(h float64) float64 { return silu(float64(v)+h) * float64(up[i]) })
		check("up", i, dup[i], func(h float64) float64 { return silu(float64(v)) * (float64(up[i]) + h) })
	}
}

// TestSwiGLUGradFar checks that far out there are no NaN: ∞·0 is near.
func TestSwiGLUGradFar(t *testing.T) {
	gate, dgate, dup := []float32{-1000, 1000}, make([]float32, 2), make([]float32, 2)
	kernel.SwiGLUGrad(dgate, dup, []float32{1, 1}, gate, []float32{2, 2})
	if want := []float32{0, 2}; !slices.Equal(dgate, want) {
		t.Errorf("dgate: got %v, want %v", dgate, want)
	}
	if want := []float32{0, 1000}; dup[0] != 0 || dup[1] != want[1] {
		t.Errorf("dup: got %v, want %v", dup, want)
	}
}
