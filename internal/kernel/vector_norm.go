package kernel

import "math"

// RMSNorm is [RMSNorm] on tier t.
func (t Tier) RMSNorm(y, x, w []float32, eps float32) (rstd float32) {
	if t == Generic || len(x) == 0 {
		return RMSNorm(y, x, w, eps)
	}
	y, w = y[:len(x)], w[:len(x)]
	n := float64(len(x))
	rstd = float32(1 / math.Sqrt(t.SumSquares(x)/n+float64(eps)))
	rmsNormOn(t, &y[0], &x[0], &w[0], uintptr(len(x)), rstd)
	return rstd
}

// RMSNormGrad is [RMSNormGrad] on tier t.
func (t Tier) RMSNormGrad(dx, dy, x, w []float32, rstd, beta float32) {
	if t == Generic || len(x) == 0 {
		RMSNormGrad(dx, dy, x, w, rstd, beta)
		return
	}
	dx, dy, w = dx[:len(x)], dy[:len(x)], w[:len(x)]
	var sum lanes
	n := uintptr(len(x))
	rmsNormSumOn(t, &dy[0], &x[0], &w[0], &sum[0], n)
	r := float64(rstd)
	k := float32(r * r * r * sum.total() / float64(n))
	if beta == 0 {
		rmsNormGradOn(t, &dx[0], &dy[0], &x[0], &w[0], n, rstd, k)
		return
	}
	rmsNormGradAddOn(t, &dx[0], &dy[0], &x[0], &w[0], n, rstd, k, beta)
}

// LayerNorm is [LayerNorm] on tier t.
func (t Tier) LayerNorm(y, x, w, bias []float32, eps float32) (mean, rstd float32) {
	if t == Generic || len(x) == 0 {
		return LayerNorm(y, x, w, bias, eps)
	}
	y, w, bias = y[:len(x)], w[:len(x)], bias[:len(x)]
	n := uintptr(len(x))
	var sum, squares lanes
	sumPlainOn(t, &x[0], &sum[0], n)
	mean = float32(sum.total() / float64(n))
	sumDeviationsOn(t, &x[0], &squares[0], n, mean)
	rstd = float32(1 / math.Sqrt(squares.total()/float64(n)+float64(eps)))
	layerNormOn(t, &y[0], &x[0], &w[0], &bias[0], n, mean, rstd)
	return mean, rstd
}

// LayerNormGrad is [LayerNormGrad] on tier t.
func (t Tier) LayerNormGrad(dx, dy, x, w []float32, mean, rstd, beta float32) {
	if t == Generic || len(x) == 0 {
		LayerNormGrad(dx, dy, x, w, mean, rstd, beta)
		return
	}
	dx, dy, w = dx[:len(x)], dy[:len(x)], w[:len(x)]
	var sums [2]lanes
	n := uintptr(len(x))
	layerNormSumsOn(t, &dy[0], &x[0], &w[0], &sums[0][0], n, mean, rstd)
	g, gz := float32(sums[0].total()/float64(n)), float32(sums[1].total()/float64(n))
	if beta == 0 {
		layerNormGradOn(t, &dx[0], &dy[0], &x[0], &w[0], n, mean, rstd, g, gz)
		return
	}
	layerNormGradAddOn(t, &dx[0], &dy[0], &x[0], &w[0], n, mean, rstd, g, gz, beta)
}

// expRun is the number of exponentials that are summed in lanes.
const expRun = 4096

// CrossEntropy is [CrossEntropy] on tier t. Runs of 4096 exponentials are summed
// in lanes, the runs in float64.
func (t Tier) CrossEntropy(logits []float32, target int) (loss float32, lse float64) {
	if t == Generic {
		return CrossEntropy(logits, target)
	}
	top := t.largest(logits)
	var sum float64
	for at := 0; at < len(logits); at += expRun {
		run := logits[at:min(at+expRun, len(logits))]
		var part lanes
		sumExpOn(t, &run[0], &part[0], uintptr(len(run)), top)
		sum += part.total()
	}
	lse = float64(top) + math.Log(sum)
	return float32(lse - float64(logits[target])), lse
}

// largest returns the largest element of x that is a number.
func (t Tier) largest(x []float32) float32 {
	var tops lanes
	for i := range tops {
		tops[i] = float32(math.Inf(-1))
	}
	whole := len(x) / len(tops) * len(tops)
	if whole > 0 {
		maxLanesOn(t, &x[0], &tops[0], uintptr(whole))
	}
	top := tops[0]
	for _, v := range tops {
		top = max(top, v)
	}
	for _, v := range x[whole:] {
		if v > top {
			top = v
		}
	}
	return top
}

// CrossEntropyGrad is [CrossEntropyGrad] on tier t.
func (t Tier) CrossEntropyGrad(dlogits, logits []float32, target int, lse float64, weight float32) {
	if t == Generic {
		CrossEntropyGrad(dlogits, logits, target, lse, weight)
		return
	}
	dlogits = dlogits[:len(logits)]
	hit := float32(float64(weight) * (math.Exp(float64(logits[target])-lse) - 1))
	high := float32(lse)
	low := float32(lse - float64(high))
	scaledExpOn(t, &dlogits[0], &logits[0], uintptr(len(logits)), high, low, weight)
	dlogits[target] = hit
}
