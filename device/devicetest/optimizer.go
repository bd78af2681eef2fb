package devicetest

import (
	"math"

	"mole/device"
)

func checkSumSquares(x *trial) {
	for _, n := range []int{1, 2, 15, 16, 17, 63, 65, 1000, 4095, 4097, 20_001} {
		x.try("%d elements", n)
		v, sum := x.normal("x", n), x.source("sum", []float64{3}, 1)
		sum.changes = true
		x.dev.SumSquares(sum.Tensor, v.Tensor)
		x.expect(sum, func() []bound {
			want, mag := dot(v.values, v.values)
			return []bound{{3 + want, slack(n, 3+mag)}}
		})
	}
	x.try("a matrix with a NaN")
	v, sum := x.source("x", []float64{1, 2, math.NaN(), 4}, 2, 2), x.source("sum", []float64{0}, 1)
	sum.changes = true
	x.dev.SumSquares(sum.Tensor, v.Tensor)
	if got := x.read(sum)[0]; !math.IsNaN(got) {
		x.t.Errorf("%s: got %v, want NaN", x.label, got)
	}
}

// adamWOptions are settings of a step: the first and a late one, with and
// without decay, clipped, and one that does nothing.
var adamWOptions = []device.AdamW{
	{Rate: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Step: 1, Scale: 1},
	{Rate: 2e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.1, Step: 2, Scale: 0.25},
	{Rate: 0.5, Beta1: 0.5, Beta2: 0.95, Eps: 1e-3, Decay: 0.01, Step: 1000, Scale: 3},
	{Rate: 0, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.1, Step: 7, Scale: 1},
}

func checkAdamW(x *trial) {
	for _, s := range sizes(x, matrixSizes, matrixLarge) {
		for i, o := range adamWOptions {
			x.try("%dx%d settings %d", s[0], s[1], i)
			w, m, grad := x.inout("w", s[0], s[1]), x.inout("m", s[0], s[1]), x.normal("grad", s[0], s[1])
			squares := x.draw(s[0] * s[1])
			for i, v := range squares {
				squares[i] = v * v
			}
			v := x.source("v", squares, s[0], s[1])
			v.changes = true
			x.dev.AdamW(w.Tensor, m.Tensor, v.Tensor, grad.Tensor, o)
			for part, a := range []*array{w, m, v} {
				x.expect(a, func() (list []bound) {
					for i := range w.values {
						list = append(list, adamW(w.values[i], m.values[i], v.values[i], grad.values[i], o)[part])
					}
					return list
				})
			}
		}
	}
}

// adamW returns one element of w, m and v after a step. The error of the step
// is that of its numerator, whose terms may cancel.
func adamW(w, m, v, grad float64, o device.AdamW) [3]bound {
	g := o.Scale * grad
	m0, m1 := o.Beta1*m, (1-o.Beta1)*g
	v0, v1 := o.Beta2*v, (1-o.Beta2)*g*g
	first, second := m0+m1, v0+v1
	mHat := 1 / (1 - math.Pow(o.Beta1, float64(o.Step)))
	vHat := 1 / (1 - math.Pow(o.Beta2, float64(o.Step)))
	rate := o.Rate * mHat / (math.Sqrt(second*vHat) + o.Eps)
	mag := math.Abs(m0) + math.Abs(m1)
	return [3]bound{
		{w - o.Rate*o.Decay*w - rate*first, slack(2, math.Abs(w)*(1+o.Rate*o.Decay)+rate*mag)},
		{first, slack(2, mag)},
		{second, slack(2, v0+v1)},
	}
}
