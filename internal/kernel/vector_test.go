package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A pointwise is a kernel that computes its results, the first slices, element
// by element, on a tier.
type pointwise struct {
	name    string
	slices  int
	results int
	run     func(t Tier, s [][]float32)
	// size returns what errors of element i are relative to; the tolerance is
	// some units of 2⁻²⁴ of it.
	size  func(s [][]float32, i int) float64
	units float64
}

func abs(v float32) float64 { return math.Abs(float64(v)) }

// pointwises lists the kernels. Errors of exponentials are 2e-7 at the most,
// which is 3.4 units.
var pointwises = []pointwise{
	{"swiglu", 3, 1, func(t Tier, s [][]float32) { t.SwiGLU(s[0], s[1], s[2]) },
		func(s [][]float32, i int) float64 { return abs(s[1][i]) * abs(s[2][i]) }, 8},
	{"swiglu gradient", 5, 2, func(t Tier, s [][]float32) { t.SwiGLUGrad(s[0], s[1], s[2], s[3], s[4]) },
		func(s [][]float32, i int) float64 { return abs(s[2][i]) * (1.2*abs(s[4][i]) + abs(s[3][i])) }, 8},
	{"gelu tanh", 2, 1, func(t Tier, s [][]float32) { t.GELUTanh(s[0], s[1]) },
		func(s [][]float32, i int) float64 { return abs(s[1][i]) }, 8},
	{"gelu tanh gradient", 3, 1, func(t Tier, s [][]float32) { t.GELUTanhGrad(s[0], s[1], s[2]) },
		func(s [][]float32, i int) float64 { return abs(s[1][i]) * (1 + abs(s[2][i])) }, 8},
	{"gelu erf", 2, 1, func(t Tier, s [][]float32) { t.GELUErf(s[0], s[1]) },
		func(s [][]float32, i int) float64 { return abs(s[1][i]) }, 5},
	{"gelu erf gradient", 3, 1, func(t Tier, s [][]float32) { t.GELUErfGrad(s[0], s[1], s[2]) },
		func(s [][]float32, i int) float64 { return abs(s[1][i]) * (1 + abs(s[2][i])) }, 6},
	{"add", 3, 1, func(t Tier, s [][]float32) { t.Add(s[0], s[1], s[2]) },
		func([][]float32, int) float64 { return 0 }, 0},
	{"adamw", 4, 3, func(t Tier, s [][]float32) {
		for i, v := range s[2] {
			s[2][i] = v * v // the second moment
		}
		a := AdamW{Rate: 1e-2, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.1, Step: 3, Scale: 0.5}
		t.AdamW(&a, s[0], s[1], s[2], s[3])
	}, func(s [][]float32, i int) float64 {
		return 1 + abs(s[0][i]) + abs(s[1][i]) + abs(s[2][i])*abs(s[2][i]) + abs(s[3][i])*abs(s[3][i])
	}, 4},
}

// draw returns n slices of values up to about 20, with some far out.
func draw(r *rand.Rand, count, n int) [][]float32 {
	s := make([][]float32, count)
	for i := range s {
		s[i] = make([]float32, n)
		for j := range s[i] {
			s[i][j] = float32(r.NormFloat64() * []float64{0.1, 1, 5}[r.IntN(3)])
		}
	}
	return s
}

func copies(s [][]float32) [][]float32 {
	c := make([][]float32, len(s))
	for i := range s {
		c[i] = slices.Clone(s[i])
	}
	return c
}

// firstBeyond returns the first element of got that is further than tol from
// want, or -1.
func firstBeyond(got, want []float32, tol func(i int) float64) int {
	for i, w := range want {
		if !(math.Abs(float64(got[i])-float64(w)) <= tol(i)) { // true for NaN
			return i
		}
	}
	return -1
}

// eachVector runs a test on each vector tier that the processor has.
func eachVector(t *testing.T, run func(t *testing.T, tier Tier)) {
	for _, tier := range Tiers()[1:] {
		t.Run(tier.String(), func(t *testing.T) { run(t, tier) })
	}
}

// vectorLengths lie around the lanes of registers.
var vectorLengths = []int{0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 64, 1003}

// TestPointwise compares the vector tiers with the generic one.
func TestPointwise(t *testing.T) {
	eachVector(t, func(t *testing.T, tier Tier) {
		r := rand.New(rand.NewPCG(31, 32))
		for _, k := range pointwises {
			for _, n := range vectorLengths {
				k.compare(t, tier, draw(r, k.slices, n))
			}
		}
	})
}

// compare compares a tier with the generic one on s.
func (k *pointwise) compare(t *testing.T, tier Tier, s [][]float32) {
	t.Helper()
	got, want := copies(s), copies(s)
	k.run(tier, got)
	k.run(Generic, want)
	for res := range k.results {
		g, w := got[res], want[res]
		if i := firstBeyond(g, w, func(i int) float64 { return k.units*0x1p-24*k.size(s, i) + 0x1p-126 }); i >= 0 {
			t.Fatalf("%s, result %d, element %d of %d: got %v, want %v", k.name, res, i, len(g), g[i], w[i])
		}
	}
}

// TestPointwiseSplit checks that an element does not depend on its place: a
// call on all is the same as calls on parts, to the bit.
func TestPointwiseSplit(t *testing.T) {
	eachVector(t, func(t *testing.T, tier Tier) {
		r := rand.New(rand.NewPCG(33, 34))
		for _, k := range pointwises {
			s := draw(r, k.slices, 100)
			whole, parts := copies(s), copies(s)
			k.run(tier, whole)
			for at := 0; at < 100; {
				end := min(100, at+1+r.IntN(40))
				part := make([][]float32, len(parts))
				for i := range parts {
					part[i] = parts[i][at:end]
				}
				k.run(tier, part)
				at = end
			}
			for res := range k.results {
				if i := firstDifference(parts[res], whole[res]); i >= 0 {
					t.Errorf("%s: element %d: got %v in a part, want %v", k.name, i, parts[res][i], whole[res][i])
				}
			}
		}
	})
}

// TestExp checks the exponential function over its whole range, by way of a
// gradient of the cross entropy with weight 1 and lse 0.
func TestExp(t *testing.T) {
	inf := math.Inf(1)
	eachVector(t, func(t *testing.T, tier Tier) {
		var in []float32
		for v := -87.3; v < 88.3; v += 0.00037 {
			in = append(in, float32(v))
		}
		in = append(in, 0, float32(-inf), -104, -1e30, float32(math.NaN()))
		out := make([]float32, len(in))
		scaledExpOn(tier, &out[0], &in[0], uintptr(len(in)), 0, 0, 1)
		worst := 0.0
		for i, v := range in[:len(in)-4] {
			want := math.Exp(float64(v))
			worst = max(worst, math.Abs(float64(out[i])-want)/want)
		}
		if worst > 2e-7 {
			t.Errorf("relative error %.2e, want at most 2e-7", worst)
		}
		last := out[len(out)-4:]
		if last[0] != 0 || last[1] != 0 || last[2] != 0 || last[3] == last[3] {
			t.Errorf("got exp of -Inf %v, of -104 %v, of -1e30 %v, of NaN %v", last[0], last[1], last[2], last[3])
		}
	})
}

// TestPointwiseFar checks activations of what is far out or not a number.
func TestPointwiseFar(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	x := []float32{1000, -1000, 1e8, -1e8, -90, 90, nan, 0}
	ones := []float32{1, 1, 1, 1, 1, 1, 1, 1}
	eachVector(t, func(t *testing.T, tier Tier) {
		kernels := map[string]func(t Tier, y []float32){
			"swiglu":             func(t Tier, y []float32) { t.SwiGLU(y, x, ones) },
			"swiglu gradient":    func(t Tier, y []float32) { t.SwiGLUGrad(y, make([]float32, 8), ones, x, ones) },
			"gelu tanh":          func(t Tier, y []float32) { t.GELUTanh(y, x) },
			"gelu tanh gradient": func(t Tier, y []float32) { t.GELUTanhGrad(y, ones, x) },
			"gelu erf":           func(t Tier, y []float32) { t.GELUErf(y, x) },
			"gelu erf gradient":  func(t Tier, y []float32) { t.GELUErfGrad(y, ones, x) },
		}
		for name, run := range kernels {
			got, want := make([]float32, len(x)), make([]float32, len(x))
			run(tier, got)
			run(Generic, want)
			for i, w := range want {
				same := abs(got[i]-w) <= 1e-6*abs(w)+0x1p-126 || w != w && got[i] != got[i]
				if !same {
					t.Errorf("%s of %v: got %v, want %v", name, x[i], got[i], w)
				}
			}
		}
		y := []float32{0}
		if tier.SwiGLU(y, []float32{inf}, []float32{2}); y[0] != inf {
			t.Errorf("swiglu of Inf: got %v, want Inf", y[0])
		}
	})
}

// BenchmarkPointwise measures elements of a matrix that fits the caches.
func BenchmarkPointwise(b *testing.B) {
	const n = 4096
	for _, k := range pointwises {
		s := draw(rand.New(rand.NewPCG(35, 36)), k.slices, n)
		for _, tier := range Tiers() {
			b.Run(fmt.Sprintf("%s/%v", k.name, tier), func(b *testing.B) {
				for b.Loop() {
					k.run(tier, s)
				}
				b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds()/1e6, "Melements/s")
			})
		}
	}
}
