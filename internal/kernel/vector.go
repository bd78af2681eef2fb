package kernel

import "math"

// The methods of [Tier] below compute what the functions of the same names do.
// The generic tier is those functions; the vector tiers work in float32 and
// round after each operation but for fused multiplications and additions.
// Exponentials have a relative error of at most 2e-7 and are 0 where they would
// be below the normal range. What is computed element by element depends, to the
// bit, on the tier and the element alone, not on its place; sums over a row run
// in 8 (AVX2) or 16 lanes, in the order of the elements, and the lanes are added
// up in float64. A NaN stays one. NEON's results are those of AVX-512, to the bit.

// lanes are sums that the lanes of a kernel hold: element i is in lane i mod 16,
// or, with AVX2, in lane i mod 8.
type lanes [16]float32

// total returns the sum of the lanes.
func (l *lanes) total() (sum float64) {
	for _, v := range l {
		sum += float64(v)
	}
	return sum
}

// SwiGLU is [SwiGLU] on tier t.
func (t Tier) SwiGLU(y, gate, up []float32) {
	if t == Generic || len(gate) == 0 {
		SwiGLU(y, gate, up)
		return
	}
	y, up = y[:len(gate)], up[:len(gate)]
	swiGLUOn(t, &y[0], &gate[0], &up[0], uintptr(len(gate)))
}

// SwiGLUGrad is [SwiGLUGrad] on tier t.
func (t Tier) SwiGLUGrad(dgate, dup, dy, gate, up []float32) {
	if t == Generic || len(gate) == 0 {
		SwiGLUGrad(dgate, dup, dy, gate, up)
		return
	}
	dgate, dup, dy, up = dgate[:len(gate)], dup[:len(gate)], dy[:len(gate)], up[:len(gate)]
	swiGLUGradOn(t, &dgate[0], &dup[0], &gate[0], &up[0], &dy[0], uintptr(len(gate)))
}

// GELUTanh is [GELUTanh] on tier t.
func (t Tier) GELUTanh(y, x []float32) {
	if t == Generic || len(x) == 0 {
		GELUTanh(y, x)
		return
	}
	y = y[:len(x)]
	geluTanhOn(t, &y[0], &x[0], uintptr(len(x)))
}

// GELUTanhGrad is [GELUTanhGrad] on tier t.
func (t Tier) GELUTanhGrad(dx, dy, x []float32) {
	if t == Generic || len(x) == 0 {
		GELUTanhGrad(dx, dy, x)
		return
	}
	dx, dy = dx[:len(x)], dy[:len(x)]
	geluTanhGradOn(t, &dx[0], &x[0], &dy[0], uintptr(len(x)))
}

// GELUErf is [GELUErf] on tier t. The absolute error of Φ is at most 3e-7.
func (t Tier) GELUErf(y, x []float32) {
	if t == Generic || len(x) == 0 {
		GELUErf(y, x)
		return
	}
	y = y[:len(x)]
	geluErfOn(t, &y[0], &x[0], uintptr(len(x)))
}

// GELUErfGrad is [GELUErfGrad] on tier t.
func (t Tier) GELUErfGrad(dx, dy, x []float32) {
	if t == Generic || len(x) == 0 {
		GELUErfGrad(dx, dy, x)
		return
	}
	dx, dy = dx[:len(x)], dy[:len(x)]
	geluErfGradOn(t, &dx[0], &x[0], &dy[0], uintptr(len(x)))
}

// Add is [Add] on tier t: the same bytes on every tier.
func (t Tier) Add(dst, a, b []float32) {
	if t == Generic || len(dst) == 0 {
		Add(dst, a, b)
		return
	}
	a, b = a[:len(dst)], b[:len(dst)]
	addVectorsOn(t, &dst[0], &a[0], &b[0], uintptr(len(dst)))
}

// RoPE is [RoPE] on tier t.
func (t Tier) RoPE(x, cos, sin []float32, sign float32) {
	n := len(cos)
	if t == Generic || n == 0 {
		RoPE(x, cos, sin, sign)
		return
	}
	lo, hi, sin := x[:n], x[n:2*n], sin[:n]
	ropeHalvesOn(t, &lo[0], &hi[0], &cos[0], &sin[0], uintptr(n), sign)
}

// SumSquares is [SumSquares] on tier t. x should have some thousand elements at
// the most, or the lanes lose digits.
func (t Tier) SumSquares(x []float32) float64 {
	if t == Generic || len(x) == 0 {
		return SumSquares(x)
	}
	var sums lanes
	sumSquaresOn(t, &x[0], &sums[0], uintptr(len(x)))
	return sums.total()
}

// AdamW is [AdamW.Apply] on tier t.
func (t Tier) AdamW(a *AdamW, w, m, v, grad []float32) {
	if t == Generic || len(w) == 0 {
		a.Apply(w, m, v, grad)
		return
	}
	m, v, grad = m[:len(w)], v[:len(w)], grad[:len(w)]
	correct1 := 1 / (1 - math.Pow(a.Beta1, float64(a.Step)))
	correct2 := 1 / (1 - math.Pow(a.Beta2, float64(a.Step)))
	adamWOn(t, &w[0], &m[0], &v[0], &grad[0], uintptr(len(w)), float32(a.Scale),
		float32(a.Beta1), float32(1-a.Beta1), float32(a.Beta2), float32(1-a.Beta2),
		float32(a.Rate*a.Decay), float32(a.Rate*correct1), float32(correct2), float32(a.Eps))
}
