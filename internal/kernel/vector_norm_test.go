package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// A rowKernel computes one row on a tier and returns all results.
type rowKernel struct {
	name string
	run  func(t Tier, x, w, dy, dst []float32) []float32
}

const normEps = 1e-6

var rowKernels = []rowKernel{
	{"rmsnorm", func(t Tier, x, w, _, dst []float32) []float32 {
		rstd := t.RMSNorm(dst, x, w, normEps)
		return append(dst, rstd)
	}},
	{"rmsnorm gradient", func(t Tier, x, w, dy, dst []float32) []float32 {
		t.RMSNormGrad(dst, dy, x, w, 0.7, 0)
		return dst
	}},
	{"rmsnorm gradient added", func(t Tier, x, w, dy, dst []float32) []float32 {
		t.RMSNormGrad(dst, dy, x, w, 0.7, -0.5)
		return dst
	}},
	{"layernorm", func(t Tier, x, w, dy, dst []float32) []float32 {
		mean, rstd := t.LayerNorm(dst, x, w, dy, normEps)
		return append(dst, mean, rstd)
	}},
	{"layernorm gradient", func(t Tier, x, w, dy, dst []float32) []float32 {
		t.LayerNormGrad(dst, dy, x, w, 0.1, 0.7, 0)
		return dst
	}},
	{"layernorm gradient added", func(t Tier, x, w, dy, dst []float32) []float32 {
		t.LayerNormGrad(dst, dy, x, w, 0.1, 0.7, 2)
		return dst
	}},
	{"rope", func(t Tier, x, w, dy, dst []float32) []float32 {
		n := len(x) / 2
		copy(dst, x)
		t.RoPE(dst, w[:n], dy[:n], -1)
		return dst
	}},
	{"sum of squares", func(t Tier, x, _, _, _ []float32) []float32 {
		return []float32{float32(t.SumSquares(x) / float64(len(x)))}
	}},
	{"cross entropy", func(t Tier, x, _, _, dst []float32) []float32 {
		loss, lse := t.CrossEntropy(x, len(x)/2)
		t.CrossEntropyGrad(dst, x, len(x)/2, lse, 0.7)
		return append(dst, loss, float32(lse))
	}},
}

// TestRows compares the vector tiers with the generic one. Values are of the
// order of 1, and so are the terms of all sums after division by their number,
// but for the deviation of few elements.
func TestRows(t *testing.T) {
	eachVector(t, func(t *testing.T, tier Tier) {
		r := rand.New(rand.NewPCG(41, 42))
		for _, k := range rowKernels {
			for _, n := range vectorLengths[3:] {
				s := draw(r, 4, n)
				again := copies(s)
				got, want := k.run(tier, s[0], s[1], s[2], s[3]), k.run(Generic, again[0], again[1], again[2], again[3])
				i := firstBeyond(got, want, func(i int) float64 { return 1e-5 * (1 + abs(want[i])) })
				if i >= 0 {
					t.Fatalf("%s, result %d of %d: got %v, want %v", k.name, i, n, got[i], want[i])
				}
			}
		}
	})
}

func isNaN(v float32) bool { return v != v }

// TestRowsNaN checks that a NaN anywhere reaches the result.
func TestRowsNaN(t *testing.T) {
	eachVector(t, func(t *testing.T, tier Tier) {
		r := rand.New(rand.NewPCG(43, 44))
		for _, k := range rowKernels {
			for at := range 35 {
				s := draw(r, 4, 35)
				s[0][at] = float32(math.NaN())
				if k.name == "rope" && at == 34 {
					continue // an odd width has no partner for the last
				}
				if !slices.ContainsFunc(k.run(tier, s[0], s[1], s[2], s[3]), isNaN) {
					t.Errorf("%s: a NaN at %d is lost", k.name, at)
				}
			}
		}
	})
}

// TestCrossEntropyTiers checks logits that exclude a token, large ones, and a
// vocabulary of several runs.
func TestCrossEntropyTiers(t *testing.T) {
	never := float32(math.Inf(-1))
	eachVector(t, func(t *testing.T, tier Tier) {
		if loss, _ := tier.CrossEntropy([]float32{never, 2, 2}, 1); loss != math.Ln2 {
			t.Errorf("one token excluded: got %v, want %v", loss, math.Ln2)
		}
		logits := make([]float32, 3*expRun+5)
		for i := range logits {
			logits[i] = 300 + float32(i%7)
		}
		got, lse := tier.CrossEntropy(logits, 3)
		want, _ := CrossEntropy(logits, 3)
		if math.Abs(float64(got-want)) > 1e-6*float64(want) {
			t.Errorf("loss over %d: got %v, want %v", len(logits), got, want)
		}
		tier.CrossEntropyGrad(logits, logits, 3, lse, 1)
		var sum float64
		for _, v := range logits {
			sum += float64(v)
		}
		if math.Abs(sum) > 4e-6 { // exponents of about −9 are rounded once
			t.Errorf("gradient sums to %v, want 0", sum)
		}
	})
}

// BenchmarkRows measures rows of the 2B network and of a small one.
func BenchmarkRows(b *testing.B) {
	for _, k := range rowKernels {
		for _, n := range []int{192, 2048} {
			s := draw(rand.New(rand.NewPCG(45, 46)), 4, n)
			s[3] = append(s[3], 0, 0)[:n] // room for what is kept of a row
			for _, tier := range Tiers() {
				b.Run(fmt.Sprintf("%s/n=%d/%v", k.name, n, tier), func(b *testing.B) {
					for b.Loop() {
						k.run(tier, s[0], s[1], s[2], s[3])
					}
					b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Melements/s")
				})
			}
		}
	}
}
