package cpu

import (
	"mole/device"
	"mole/internal/kernel"
)

// On vector tiers attention goes tile by tile: up to [kernel.AttentionRows] rows
// of queries, of the heads that share a key head, meet the blocks of keys that
// any of them sees. The gradients of queries, keys and values are computed
// together, once for each pair of a tile and a block. A worker therefore takes
// one key head of one tree of segments, and sums the gradients of its keys and
// values, in the order of the queries, in memory of its own.

// tilePart computes rows lo to hi-1, all of segment s, of the query heads that
// read key head g.
func (t *attentionTask) tilePart(w *worker, s *device.Segment, lo, hi, g int) {
	first, end := t.group(g)
	n := end - first
	if hi-lo == 1 && !t.round && t.tier.HeadsTogether(n, t.d) {
		t.rowPart(w, s, lo, first, n, g)
		return
	}
	if t.round {
		w.tile.BeginPairs(t.tier, hi-lo, float32(t.scale))
	} else {
		w.tile.Begin(t.tier, hi-lo, float32(t.scale))
	}
	for h := range n {
		w.tile.Query(h, t.queries(t.q, lo, first+h), t.count*t.d)
	}
	eachKeyBlock(s, lo, hi, func(key, keys, seen, step int) {
		w.tile.Keys(t.from(t.k, key, g), t.from(t.v, key, g), keys, t.stride(), seen, step)
		for h := range n {
			w.tile.Attend(h)
		}
	})
	for h := range n {
		w.tile.Result(h, t.queries(t.dst, lo, first+h), t.count*t.d, t.lse[lo*t.count+first+h:], t.count)
	}
}

// rowPart is tilePart for row i alone: its n query heads from head first on.
func (t *attentionTask) rowPart(w *worker, s *device.Segment, i, first, n, g int) {
	w.tile.BeginHeads(t.tier, n, float32(t.scale))
	q := t.queries(t.q, i, first)
	eachKeyBlock(s, i, i+1, func(key, keys, _, _ int) {
		w.tile.AttendHeads(q, t.from(t.k, key, g), t.from(t.v, key, g), keys, t.stride())
	})
	w.tile.ResultHeads(t.queries(t.dst, i, first), t.lse[i*t.count+first:])
}

// queries returns x from row i of head h on; the next row of that head is
// count·d elements further.
func (s heads) queries(x []float32, i, h int) []float32 { return x[(i*s.count+h)*s.d:] }

// eachKeyBlock calls f for every block of keys that any of rows lo to hi-1 of
// segment s sees: keys rows from row key on, of which query row lo+i sees the
// first seen + i·step, or all. Blocks come in the order of eachBlock.
func eachKeyBlock(s *device.Segment, lo, hi int, f func(key, keys, seen, step int)) {
	for r := range runs(s) {
		most, least := visible(s, hi-1, r), visible(s, lo, r)
		step := 0
		if r == len(s.Past) && s.Causal {
			step = 1
		}
		for key := most.Start; key < most.End; key += keyBlock {
			f(int(key), int(min(keyBlock, most.End-key)), int(least.End-key), step)
		}
	}
}

// A tree is a run of segments that share keys with each other alone.
type tree struct {
	rows device.Span // of queries
	keys device.Span
}

// trees cuts segments into as many trees as it finds, using the memory of list.
// Together they have all keys.
func trees(list []tree, segments []device.Segment, keys int) []tree {
	list = list[:0]
	for i := range segments {
		s := &segments[i]
		t := tree{device.Span{Start: s.Start, End: s.End}, ownKeys(s)}
		if n := len(s.Past); n > 0 {
			t.keys.Start, t.keys.End = min(t.keys.Start, s.Past[0].Start), max(t.keys.End, s.Past[n-1].End)
		}
		for n := len(list); n > 0 && list[n-1].keys.End > t.keys.Start; n = len(list) {
			last := list[n-1]
			t.rows.Start = last.rows.Start
			t.keys.Start, t.keys.End = min(t.keys.Start, last.keys.Start), max(t.keys.End, last.keys.End)
			list = list[:n-1]
		}
		list = append(list, t)
	}
	for i := range list {
		list[i].keys.End = int32(keys)
		if i > 0 {
			list[i-1].keys.End = list[i].keys.Start
		}
	}
	list[0].keys.Start = 0
	return list
}

// gradTask has pairs of a tree and a key head as units.
type gradTask struct {
	attentionBack
	tier       kernel.Tier
	dq, dk, dv []float32
	trees      []tree
}

func (t *gradTask) run(w *worker, lo, hi int) {
	for u := lo; u < hi; u++ {
		t.tree(w, &t.trees[u/t.keys], u%t.keys)
	}
}

// tree computes the gradients of a tree and key head g.
func (t *gradTask) tree(w *worker, r *tree, g int) {
	width := kernel.TileWidth(t.d)
	n := int(r.keys.End-r.keys.Start) * width
	clear(w.dk[:n])
	clear(w.dv[:n])
	for lo := int(r.rows.Start); lo < int(r.rows.End); lo += kernel.AttentionRows {
		hi := min(lo+kernel.AttentionRows, int(r.rows.End))
		eachPart(t.segments, lo, hi, func(s *device.Segment, lo, hi int) { t.part(w, s, lo, hi, g, int(r.keys.Start)) })
	}
	for j := range int(r.keys.End - r.keys.Start) {
		copy(t.from(t.dk, int(r.keys.Start)+j, g)[:t.d], w.dk[j*width:])
		copy(t.from(t.dv, int(r.keys.Start)+j, g)[:t.d], w.dv[j*width:])
	}
}

// part computes what rows lo to hi-1, all of segment s, of the query heads that
// read key head g give. The worker's gradients begin at key row start.
func (t *gradTask) part(w *worker, s *device.Segment, lo, hi, g, start int) {
	first, end := t.group(g)
	n, stride, width := end-first, t.count*t.d, kernel.TileWidth(t.d)
	w.tile.Begin(t.tier, hi-lo, float32(t.scale))
	for h := range n {
		w.tile.QueryGrad(h, t.queries(t.q, lo, first+h), t.queries(t.y, lo, first+h), t.queries(t.dy, lo, first+h),
			stride, t.lse[lo*t.count+first+h:], t.count)
	}
	eachKeyBlock(s, lo, hi, func(key, keys, seen, step int) {
		w.tile.Keys(t.from(t.k, key, g), t.from(t.v, key, g), keys, t.stride(), seen, step)
		for h := range n {
			w.tile.Grad(h, w.dk[(key-start)*width:], w.dv[(key-start)*width:])
		}
	})
	for h := range n {
		w.tile.ResultGrad(h, t.queries(t.dq, lo, first+h), stride)
	}
}

// reserveTiles makes room in each worker for the tiles of a group of heads and,
// unless it is 0, for size elements of each of two gradients. No task may be
// running.
func (p *pool) reserveTiles(s heads, size int) {
	for _, w := range p.workers {
		w.tile.Reserve(s.count/s.keys, s.d, size > 0)
		w.dk, w.dv = grown(w.dk, size), grown(w.dv, size)
	}
}

// gradTiles runs the gradient on a vector tier.
func (d *Device) gradTiles(back attentionBack, dq, dk, dv []float32, keys int) {
	d.trees = trees(d.trees, back.segments, keys)
	most := 0
	for _, t := range d.trees {
		most = max(most, int(t.keys.End-t.keys.Start))
	}
	d.pool.reserveTiles(back.heads, most*kernel.TileWidth(back.d))
	d.tasks.grad = gradTask{back, d.tier, dq, dk, dv, d.trees}
	d.pool.run(&d.tasks.grad, len(d.trees)*back.keys, 1)
	d.tasks.grad = gradTask{}
}
