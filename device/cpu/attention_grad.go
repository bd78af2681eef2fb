package cpu

import (
	"mole/device"
	"mole/internal/kernel"
	"mole/tensor"
)

// On the generic tier the gradient of attention is computed twice over: by query rows for dq, and
// by key rows for dk and dv. Each sum then belongs to one worker and runs in
// one order, for the price of computing the probabilities a second time.

// gradBlock is the number of key rows whose gradients a worker sums at a time,
// in float64: few enough for its nearest cache.
const gradBlock = 16

// attentionBack holds what both halves read.
type attentionBack struct {
	heads
	dy, y, lse, q, k, v []float32
	delta               []float64 // [T, H]: Σ dy·y, set by the first half
	scale               float64
	segments            []device.Segment
}

// load returns query row i of head h, widened into memory [2·D].
func (t *attentionBack) load(memory []float64, i, h int) kernel.AttentionQuery {
	a := kernel.AttentionQuery{
		Q: memory[:t.d], DY: memory[t.d : 2*t.d],
		LSE: float64(t.lse[i*t.count+h]), Delta: t.delta[i*t.count+h], Scale: t.scale,
	}
	kernel.Widen(a.Q, t.query(t.q, i, h))
	kernel.Widen(a.DY, t.query(t.dy, i, h))
	return a
}

// gradQTask has tiles as units.
type gradQTask struct {
	attentionBack
	dq   []float32
	rows int // of queries
}

func (t *gradQTask) run(w *worker, from, to int) {
	for u := from; u < to; u++ {
		lo, hi, g := t.tile(u, t.rows)
		eachPart(t.segments, lo, hi, func(s *device.Segment, lo, hi int) { t.part(w, s, lo, hi, g) })
	}
}

// part computes the gradients of rows lo to hi-1, all of segment s, of the query
// heads that read key head g.
func (t *gradQTask) part(w *worker, s *device.Segment, lo, hi, g int) {
	first, end := t.group(g)
	n := end - first
	for r := range (hi - lo) * n {
		i, h, memory := lo+r/n, first+r%n, w.wide[3*t.d*r:][:3*t.d]
		a := t.load(memory, i, h)
		a.Delta = kernel.Dot64(a.DY, t.query(t.y, i, h))
		t.delta[i*t.count+h] = a.Delta
		w.queries[r] = a
		clear(memory[2*t.d:])
	}
	eachBlock(s, lo, hi, func(i, key, keys int) {
		k, v := t.from(t.k, key, g), t.from(t.v, key, g)
		for r := (i - lo) * n; r < (i-lo+1)*n; r++ {
			w.queries[r].GradQ(w.wide[3*t.d*r+2*t.d:][:t.d], k, v, keys, t.stride())
		}
	})
	for r := range (hi - lo) * n {
		kernel.Narrow(t.query(t.dq, lo+r/n, first+r%n), w.wide[3*t.d*r+2*t.d:])
	}
}

// gradKVTask has pairs of a block of keys and a key head as units.
type gradKVTask struct {
	attentionBack
	dk, dv []float32
	rows   int // of k and v
}

func (t *gradKVTask) run(w *worker, lo, hi int) {
	for u := lo; u < hi; u++ {
		b, g := u/t.keys*gradBlock, u%t.keys
		t.block(w, device.Span{Start: int32(b), End: int32(min(b+gradBlock, t.rows))}, g)
	}
}

// block computes the gradients of a block of rows of key head g.
func (t *gradKVTask) block(w *worker, b device.Span, g int) {
	n := int(b.End-b.Start) * t.d
	dk, dv := w.wide[2*t.d:][:n], w.wide[2*t.d+n:][:n]
	clear(dk)
	clear(dv)
	for i := range t.segments {
		s := &t.segments[i]
		for r := range runs(s) {
			t.overlap(w, s, r, b, g)
		}
	}
	for j := range int(b.End - b.Start) {
		kernel.Narrow(t.from(t.dk, int(b.Start)+j, g)[:t.d], dk[j*t.d:])
		kernel.Narrow(t.from(t.dv, int(b.Start)+j, g)[:t.d], dv[j*t.d:])
	}
}

// overlap adds the part of the rows of segment s, for those keys of block b
// that they see as run r.
func (t *gradKVTask) overlap(w *worker, s *device.Segment, r int, b device.Span, g int) {
	whole := visible(s, int(s.End)-1, r)
	lo := max(whole.Start, b.Start)
	if lo >= min(whole.End, b.End) {
		return
	}
	row := s.Start
	if r == len(s.Past) && s.Causal {
		row += max(0, lo-s.Key) // the first row that sees key lo
	}
	first, end := t.group(g)
	for ; row < s.End; row++ {
		n := int(min(visible(s, int(row), r).End, b.End) - lo)
		for h := first; h < end; h++ {
			t.add(w, b, int(row), h, int(lo), n, g)
		}
	}
}

// add adds the part of query row i of head h to n keys of block b from key row
// lo on.
func (t *gradKVTask) add(w *worker, b device.Span, i, h, lo, n, g int) {
	size := int(b.End-b.Start) * t.d
	skip := (lo - int(b.Start)) * t.d
	dk, dv := w.wide[2*t.d:][:size], w.wide[2*t.d+size:][:size]
	a := t.load(w.wide, i, h)
	a.GradKV(dk[skip:], dv[skip:], t.from(t.k, lo, g), t.from(t.v, lo, g), n, t.stride())
}

// AttentionGrad implements [device.Backward].
func (d *Device) AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v tensor.Tensor, o device.Attention) {
	s := d.headsOf(q, k)
	rows, keys := q.Shape[0], k.Shape[0]
	d.check("attention gradient", cube("dq", dq, rows, s.count, s.d).result(),
		cube("dk", dk, keys, s.keys, s.d).result(), cube("dv", dv, keys, s.keys, s.d).result(),
		cube("dy", dy, rows, s.count, s.d), cube("y", y, rows, s.count, s.d), mat("lse", lse, rows, s.count),
		cube("q", q, rows, s.count, s.d), cube("k", k, keys, s.keys, s.d), cube("v", v, keys, s.keys, s.d))
	checkSegments("attention gradient", o.Segments, rows, keys, true)
	back := attentionBack{s, f32(dy), f32(y), f32(lse), f32(q), f32(k), f32(v), nil, float64(o.Scale), o.Segments}
	if d.tier != kernel.Generic {
		d.gradTiles(back, f32(dq), f32(dk), f32(dv), keys)
		return
	}
	n := rowBlock * s.count / s.keys
	d.pool.reserve(n, max(3*n, 2+2*gradBlock)*s.d)
	d.delta = grown(d.delta, rows*s.count)
	back.delta = d.delta

	d.tasks.gradQ = gradQTask{back, f32(dq), rows}
	d.pool.run(&d.tasks.gradQ, s.tiles(rows), 1)
	d.tasks.gradQ = gradQTask{}

	d.tasks.gradKV = gradKVTask{back, f32(dk), f32(dv), keys}
	d.pool.run(&d.tasks.gradKV, (keys+gradBlock-1)/gradBlock*s.keys, 1)
	d.tasks.gradKV = gradKVTask{}
}
