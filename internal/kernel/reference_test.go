package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The kernels of these tests compute in float64 and round once: that makes them
// the reference for vector versions. Package devicetest compares all of them
// with float64 in many shapes; here it is the single rounding that is checked,
// and what happens far out.

// once checks that got is want rounded to float32, give or take what float64
// itself loses on the way.
func once(t *testing.T, name string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d elements, want %d", name, len(got), len(want))
	}
	for i, w := range want {
		if tol := 0x1.001p-24*math.Abs(w) + 0x1p-149; !(math.Abs(float64(got[i])-w) <= tol) {
			t.Errorf("%s[%d]: got %v, want %v", name, i, got[i], w)
			return
		}
	}
}

// normals returns n values of the standard normal distribution.
func normals(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
	return s
}

// lengths lie around the sizes of vector registers and blocks.
var lengths = []int{1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 257}

// slope returns f'(0) by the central difference of fourth order.
func slope(f func(h float64) float64) float64 {
	const h = 0x1p-9
	return (8*(f(h)-f(-h)) - (f(2*h) - f(-2*h))) / (12 * h)
}

// close64 reports whether two results of float64 arithmetic agree.
func close64(got, want, tol float64) bool {
	return math.Abs(got-want) <= tol*(1+math.Abs(want))
}
