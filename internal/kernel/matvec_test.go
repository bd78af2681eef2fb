package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// fewRows draws products that MatVec takes.
func fewRows(r *rand.Rand, n int) []matMulCase {
	var cases []matMulCase
	for range n {
		c := randomCase(r, 1+r.IntN(19), 1+r.IntN(80), extents[r.IntN(len(extents))])
		c.transA, c.transB = false, true
		cases = append(cases, c)
	}
	return cases
}

func TestMatVec(t *testing.T) {
	cases := fewRows(rand.New(rand.NewPCG(1, 3)), 300)
	eachTier(t, func(t *testing.T, tier Tier) {
		var s Scratch
		for _, c := range cases {
			m := c.matMul()
			got := copyOf(m)
			spoil(&s)
			tier.MatVec(got, &s)
			checkMatMul(t, c, m, got)
		}
	})
}

// TestMatVecSplit checks that an element does not depend on how many rows and
// columns there are, nor on where they lie.
func TestMatVecSplit(t *testing.T) {
	cases := fewRows(rand.New(rand.NewPCG(2, 3)), 100)
	eachTier(t, func(t *testing.T, tier Tier) {
		for _, c := range cases {
			whole := c.matMul()
			m := copyOf(whole)
			tier.MatVec(whole, new(Scratch))
			for at := range m.M * m.N {
				i, j := at/m.N, at%m.N
				one := moved(part(m, i, 1, j, 1), 3)
				tier.MatVec(one, new(Scratch))
				if got, want := one.C[0], whole.C[i*m.LDC+j]; got != want {
					t.Fatalf("%v: element (%d, %d): got %x alone, %x together", c, i, j, got, want)
				}
			}
		}
	})
}

// TestMatVecGeneric checks that the generic tier has one order of sums only.
func TestMatVecGeneric(t *testing.T) {
	for _, c := range fewRows(rand.New(rand.NewPCG(3, 3)), 30) {
		got, want := c.matMul(), c.matMul()
		Generic.MatVec(got, new(Scratch))
		Generic.MatMul(want, new(Scratch))
		if i := firstDifference(got.C, want.C); i >= 0 {
			t.Fatalf("%v: element %d: got %x, want %x", c, i, got.C[i], want.C[i])
		}
	}
}

func TestMatVecAllocs(t *testing.T) {
	eachTier(t, func(t *testing.T, tier Tier) {
		m := matMulCase{m: 2, n: 50, k: 300, transB: true, b16: true, alpha: 1, bias: true, k2: 4}.matMul()
		var s Scratch
		if n := testing.AllocsPerRun(10, func() { tier.MatVec(m, &s) }); n != 0 {
			t.Errorf("got %v allocations, want 0", n)
		}
	})
}

func TestMatVecPanics(t *testing.T) {
	const want = "matvec: want A not transposed and B transposed"
	for _, c := range []matMulCase{
		{m: 1, n: 2, k: 3, transA: true, transB: true},
		{m: 1, n: 2, k: 3},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != want {
					t.Errorf("%v: got panic %q, want %q", c, got, want)
				}
			}()
			Generic.MatVec(c.matMul(), new(Scratch))
		}()
	}
}

// BenchmarkMatVec multiplies few rows with a matrix in bfloat16 that no cache
// holds. It reports how much of the matrix is read in a second, and which part
// that is of the rate of the loop that only reads it.
func BenchmarkMatVec(b *testing.B) {
	const in, out = 2048, 48 << 10
	w := matMulCase{m: 1, n: out, k: in, transB: true, b16: true, alpha: 1, round: true}.matMul()
	for _, rows := range []int{1, 2, 4, 8, 16} {
		m := *w
		m.M, m.A, m.C = rows, make([]float32, rows*in), make([]float32, rows*out)
		for _, tier := range Tiers()[1:] {
			b.Run(fmt.Sprintf("%d/%v", rows, tier), func(b *testing.B) { benchmarkMatVec(b, tier, &m) })
		}
	}
}

func benchmarkMatVec(b *testing.B, tier Tier, m *MatMul) {
	var (
		s             Scratch
		product, read bestRate
	)
	for b.Loop() {
		product.time(func() float64 {
			tier.MatVec(m, &s)
			return 2 * float64(len(m.B16))
		})
		b.StopTimer()
		read.time(func() float64 { return float64(ReadLoop(m.B16)) })
		b.StartTimer()
	}
	b.ReportMetric(float64(product)/1e9, "GB/s")
	if read > 0 {
		b.ReportMetric(100*float64(product/read), "%read")
	}
}
