package kernel

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"
)

// BenchmarkMatMul runs the shapes of linear layers, of 2048 and of 4096 wide
// networks, with weights in bfloat16: forward, where the weights are stored
// transposed, and the gradient of the input, where they are not. Tier avx512bf16
// multiplies bfloat16. Beside the speed it reports the part of the peak loop's,
// which runs in turn with the product. Both rates are the best of all turns.
func BenchmarkMatMul(b *testing.B) {
	shapes := [][3]int{
		{1024, 2048, 2048}, {1024, 1024, 2048}, {1024, 6144, 2048}, {1024, 2048, 6144},
		{1024, 4096, 4096}, {1024, 1024, 4096}, {1024, 12288, 4096}, {1024, 4096, 12288}, {1, 2048, 2048},
	}
	for _, e := range shapes {
		for _, way := range []string{"forward", "gradient"} {
			for _, tier := range Tiers() {
				c := matMulCase{m: e[0], n: e[1], k: e[2], transB: way == "forward", b16: true, alpha: 1, round: tier == AVX512BF16}
				name := fmt.Sprintf("%dx%dx%d/%s/%v", e[0], e[1], e[2], way, tier)
				b.Run(name, func(b *testing.B) { benchmarkMatMul(b, tier, c) })
			}
		}
	}
}

// BenchmarkAdapter runs the products of an adapter of rank 16, which are narrow
// in one direction, beside layers of 768 and of 2048 wide networks.
func BenchmarkAdapter(b *testing.B) {
	for _, e := range []struct{ tokens, width int }{{432, 192}, {432, 768}, {1024, 2048}} {
		cases := map[string]matMulCase{
			"x·Aᵀ":  {m: e.tokens, n: 16, k: e.width, transB: true},
			"g·B":   {m: e.tokens, n: 16, k: e.width},
			"gᵀ·u":  {m: e.width, n: 16, k: e.tokens, transA: true},
			"duᵀ·x": {m: 16, n: e.width, k: e.tokens, transA: true},
		}
		for _, name := range slices.Sorted(maps.Keys(cases)) {
			for _, tier := range Tiers() {
				c := cases[name]
				c.alpha = 1
				b.Run(fmt.Sprintf("%s/%dx%d/%v", name, e.tokens, e.width, tier), func(b *testing.B) { benchmarkMatMul(b, tier, c) })
			}
		}
	}
}

func benchmarkMatMul(b *testing.B, tier Tier, c matMulCase) {
	var (
		m = c.matMul()
		s Scratch
		r race
	)
	loop := func() float64 { return tier.peakLoop(m.pairs(tier)) }
	tier.MatMul(m, &s)
	for b.Loop() {
		r.product.time(func() float64 {
			tier.MatMul(m, &s)
			return 2 * float64(m.M*m.N*m.K)
		})
		b.StopTimer()
		r.peak.time(loop)
		b.StartTimer()
	}
	if want, size := exact(m, 0, 0); math.Abs(float64(m.C[0])-want) > float64(m.K)*size/(1<<24) {
		b.Fatalf("got %g, want %g", m.C[0], want)
	}
	r.report(b)
}

// peakLoop is PeakLoop or PeakLoopBF16.
func (t Tier) peakLoop(bf16 bool) (flops float64) {
	if bf16 {
		return t.PeakLoopBF16()
	}
	return t.PeakLoop()
}

// A race holds the rates of a product and of the peak loop, which run in turn.
type race struct{ product, peak bestRate }

// report reports the rate of the product, and the part of the peak's that it
// is.
func (r *race) report(b *testing.B) {
	b.ReportMetric(float64(r.product)/1e9, "Gflop/s")
	if r.peak > 0 {
		b.ReportMetric(100*float64(r.product/r.peak), "%peak")
	}
}

// A bestRate is the highest rate that was measured, in units a second: what
// else runs on the machine only ever lowers it.
type bestRate float64

// time runs f, which returns how many units of work it did.
func (r *bestRate) time(f func() float64) {
	start := time.Now()
	units := f()
	*r = max(*r, bestRate(units/time.Since(start).Seconds()))
}
