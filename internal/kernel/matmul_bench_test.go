package kernel

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// BenchmarkMatMul runs the shapes of a linear layer with weights in bfloat16:
// forward, where the weights are stored transposed, and the gradient of the
// input, where they are not. Beside the speed it reports the part of the peak
// loop's, which runs in turn with the product, so that a busy machine slows
// both.
func BenchmarkMatMul(b *testing.B) {
	shapes := []struct{ m, n, k int }{{1024, 2048, 2048}, {1024, 6144, 2048}, {1024, 2048, 6144}, {1, 2048, 2048}}
	for _, e := range shapes {
		for _, transB := range []bool{true, false} {
			m := matMulCase{m: e.m, n: e.n, k: e.k, transB: transB, b16: true, alpha: 1}.matMul()
			way := map[bool]string{true: "forward", false: "gradient"}[transB]
			for _, tier := range Tiers() {
				b.Run(fmt.Sprintf("%dx%dx%d/%s/%v", e.m, e.n, e.k, way, tier), func(b *testing.B) {
					benchmarkMatMul(b, tier, m)
				})
			}
		}
	}
}

func benchmarkMatMul(b *testing.B, tier Tier, m *MatMul) {
	var (
		s     Scratch
		peak  time.Duration
		flops float64
	)
	tier.MatMul(m, &s)
	for b.Loop() {
		tier.MatMul(m, &s)
		b.StopTimer()
		start := time.Now()
		flops += tier.PeakLoop()
		peak += time.Since(start)
		b.StartTimer()
	}
	if want, size := exact(m, 0, 0); math.Abs(float64(m.C[0])-want) > float64(m.K)*size/(1<<24) {
		b.Fatalf("got %g, want %g", m.C[0], want)
	}
	rate := 2 * float64(m.M*m.N*m.K) * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate/1e9, "Gflop/s")
	if flops > 0 {
		b.ReportMetric(100*rate/(flops/peak.Seconds()), "%peak")
	}
}
