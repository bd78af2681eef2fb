package kernel

import "math"

// RMSNorm normalises one row of C elements, y = x · w · rstd with
// rstd = 1/√(mean(x²) + eps), and returns rstd for [RMSNormGrad]. Sums and
// products are float64, rounded once. y may be x.
//
// Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
func RMSNorm(y, x, w []float32, eps float32) (rstd float32) {
	var ss float64
	for _, v := range x {
		ss += float64(v) * float64(v)
	}
	r := 1 / math.Sqrt(ss/float64(len(x))+float64(eps))
	y, w = y[:len(x)], w[:len(x)]
	for i, v := range x {
		y[i] = float32(float64(v) * r * float64(w[i]))
	}
	return float32(r)
}

// RMSNormGrad sets dx to beta · dx + the gradient with respect to x, given
// that with respect to y, dy, and the rstd that [RMSNorm] returned for x:
//
//	rstd·(w∘dy) − x · rstd³/C · Σ w∘dy∘x
//
// The weights are frozen, so they get none. dx is not read if beta is 0, and
// may then be dy.
func RMSNormGrad(dx, dy, x, w []float32, rstd, beta float32) {
	dx, dy, w = dx[:len(x)], dy[:len(x)], w[:len(x)]
	var s float64
	for i, v := range x {
		s += float64(w[i]) * float64(dy[i]) * float64(v)
	}
	r := float64(rstd)
	k := r * r * r * s / float64(len(x))
	for i, v := range x {
		g := r*float64(w[i])*float64(dy[i]) - k*float64(v)
		dx[i] = accumulate(dx[i], beta, g)
	}
}

// LayerNorm normalises one row of C elements, y = (x − mean) · rstd · w + bias
// with rstd = 1/√(variance + eps) and the biased variance, and returns mean
// and rstd for [LayerNormGrad]. Sums and products are float64, rounded once. y
// may be x.
//
// Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
func LayerNorm(y, x, w, bias []float32, eps float32) (mean, rstd float32) {
	n := float64(len(x))
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
	}
	m := sum / n
	for _, v := range x {
		d := float64(v) - m
		squares += d * d
	}
	r := 1 / math.Sqrt(squares/n+float64(eps))
	y, w, bias = y[:len(x)], w[:len(x)], bias[:len(x)]
	for i, v := range x {
		y[i] = float32((float64(v)-m)*r*float64(w[i]) + float64(bias[i]))
	}
	return float32(m), float32(r)
}

// LayerNormGrad sets dx to beta · dx + the gradient with respect to x, given
// that with respect to y, dy, and what [LayerNorm] returned for x. With
// z = (x − mean)·rstd and g = w∘dy it is
//
//	rstd · (g − mean(g) − z·mean(g∘z))
//
// dx is not read if beta is 0, and may then be dy.
func LayerNormGrad(dx, dy, x, w []float32, mean, rstd, beta float32) {
	dx, dy, w = dx[:len(x)], dy[:len(x)], w[:len(x)]
	m, r := float64(mean), float64(rstd)
	var sg, sgz float64
	for i, v := range x {
		g := float64(w[i]) * float64(dy[i])
		sg += g
		sgz += g * (float64(v) - m) * r
	}
	n := float64(len(x))
	sg, sgz = sg/n, sgz/n
	for i, v := range x {
		g := r * (float64(w[i])*float64(dy[i]) - sg - (float64(v)-m)*r*sgz)
		dx[i] = accumulate(dx[i], beta, g)
	}
}

// accumulate returns beta · old + g, without looking at old if beta is 0.
func accumulate(old, beta float32, g float64) float32 {
	if beta == 0 {
		return float32(g)
	}
	return float32(float64(beta)*float64(old) + g)
}
