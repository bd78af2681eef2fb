package qwen3vl

import (
	"fmt"

	"mole/batch"
	"mole/device"
	"mole/tensor"
)

// inputs is a run of rows of a batch on the device.
type inputs struct {
	ids      tensor.Tensor // [T] I32, −1 where a visual feature stands
	cos, sin tensor.Tensor // [T, D/2]
	visual   tensor.Tensor // [n] I32, rows that take features; none without images
	features tensor.Tensor // [n] I32, the features that they take
	every    queries       // of the layers but the last
	last     queries       // of the last layer

	// What every layer works in, one after another: its normed input [T, C], and
	// the inner channels of its MLP [T, F]. A tape holds views of them; the way back
	// computes them again, which costs less than the memory of all layers.
	normed, wide tensor.Tensor

	order tensor.Tensor // [T] I32, 0 to T−1, of an engine
}

// inputs copies b to the device, with the rows that the last layer computes;
// nil stands for all.
func (n *Net) inputs(b *batch.Batch, asked []int32) *inputs {
	in := n.rowInputs(b, 0, len(b.Tokens))
	in.every.attention.Segments = segments(b)
	in.last = in.every
	if asked != nil {
		in.last = n.askedQueries(b, asked)
	}
	return in
}

// rowInputs copies rows lo to hi of b; attention segments are left out.
func (n *Net) rowInputs(b *batch.Batch, lo, hi int) *inputs {
	in := &inputs{}
	ids := append([]int32(nil), b.Tokens[lo:hi]...)
	var rows, features []int32
	for _, v := range b.Visual {
		if int(v.Row) >= lo && int(v.Row) < hi {
			rows, features = append(rows, v.Row-int32(lo)), append(features, v.Feature)
			ids[int(v.Row)-lo] = -1
		}
	}
	in.ids = n.ints(ids)
	if len(rows) > 0 {
		in.visual, in.features = n.ints(rows), n.ints(features)
	}
	in.normed, in.wide = n.arena.F32(hi-lo, n.config.Text.Hidden), n.arena.F32(hi-lo, n.config.Text.Intermediate)
	in.every = n.turned(b.Pos[lo:hi])
	in.cos, in.sin = in.every.cos, in.every.sin
	return in
}

// segments returns what each token of b sees: its ancestors and, up to
// itself, its own segment.
func segments(b *batch.Batch) []device.Segment {
	out := make([]device.Segment, len(b.Segments))
	for i, s := range b.Segments {
		out[i] = device.Segment{Start: s.Start, End: b.End(i), Key: s.Start, Causal: true}
		for _, up := range b.Ancestors(i) {
			out[i].Past = extend(out[i].Past, device.Span{Start: b.Segments[up].Start, End: b.End(int(up))})
		}
	}
	return out
}

// extend appends s to past, unless it is empty. Spans that touch stay apart:
// keys are summed in blocks from the start of a span on, and where those begin
// must not depend on what else is in the batch.
func extend(past []device.Span, s device.Span) []device.Span {
	if s.Start == s.End {
		return past
	}
	return append(past, s)
}

func (n *Net) ints(v []int32) tensor.Tensor {
	t := n.arena.Alloc(tensor.I32, tensor.Shape{len(v)})
	n.dev.Write(t, elementBytes(v))
	return t
}

func (n *Net) floats(v []float32, extents ...int) tensor.Tensor {
	t := n.arena.F32(extents...)
	n.dev.Write(t, elementBytes(v))
	return t
}

// layerTape is what the gradient of a decoder layer needs. R is the number of
// its queries: T, but in the last layer.
type layerTape struct {
	x, rstd1         tensor.Tensor // input [T, C] and its 1/rms
	q, k, v          linearTape
	q0, k0           tensor.Tensor // before norm and rotation [R, H·D], [T, K·D]
	qRstd, kRstd     tensor.Tensor // [R·H], [T·K]
	qr, kr, vr       tensor.Tensor // what attention read [R, H, D], [T, K, D]
	y, lse           tensor.Tensor // what it gave [R, H, D], [R, H]
	o                linearTape
	mid, rstd2       tensor.Tensor // after attention [R, C]
	gate, up         tensor.Tensor // [R, F]
	gateT, upT, down linearTape
}

// keys says where the keys and values of a layer are: new rows are written to
// k and v [T, K, D], attention reads allK and allV [S, K, D], which hold them once
// runs are copied.
type keys struct {
	k, v, allK, allV tensor.Tensor
	runs             []run
}

// freshKeys returns keys of their own for a pass without cache.
func (n *Net) freshKeys(rows int) keys {
	t := &n.config.Text
	k, v := n.arena.F32(rows, t.KVHeads, t.HeadDim), n.arena.F32(rows, t.KVHeads, t.HeadDim)
	return keys{k: k, v: v, allK: k, allV: v}
}

// keysOf returns where the keys of layer i of a pass are.
func (n *Net) keysOf(p *pass, i, rows int) keys {
	if p.past > 0 {
		return n.openedKeys(p, i, rows)
	}
	kv := n.freshKeys(rows)
	if p.pools != nil {
		kv.allK, kv.allV, kv.runs = p.pools[i].allK, p.pools[i].allV, p.runs
	}
	return kv
}

// store copies new keys and values to the cache.
func (n *Net) store(kv keys, order tensor.Tensor) {
	flat := func(t tensor.Tensor) tensor.Tensor {
		return t.Reshape(tensor.Shape{t.Shape[0], t.Shape[1] * t.Shape[2]})
	}
	for _, r := range kv.runs {
		rows := order.Rows(r.row, r.row+r.n)
		n.dev.Gather(flat(kv.allK.Rows(r.key, r.key+r.n)), flat(kv.k), rows, tensor.Tensor{})
		n.dev.Gather(flat(kv.allV.Rows(r.key, r.key+r.n)), flat(kv.v), rows, tensor.Tensor{})
	}
}

// decoderForward runs the decoder layers on p.in. With keep it records the
// tape of each, otherwise the memory of a layer is used again by the next.
func (n *Net) decoderForward(p *pass, keep bool) {
	x := n.embedRows(p)
	dst := n.arena.Alloc(tensor.F32, x.Shape)
	for i := range n.layers {
		q := &p.in.every
		if i == len(n.layers)-1 {
			q, dst = &p.in.last, p.in.last.of(dst)
		}
		mark := n.arena.Mark()
		kv := n.keysOf(p, i, x.Shape[0])
		tape := n.layerForward(&n.layers[i], x, dst, p.in, q, kv)
		n.retain(p, i, kv)
		if keep {
			p.text = append(p.text, tape)
		} else {
			n.arena.Release(mark)
		}
		n.addDeep(p, i, dst)
		n.trace(fmt.Sprintf("text.layers.%d", i), dst)
		x, dst = dst, x
		if keep && i < len(n.layers)-1 {
			dst = n.arena.Alloc(tensor.F32, x.Shape)
		}
	}
	p.out = x
}

// embedRows returns the input of the first layer [T, C]: embeddings, with
// features in place of placeholders.
func (n *Net) embedRows(p *pass) tensor.Tensor {
	x := n.arena.F32(p.in.ids.Shape[0], n.config.Text.Hidden)
	n.dev.Gather(x, n.embed, p.in.ids, tensor.Tensor{})
	if !p.in.visual.IsZero() {
		n.addVisual(p, x, p.vision.feats)
	}
	n.trace("text.embed", x)
	return x
}

// addDeep adds the deep-stack features of layer i to the visual rows of x.
func (n *Net) addDeep(p *pass, i int, x tensor.Tensor) {
	if !p.in.visual.IsZero() && i < len(p.vision.deep) {
		n.addVisual(p, x, p.vision.deep[i])
	}
}

// addVisual adds features [N, C] to the visual rows of x.
func (n *Net) addVisual(p *pass, x, features tensor.Tensor) {
	mark := n.arena.Mark()
	rows := n.arena.F32(p.in.visual.Shape[0], x.Shape[1])
	n.dev.Gather(rows, features, p.in.features, tensor.Tensor{})
	n.dev.AddRows(x, rows, p.in.visual)
	n.arena.Release(mark)
}

// visualGrad returns the gradient [N, C] of features that addVisual added to
// a tensor whose gradient is dx.
func (n *Net) visualGrad(p *pass, dx tensor.Tensor) tensor.Tensor {
	d := n.arena.Alloc(tensor.F32, p.vision.feats.Shape)
	mark := n.arena.Mark()
	rows := n.arena.F32(p.in.visual.Shape[0], dx.Shape[1])
	n.dev.Gather(rows, dx, p.in.visual, tensor.Tensor{})
	n.dev.Fill(d, 0)
	n.dev.AddRows(d, rows, p.in.features)
	n.arena.Release(mark)
	return d
}

// layerForward sets dst [R, C] to the output of l on x [T, C] at the rows of q
// (specification qwen3-vl, 4.2). Without such rows it computes keys and values.
func (n *Net) layerForward(l *textLayer, x, dst tensor.Tensor, in *inputs, q *queries, kv keys) layerTape {
	c := &n.config.Text
	rows := q.count()
	t := layerTape{x: x, rstd1: n.arena.F32(x.Shape[0])}

	a := in.normed
	n.dev.RMSNorm(a, t.rstd1, x, l.inputNorm.w, c.Eps)
	n.learn(l, a, in, kv, &t)
	if rows == 0 {
		return t
	}
	t.mid, t.rstd2 = n.arena.F32(rows, c.Hidden), n.arena.F32(rows)
	n.attend(l, a, q, kv, &t)
	t.o = n.linear(l.o, t.y.Reshape(tensor.Shape{rows, c.Heads * c.HeadDim}), q.mix, t.mid)
	n.dev.Add(t.mid, t.mid, n.pick(x, q))

	b := in.normed.Rows(0, rows)
	n.dev.RMSNorm(b, t.rstd2, t.mid, l.postNorm.w, c.Eps)
	t.gate, t.up = n.arena.F32(rows, c.Intermediate), n.arena.F32(rows, c.Intermediate)
	t.gateT = n.linear(l.gate, b, q.mix, t.gate)
	t.upT = n.linear(l.up, b, q.mix, t.up)
	h := in.wide.Rows(0, rows)
	n.dev.SwiGLU(h, t.gate, t.up)
	t.down = n.linear(l.down, h, q.mix, dst)
	n.dev.Add(dst, dst, t.mid)
	return t
}

// learn sets the keys and values of l, of all rows, on the normed input a.
func (n *Net) learn(l *textLayer, a tensor.Tensor, in *inputs, kv keys, t *layerTape) {
	c := &n.config.Text
	t.k0 = n.arena.F32(a.Shape[0], c.KVHeads*c.HeadDim)
	t.k = n.linear(l.k, a, in.every.mix, t.k0)
	t.v = n.linear(l.v, a, in.every.mix, kv.v.Reshape(t.k0.Shape))
	t.kr, t.vr = kv.k, kv.v
	t.kRstd = n.headNorm(t.kr, t.k0, l.kNorm.w)
	n.dev.RoPE(t.kr, in.cos, in.sin, 1)
	n.store(kv, in.order)
}

// attend sets t.y to the attention of l, at the rows of q, on the normed input
// a.
func (n *Net) attend(l *textLayer, a tensor.Tensor, q *queries, kv keys, t *layerTape) {
	c := &n.config.Text
	rows := q.count()
	t.q0 = n.arena.F32(rows, c.Heads*c.HeadDim)
	t.q = n.linear(l.q, n.pick(a, q), q.mix, t.q0)
	t.qr = n.arena.F32(rows, c.Heads, c.HeadDim)
	t.qRstd = n.headNorm(t.qr, t.q0, l.qNorm.w)
	n.dev.RoPE(t.qr, q.cos, q.sin, 1)
	t.y, t.lse = n.arena.Alloc(tensor.F32, t.qr.Shape), n.arena.F32(rows, c.Heads)
	n.dev.Attention(t.y, t.lse, t.qr, kv.allK, kv.allV, q.attention)
}

// headNorm sets dst [T, heads, D] to x [T, heads·D] with each head normed, and
// returns 1/rms [T·heads].
func (n *Net) headNorm(dst, x, w tensor.Tensor) tensor.Tensor {
	flat := headRows(dst)
	rstd := n.arena.F32(flat[0])
	n.dev.RMSNorm(dst.Reshape(flat), rstd, x.Reshape(flat), w, n.config.Text.Eps)
	return rstd
}

// headRows returns the shape [T·heads, D] of t [T, heads, D].
func headRows(t tensor.Tensor) tensor.Shape {
	return tensor.Shape{t.Shape[0] * t.Shape[1], t.Shape[2]}
}
