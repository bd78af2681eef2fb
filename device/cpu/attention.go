package cpu

import (
	"fmt"
	"sort"

	"mole/device"
	"mole/internal/kernel"
	"mole/tensor"
)

// heads says where the rows of the operands of attention lie. Operands for
// queries are [T, count, d], those for keys [S, keys, d].
type heads struct {
	count, keys, d int
	block          int // query rows of a tile
}

// headsOf returns what q and k say. If their heads do not divide, it asks for as
// many in k as in q.
func (d *Device) headsOf(q, k tensor.Tensor) heads {
	s := heads{q.Shape[1], k.Shape[1], q.Shape[2], rowBlock}
	if d.tier != kernel.Generic {
		s.block = kernel.AttentionRows
	}
	if s.keys < 1 || s.count%s.keys != 0 {
		s.keys = s.count
	}
	return s
}

// query returns row i of head h of x.
func (s heads) query(x []float32, i, h int) []float32 {
	return x[(i*s.count+h)*s.d:][:s.d]
}

// from returns x from row j of key head g on; the next row of it is stride
// elements further.
func (s heads) from(x []float32, j, g int) []float32 { return x[(j*s.keys+g)*s.d:] }

func (s heads) stride() int { return s.keys * s.d }

// group returns the query heads that read key head g.
func (s heads) group(g int) (lo, hi int) {
	n := s.count / s.keys
	return g * n, (g + 1) * n
}

// Attention is computed in tiles: some rows of queries, rowBlock on the generic
// tier, of the heads that share a key head, go over blocks of keyBlock keys
// together. The keys of a block are then near when the next row needs them.
const (
	rowBlock = 8
	keyBlock = kernel.AttentionKeys
)

// tiles returns the number of tiles of n rows of queries.
func (s heads) tiles(n int) int { return (n + s.block - 1) / s.block * s.keys }

// tile returns the query rows and the key head of tile u.
func (s heads) tile(u, rows int) (lo, hi, g int) {
	lo = u / s.keys * s.block
	return lo, min(lo+s.block, rows), u % s.keys
}

// attentionTask has tiles as units.
type attentionTask struct {
	heads
	tier              kernel.Tier
	dst, lse, q, k, v []float32
	scale             float64
	segments          []device.Segment
	rows              int  // of queries
	round             bool // to pairs of bfloat16
}

func (t *attentionTask) run(w *worker, from, to int) {
	for u := from; u < to; u++ {
		lo, hi, g := t.tile(u, t.rows)
		eachPart(t.segments, lo, hi, func(s *device.Segment, lo, hi int) {
			if t.tier == kernel.Generic {
				t.part(w, s, lo, hi, g)
			} else {
				t.tilePart(w, s, lo, hi, g)
			}
		})
	}
}

// part computes rows lo to hi-1, all of segment s, of the query heads that read
// key head g.
func (t *attentionTask) part(w *worker, s *device.Segment, lo, hi, g int) {
	first, end := t.group(g)
	n := end - first
	for r := range (hi - lo) * n {
		memory := w.wide[2*t.d*r:][:2*t.d]
		w.rows[r].Q, w.rows[r].Sum = memory[:t.d], memory[t.d:]
		w.rows[r].Begin(t.query(t.q, lo+r/n, first+r%n))
	}
	eachBlock(s, lo, hi, func(i, key, keys int) {
		k, v := t.from(t.k, key, g), t.from(t.v, key, g)
		for r := (i - lo) * n; r < (i-lo+1)*n; r++ {
			w.rows[r].Add(w.scores[:keys], k, v, t.stride(), t.scale)
		}
	})
	for r := range (hi - lo) * n {
		i, h := lo+r/n, first+r%n
		t.lse[i*t.count+h] = float32(w.rows[r].End(t.query(t.dst, i, h)))
	}
}

// eachPart calls f for every segment that has rows among lo to hi-1, with those
// rows, in order.
func eachPart(list []device.Segment, lo, hi int, f func(s *device.Segment, lo, hi int)) {
	at := sort.Search(len(list), func(s int) bool { return int(list[s].End) > lo })
	for ; lo < hi; at++ {
		if end := min(hi, int(list[at].End)); end > lo {
			f(&list[at], lo, end)
			lo = end
		}
	}
}

// eachBlock calls f for every block of keys that row i of rows lo to hi-1 of
// segment s sees: keys rows from row key on. The blocks of one row come in
// order, and do not depend on the other rows.
func eachBlock(s *device.Segment, lo, hi int, f func(i, key, keys int)) {
	for r := range runs(s) {
		most := visible(s, hi-1, r)
		for key := most.Start; key < most.End; key += keyBlock {
			eachRow(s, lo, hi, r, key, f)
		}
	}
}

// eachRow is eachBlock for the block of run r from row key on.
func eachRow(s *device.Segment, lo, hi, r int, key int32, f func(i, key, keys int)) {
	for i := lo; i < hi; i++ {
		if n := min(visible(s, i, r).End-key, keyBlock); n > 0 {
			f(i, int(key), int(n))
		}
	}
}

// runs returns the number of runs of keys that the rows of s see: the past ones
// and its own.
func runs(s *device.Segment) int { return len(s.Past) + 1 }

// visible returns what query row i, of segment s, sees of run r.
func visible(s *device.Segment, i, r int) device.Span {
	if r < len(s.Past) {
		return s.Past[r]
	}
	own := ownKeys(s)
	if s.Causal {
		own.End = s.Key + int32(i) - s.Start + 1
	}
	return own
}

// ownKeys returns all own keys of s.
func ownKeys(s *device.Segment) device.Span {
	return device.Span{Start: s.Key - s.Before, End: s.Key + s.End - s.Start}
}

// Attention implements [device.Forward].
func (d *Device) Attention(dst, lse, q, k, v tensor.Tensor, o device.Attention) {
	s := d.headsOf(q, k)
	rows, keys := q.Shape[0], k.Shape[0]
	d.check("attention", cube("dst", dst, rows, s.count, s.d).result(), mat("lse", lse, rows, s.count).result(),
		cube("q", q, rows, s.count, s.d), cube("k", k, keys, s.keys, s.d), cube("v", v, keys, s.keys, s.d))
	checkSegments("attention", o.Segments, rows, keys, false)
	if len(o.Segments) == rows {
		s.block = 1 // they share no keys that are their own
	}
	if d.tier == kernel.Generic {
		n := rowBlock * s.count / s.keys
		d.pool.reserve(n, n*2*s.d)
	} else {
		d.pool.reserveTiles(s, 0)
	}
	d.tasks.attention = attentionTask{
		s, d.tier, f32(dst), f32(lse), f32(q), f32(k), f32(v), float64(o.Scale), o.Segments, rows,
		o.Round && d.precision == BF16 && d.tier.AttentionPairs(s.d),
	}
	d.pool.run(&d.tasks.attention, s.tiles(rows), 1)
	d.tasks.attention = attentionTask{}
}

// checkSegments panics unless list covers the query rows in order and names
// only keys that exist, the own keys no second time. For a gradient it names none
// twice.
func checkSegments(op string, list []device.Segment, rows, keys int, gradient bool) {
	next := int32(0)
	for i := range list {
		s := &list[i]
		if s.Start != next || s.End < s.Start || s.Before < 0 || !within(ownKeys(s), 0, keys) || !rightPast(s, keys, gradient) {
			panic(fmt.Sprintf("cpu: %s: segment %d is %+v, after query row %d, with %d keys", op, i, *s, next, keys))
		}
		next = s.End
	}
	if int(next) != rows {
		panic(fmt.Sprintf("cpu: %s: segments end at query row %d of %d", op, next, rows))
	}
}

// rightPast reports whether the spans of the past of s are among the keys, avoid
// its own and, if ascending is set, follow one another.
func rightPast(s *device.Segment, keys int, ascending bool) bool {
	own, from := ownKeys(s), int32(0)
	for _, p := range s.Past {
		if !within(p, from, keys) || p.Start < own.End && own.Start < p.End {
			return false
		}
		if ascending {
			from = p.End
		}
	}
	return true
}

// within reports whether s is a span between key rows from and keys.
func within(s device.Span, from int32, keys int) bool {
	return s.Start >= from && s.End >= s.Start && int(s.End) <= keys
}

// reserve makes room in each worker for the rows of a tile, with so many wide
// numbers in all, and for the scores of a block. No task may be running.
func (p *pool) reserve(rows, wide int) {
	for _, w := range p.workers {
		if len(w.rows) < rows {
			w.rows, w.queries = make([]kernel.AttentionRow, rows), make([]kernel.AttentionQuery, rows)
		}
		w.wide, w.scores = grown(w.wide, wide), grown(w.scores, keyBlock)
	}
}
