package devicetest

import (
	"math"

	"mole/device"
)

// heads are H, K and D.
type heads struct{ count, keys, d int }

// attention is one call of Attention and of its gradient.
type attention struct {
	*view
	heads
	scale    float64
	q, k, v  []float64
	dy       []float64
	p        [][]float64 // [T·H][S] probabilities, 0 where not seen
	y, lse   []float64
	rowError []float64 // [T·H] relative error of a row of p
	round    bool      // to bfloat16, as the device likes
}

// query returns where row i of head h begins, key where row j of the key head
// of query head h does.
func (a *attention) query(i, h int) int { return (i*a.count + h) * a.d }
func (a *attention) key(j, h int) int   { return (j*a.keys + h/(a.count/a.keys)) * a.d }

// forward fills p, y and lse.
func (a *attention) forward() {
	a.p, a.y, a.lse, a.rowError = nil, make([]float64, a.t*a.count*a.d), nil, nil
	for i := range a.t {
		for h := range a.count {
			a.row(i, h)
		}
	}
}

// row computes query row i of head h. Probabilities inherit the error of the
// scores, once from their own and once from the denominator's.
func (a *attention) row(i, h int) {
	p, worst, sum, n := make([]float64, a.s), 0.0, 0.0, 0
	q := a.q[a.query(i, h):][:a.d]
	for j, seen := range a.sees[i] {
		if seen {
			score, mag := dot(q, a.k[a.key(j, h):][:a.d])
			p[j] = math.Exp(a.scale * score)
			sum += p[j]
			worst = max(worst, a.scale*mag)
			n++
		}
	}
	y := a.y[a.query(i, h):][:a.d]
	for j, seen := range a.sees[i] {
		if seen {
			p[j] /= sum
			for c := range y {
				y[c] += p[j] * a.v[a.key(j, h)+c]
			}
		}
	}
	lse := math.Log(sum)
	a.p, a.lse = append(a.p, p), append(a.lse, lse)
	a.rowError = append(a.rowError, 2*slack(a.d, worst)+slack(n, 1)+u*math.Abs(lse))
}

// loss returns Σ dy · y for the present operands, and leaves a as it is.
func (a *attention) loss() float64 {
	b := *a
	b.forward()
	sum, _ := dot(a.dy, b.y)
	return sum
}

// boundY returns the bounds of the result: those of Σ p·v with the error of p.
func (a *attention) boundY() []bound {
	list := make([]bound, len(a.y))
	for at := range list {
		row, c := at/a.d, at%a.d
		mag := 0.0
		for j, p := range a.p[row] {
			mag += p * math.Abs(a.v[a.key(j, row%a.count)+c])
		}
		list[at] = bound{a.y[at], (a.rowError[row]+a.rounding())*mag + slack(a.s, mag)}
	}
	return list
}

// rounding returns the relative error of a probability that is rounded.
func (a *attention) rounding() float64 {
	if a.round {
		return 1.0 / (1 << 8)
	}
	return 0
}

// boundLSE returns the bounds of the logs of the denominators: an error of p is
// one of the exponent.
func (a *attention) boundLSE() []bound {
	list := make([]bound, len(a.lse))
	for i, v := range a.lse {
		list[i] = bound{v, a.rowError[i]}
	}
	return list
}

// grads returns the bounds of dq, dk and dv by the formulas of Vaswani et al.'s
// attention, with ds = p·(dy·v − dy·y)·scale:
//
//	dq = Σ ds·k over the keys;  dk = Σ ds·q and dv = Σ p·dy over the queries
//
// The magnitude of ds has that of both of its dot products, and the error of p.
func (a *attention) grads() (dq, dk, dv []bound) {
	dq, dk, dv = make([]bound, len(a.q)), make([]bound, len(a.k)), make([]bound, len(a.v))
	for row := range a.p {
		i, h := row/a.count, row%a.count
		for j, seen := range a.sees[i] {
			if seen {
				a.pair(dq[a.query(i, h):], dk[a.key(j, h):], dv[a.key(j, h):], i, h, j)
			}
		}
	}
	return dq, dk, dv
}

// pair adds the part of one query and one key.
func (a *attention) pair(dq, dk, dv []bound, i, h, j int) {
	at, key, row := a.query(i, h), a.key(j, h), i*a.count+h
	dy, p := a.dy[at:][:a.d], a.p[row][j]
	dp, dpMag := dot(dy, a.v[key:][:a.d])
	delta, deltaMag := dot(dy, a.y[at:][:a.d])
	ds, mag := p*(dp-delta)*a.scale, p*(dpMag+deltaMag)*a.scale
	for c := range a.d {
		n := a.t * a.count
		dq[c].add(ds*a.k[key+c], mag*math.Abs(a.k[key+c]), a.rowError[row], a.s+a.d)
		dk[c].add(ds*a.q[at+c], mag*math.Abs(a.q[at+c]), a.rowError[row], n+a.d)
		dv[c].add(p*dy[c], p*math.Abs(dy[c]), a.rowError[row], n)
	}
}

// add adds a term to a sum of n terms, where the term has a relative error
// before it is added.
func (b *bound) add(term, mag, relative float64, n int) {
	b.want += term
	b.tol += mag*relative + slack(n, mag)
}

// views returns the cases of attention, small ones for differences.
func (x *trial) views(small bool) []*view {
	if small {
		return []*view{
			causal(4, 0), causal(3, 4), images(3, 4),
			x.grow(4, 3, 0).view(0, 0), x.grow(3, 3, 5).view(3, 2), x.grow(4, 3, 1).some(2), paged(5, 2, 3, 0, 2, 3),
		}
	}
	return []*view{
		causal(1, 0), causal(1, 40), causal(17, 0), causal(5, 16), causal(33, 15), images(16, 1, 31),
		causal(70, 0), causal(9, 129), images(5, 65), x.grow(4, 90, 3).view(2, 0),
		x.grow(5, 9, 0).view(0, 0), x.grow(9, 6, 0).view(0, 3), x.grow(6, 12, 20).view(20, 1), x.grow(7, 5, 9).view(4, 0),
		x.grow(8, 7, 0).some(3), x.grow(5, 9, 2).some(1),
		paged(9, 8, 4, 3, 1, 0), paged(150, 20, 64, 2, 0, 4), paged(90, 70, 70, 1, 3), paged(40, 3, 16, 0, 2, 3),
	}
}

// headSizes are H, K and D: all alike, grouped, one key head for all; widths
// around vector registers.
var headSizes = []heads{{2, 2, 8}, {4, 2, 17}, {6, 2, 5}, {3, 1, 16}, {1, 1, 33}, {4, 4, 1}, {2, 1, 72}}

func checkAttention(x *trial) {
	for i, v := range x.views(false) {
		for j := range 2 {
			a := x.attention(v, headSizes[(i+3*j)%len(headSizes)])
			x.tryAttention(a, a.grads)
		}
	}
}

// checkAttentionRounding checks attention that may be rounded, on operands that
// rounding does not change.
func checkAttentionRounding(x *trial) {
	for i, v := range x.views(false) {
		a := x.attention(v, headSizes[i%len(headSizes)])
		a.round = true
		x.try("rounded: %s, H=%d K=%d D=%d", a.name, a.count, a.keys, a.d)
		x.attend(a)
	}
}

// checkAttentionDifferences compares the gradients of a device, and the formulas
// that checkAttention uses, with differences in every element.
func checkAttentionDifferences(x *trial) {
	for _, v := range x.views(true) {
		a := x.attention(v, heads{4, 2, 3})
		x.tryAttention(a, func() (dq, dk, dv []bound) {
			dq, dk, dv = a.grads()
			a.differ(x, "dq", dq, a.q)
			a.differ(x, "dk", dk, a.k)
			a.differ(x, "dv", dv, a.v)
			return dq, dk, dv
		})
	}
}

// differ replaces the values of a gradient by differences of the loss in the
// elements of operand and checks that they were the same.
func (a *attention) differ(x *trial, name string, list []bound, operand []float64) {
	for i, b := range list {
		want := partial(operand, i, 1, a.loss)
		if math.Abs(b.want-want) > 1e-9 {
			x.t.Fatalf("%s: the reference for %s[%d] is %v, want %v", x.label, name, i, b.want, want)
		}
		list[i].want = want
	}
}

// attention draws operands for a view.
func (x *trial) attention(v *view, s heads) *attention {
	return &attention{view: v, heads: s, scale: float64(float32(0.9 / math.Sqrt(float64(s.d))))}
}

// tryAttention runs both operations. Each is given operands of its own, and the
// gradient y and lse as the reference has them.
func (x *trial) tryAttention(a *attention, grads func() (dq, dk, dv []bound)) {
	x.try("%s, H=%d K=%d D=%d", a.name, a.count, a.keys, a.d)
	x.attend(a)
	if a.view.forward {
		return
	}

	x.try("gradient: %s, H=%d K=%d D=%d", a.name, a.count, a.keys, a.d)
	q, k, v := x.attentionOperands(a)
	dy := x.normal("dy", a.t, a.count, a.d)
	a.dy = dy.values
	y, lse := x.source("y", a.y, a.t, a.count, a.d), x.source("lse", a.lse, a.t, a.count)
	dq := x.empty("dq", a.t, a.count, a.d)
	dk, dv := x.empty("dk", a.s, a.keys, a.d), x.empty("dv", a.s, a.keys, a.d)
	x.dev.AttentionGrad(dq.Tensor, dk.Tensor, dv.Tensor, dy.Tensor, y.Tensor, lse.Tensor, q.Tensor, k.Tensor, v.Tensor, a.options())
	var wantK, wantV []bound
	x.expect(dq, func() (wantQ []bound) {
		wantQ, wantK, wantV = grads()
		return wantQ
	})
	x.expect(dk, func() []bound { return wantK })
	x.expect(dv, func() []bound { return wantV })
}

// attend runs the operation forward.
func (x *trial) attend(a *attention) {
	q, k, v := x.attentionOperands(a)
	y, lse := x.empty("dst", a.t, a.count, a.d), x.empty("lse", a.t, a.count)
	x.dev.Attention(y.Tensor, lse.Tensor, q.Tensor, k.Tensor, v.Tensor, a.options())
	x.expect(y, a.boundY)
	x.expect(lse, a.boundLSE)
}

// options returns those of the operations.
func (a *attention) options() device.Attention {
	return device.Attention{Scale: float32(a.scale), Segments: a.segments, Round: a.round}
}

// attentionOperands draws q, k and v and computes what they give.
func (x *trial) attentionOperands(a *attention) (q, k, v *array) {
	draw := func(name string, extents ...int) *array {
		values := x.draw(shapeOf(extents).Len())
		if a.round {
			values = roundAll(values)
		}
		return x.source(name, values, extents...)
	}
	q = draw("q", a.t, a.count, a.d)
	k, v = draw("k", a.s, a.keys, a.d), draw("v", a.s, a.keys, a.d)
	a.q, a.k, a.v = q.values, k.values, v.values
	a.forward()
	return q, k, v
}
