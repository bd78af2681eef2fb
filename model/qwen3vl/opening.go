package qwen3vl

import (
	"slices"

	"mole/batch"
	"mole/tensor"
)

// opening is text that passes begin with, and what every layer made of it.
type opening struct {
	tokens []int32 // nil as long as nothing is there
	layers []keys  // k and v [P, K·D]
}

// minOpening is the fewest tokens that are worth remembering.
const minOpening = 16

// Remember makes n keep the keys and values of the text that a batch begins
// with, and leave that text out of the next batches that begin with the same:
// those of a router are a system prompt and a picture. Outputs are the same to
// the last bit. Passes with gradients do not take part, and the weights of the
// adapter must not change any more.
func (n *Net) Remember() {
	if n.opening == nil {
		n.opening = &opening{}
	}
}

// free gives the memory of o back. o may be nil.
func (o *opening) free(n *Net) {
	if o == nil {
		return
	}
	for _, l := range o.layers {
		n.dev.Free(l.k)
		n.dev.Free(l.v)
	}
	o.tokens, o.layers = nil, nil
}

// common returns the number of tokens that all examples of b begin with and
// that can be remembered: text without a picture, whose own outputs nobody
// asks for. asked ascends; nil stands for all rows.
func (n *Net) common(b *batch.Batch, asked []int32) int {
	if n.opening == nil || len(asked) == 0 || len(b.Segments) < 2 {
		return 0
	}
	end := b.End(0)
	roots := slices.ContainsFunc(b.Segments[1:], func(s batch.Segment) bool { return s.Parent == batch.NoParent })
	seen := len(b.Visual) > 0 && b.Visual[0].Row < end
	if end < minOpening || asked[0] < end || roots || seen {
		return 0
	}
	return int(end)
}

// recall prepares a pass over b that asks for some rows: with in set to rows
// that are not in the opening, if that is what b begins with. Otherwise it makes
// room for the beginning of b, which the pass will fill.
func (n *Net) recall(p *pass, b *batch.Batch) {
	count := n.common(b, p.asked)
	if count == 0 {
		p.in = n.inputs(b, p.asked)
		return
	}
	if slices.Equal(n.opening.tokens, b.Tokens[:count]) {
		p.past = count
		p.in = n.behind(b, count, p.asked)
		return
	}
	p.in = n.inputs(b, p.asked)
	p.retain = count
	n.opening.free(n)
	t := &n.config.Text
	shape := tensor.Shape{count, t.KVHeads * t.HeadDim}
	for range n.layers {
		n.opening.layers = append(n.opening.layers, keys{k: n.dev.Alloc(tensor.F32, shape), v: n.dev.Alloc(tensor.F32, shape)})
	}
}

// behind returns the rows of b from row past on. What they see of keys is
// counted from the first row of b.
func (n *Net) behind(b *batch.Batch, past int, asked []int32) *inputs {
	in := n.rowInputs(b, past, len(b.Tokens))
	whole := segments(b)
	in.last = n.askedQueries(b, asked)
	rows := make([]int32, len(asked))
	for i, r := range asked {
		rows[i] = r - int32(past)
	}
	in.last.rows = n.ints(rows)
	for _, s := range whole[1:] {
		s.Start, s.End = s.Start-int32(past), s.End-int32(past)
		in.every.attention.Segments = append(in.every.attention.Segments, s)
	}
	return in
}

// openedKeys returns the keys of layer i for a pass over rows new rows, with
// those of the opening before them, which the pass goes without.
func (n *Net) openedKeys(p *pass, i, rows int) keys {
	all := n.freshKeys(p.past + rows)
	past := n.opening.layers[i]
	n.copyRows(all.allK.Rows(0, p.past).Reshape(past.k.Shape), past.k)
	n.copyRows(all.allV.Rows(0, p.past).Reshape(past.v.Shape), past.v)
	all.k, all.v = all.allK.Rows(p.past, p.past+rows), all.allV.Rows(p.past, p.past+rows)
	return all
}

// retain keeps what layer i made of the beginning of a pass.
func (n *Net) retain(p *pass, i int, kv keys) {
	if p.retain == 0 {
		return
	}
	l := n.opening.layers[i]
	n.copyRows(l.k, kv.allK.Rows(0, p.retain).Reshape(l.k.Shape))
	n.copyRows(l.v, kv.allV.Rows(0, p.retain).Reshape(l.v.Shape))
}

// copyRows sets dst [T, C] to src [T, C].
func (n *Net) copyRows(dst, src tensor.Tensor) {
	mark := n.arena.Mark()
	rows := make([]int32, src.Shape[0])
	for i := range rows {
		rows[i] = int32(i)
	}
	n.dev.Gather(dst, src, n.ints(rows), tensor.Tensor{})
	n.arena.Release(mark)
}
