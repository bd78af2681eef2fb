package kernel

import "math"

// The generic kernels of attention work on one row of queries of one head and
// one block of n keys that it sees; those of the vector tiers are methods of
// [AttentionTile]. Row j of a block k starts at k[j·stride]; its width D
// is that of the query. A caller hands in the blocks that a row sees in a fixed
// order, and so fixes the order of every sum. Sums are float64.
//
// Source: Vaswani et al., "Attention Is All You Need", 2017. The softmax over
// blocks is that of Milakov and Gimelshein, "Online normalizer calculation for
// softmax", 2018; the way back from its logarithm that of Dao et al.,
// "FlashAttention", 2022.

// AttentionRow is the result of one row of queries in the making.
type AttentionRow struct {
	Q, Sum []float64 // [D]: the query, and Σ exp(score − top)·v so far
	top    float64   // the largest score so far
	total  float64   // Σ exp(score − top)
}

// Begin sets the query. Q and Sum must have its length.
func (a *AttentionRow) Begin(q []float32) {
	Widen(a.Q, q)
	clear(a.Sum)
	a.top, a.total = math.Inf(-1), 0
}

// Add takes in a block of len(scores) keys and values. What scores held is
// lost; the score of key k is scale · q·k.
func (a *AttentionRow) Add(scores []float64, k, v []float32, stride int, scale float64) {
	top := a.top
	for j := range scores {
		scores[j] = scale * dot(a.Q, k[j*stride:])
		top = max(top, scores[j])
	}
	if top != a.top {
		shrink := math.Exp(a.top - top)
		a.top = top
		a.total *= shrink
		for i := range a.Sum {
			a.Sum[i] *= shrink
		}
	}
	for j, s := range scores {
		p := math.Exp(s - top)
		a.total += p
		addScaled(a.Sum, p, v[j*stride:])
	}
}

// End sets y to the result, and returns the natural log of Σ exp(score).
func (a *AttentionRow) End(y []float32) (lse float64) {
	for i, v := range a.Sum {
		y[i] = float32(v / a.total)
	}
	return a.top + math.Log(a.total)
}

// AttentionQuery is what the way back needs to know of one row of queries of
// one head.
type AttentionQuery struct {
	Q, DY []float64 // [D]: the query, and the gradient of the result
	LSE   float64   // of the scaled scores
	Delta float64   // Σ DY·Y, Y the result
	Scale float64   // multiplies q·k
}

// score returns the probability of key k and the gradient of its scaled score,
// p·(DY·v − Delta)·Scale.
func (a *AttentionQuery) score(k, v []float32) (p, ds float64) {
	p = math.Exp(a.Scale*dot(a.Q, k) - a.LSE)
	return p, p * (dot(a.DY, v) - a.Delta) * a.Scale
}

// GradQ adds to dq [D] the part of the gradient of the query that comes from n
// keys and values.
func (a *AttentionQuery) GradQ(dq []float64, k, v []float32, n, stride int) {
	for j := range n {
		key := k[j*stride:]
		_, ds := a.score(key, v[j*stride:])
		addScaled(dq, ds, key)
	}
}

// GradKV adds to dk and dv [n, D] the part of the gradients of n keys and
// values that comes from the query.
func (a *AttentionQuery) GradKV(dk, dv []float64, k, v []float32, n, stride int) {
	d := len(a.Q)
	for j := range n {
		p, ds := a.score(k[j*stride:], v[j*stride:])
		addScaled64(dk[j*d:][:d], ds, a.Q)
		addScaled64(dv[j*d:][:d], p, a.DY)
	}
}

// Dot64 returns Σ a·b over the elements of a.
func Dot64(a []float64, b []float32) float64 { return dot(a, b) }

// Widen sets dst to src.
func Widen(dst []float64, src []float32) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = float64(v)
	}
}

// Narrow sets dst to src, rounded.
func Narrow(dst []float32, src []float64) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] = float32(src[i])
	}
}

// dot returns Σ a·b over the elements of a, in four sums: one alone would wait
// for each addition.
func dot(a []float64, b []float32) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	n := len(a) &^ 3
	for i := 0; i < n; i += 4 {
		x, y := a[i:i+4:i+4], b[i:i+4:i+4]
		s0 += x[0] * float64(y[0])
		s1 += x[1] * float64(y[1])
		s2 += x[2] * float64(y[2])
		s3 += x[3] * float64(y[3])
	}
	for i := n; i < len(a); i++ {
		s0 += a[i] * float64(b[i])
	}
	return s0 + s1 + (s2 + s3)
}

// addScaled adds c · x to sum, four elements at a time, which halves the time
// of the loop.
func addScaled(sum []float64, c float64, x []float32) {
	x = x[:len(sum)]
	n := len(sum) &^ 3
	for i := 0; i < n; i += 4 {
		s, y := sum[i:i+4:i+4], x[i:i+4:i+4]
		s[0] += c * float64(y[0])
		s[1] += c * float64(y[1])
		s[2] += c * float64(y[2])
		s[3] += c * float64(y[3])
	}
	for i := n; i < len(sum); i++ {
		sum[i] += c * float64(x[i])
	}
}

// addScaled64 is [addScaled] of float64 values.
func addScaled64(sum []float64, c float64, x []float64) {
	x = x[:len(sum)]
	n := len(sum) &^ 3
	for i := 0; i < n; i += 4 {
		s, y := sum[i:i+4:i+4], x[i:i+4:i+4]
		s[0] += c * y[0]
		s[1] += c * y[1]
		s[2] += c * y[2]
		s[3] += c * y[3]
	}
	for i := n; i < len(sum); i++ {
		sum[i] += c * x[i]
	}
}
