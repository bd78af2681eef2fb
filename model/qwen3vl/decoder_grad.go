package qwen3vl

import "mole/tensor"

// decoderBackward turns dx [R, C], the gradient of the last layer's output,
// into that of each layer below, as far down as adapters are, and leaves the
// gradients of the visual features in p.vision.
func (n *Net) decoderBackward(p *pass, dx tensor.Tensor) {
	visual := p.vision != nil && n.towerAdapted() && !p.in.visual.IsZero()
	q := &p.in.last
	for i := len(n.layers) - 1; i >= max(n.low.text, 0); i-- {
		if visual && i < len(p.vision.deep) {
			p.vision.dDeep[i] = n.visualGrad(p, dx)
		}
		var dst tensor.Tensor // none where nobody needs it
		if i > n.low.text {
			dst = dx
			if !q.rows.IsZero() {
				dst = n.arena.Alloc(tensor.F32, p.text[i].x.Shape)
			}
		}
		mark := n.arena.Mark()
		n.layerBackward(&n.layers[i], &p.text[i], dst, dx, p.in, q)
		n.arena.Release(mark)
		dx, q = dst, &p.in.every
	}
	if visual {
		p.vision.dFeats = n.visualGrad(p, dx)
	}
}

// layerBackward sets dst [T, C], unless it is none, to the gradient of the
// input of l, given that of its output, dx [R, C], which it changes. dst is dx
// where q stands for all rows.
func (n *Net) layerBackward(l *textLayer, t *layerTape, dst, dx tensor.Tensor, in *inputs, q *queries) {
	eps := n.config.Text.Eps
	dGate, dUp := n.arena.Alloc(tensor.F32, t.gate.Shape), n.arena.Alloc(tensor.F32, t.gate.Shape)
	n.dev.SwiGLU(t.down.x, t.gate, t.up)
	n.linearGrad(l.down, t.down, dGate, 0, dx)
	n.dev.SwiGLUGrad(dGate, dUp, dGate, t.gate, t.up)
	dNorm := n.arena.Alloc(tensor.F32, dx.Shape)
	n.dev.RMSNorm(t.gateT.x, t.rstd2, t.mid, l.postNorm.w, eps)
	n.linearGrad(l.gate, t.gateT, dNorm, 0, dGate)
	n.linearGrad(l.up, t.upT, dNorm, 1, dUp)
	n.dev.RMSNormGrad(dx, dNorm, t.mid, l.postNorm.w, t.rstd2, 1)

	dq, dk, dv := n.attendGrad(l, t, dx, in, q)
	n.dev.RMSNorm(t.k.x, t.rstd1, t.x, l.inputNorm.w, eps)
	if dst.IsZero() {
		n.linearGrad(l.q, t.q, dst, 0, dq)
		n.linearGrad(l.k, t.k, dst, 0, dk)
		n.linearGrad(l.v, t.v, dst, 0, dv)
		return
	}
	n.linearGrad(l.q, t.q, dNorm, 0, dq)
	if q.rows.IsZero() {
		n.linearGrad(l.k, t.k, dNorm, 1, dk)
		n.linearGrad(l.v, t.v, dNorm, 1, dv)
		n.dev.RMSNormGrad(dx, dNorm, t.x, l.inputNorm.w, t.rstd1, 1)
		return
	}
	dAll := n.arena.Alloc(tensor.F32, dst.Shape)
	n.linearGrad(l.k, t.k, dAll, 0, dk)
	n.linearGrad(l.v, t.v, dAll, 1, dv)
	n.dev.AddRows(dAll, dNorm, q.rows)
	n.dev.RMSNormGrad(dst, dAll, t.x, l.inputNorm.w, t.rstd1, 0)
	n.dev.AddRows(dst, dx, q.rows)
}

// attendGrad returns the gradients, [R, H·D] and [T, K·D], of what the q, k and
// v layers gave, from that of the layer's middle, dx [R, C] (specification qwen3-vl, 10.4:
// attention, inverse rotation, norm).
func (n *Net) attendGrad(l *textLayer, t *layerTape, dx tensor.Tensor, in *inputs, q *queries) (dq, dk, dv tensor.Tensor) {
	dy := n.arena.Alloc(tensor.F32, t.q0.Shape)
	n.linearGrad(l.o, t.o, dy, 0, dx)
	dq, dk, dv = n.arena.Alloc(tensor.F32, t.qr.Shape), n.arena.Alloc(tensor.F32, t.kr.Shape), n.arena.Alloc(tensor.F32, t.vr.Shape)
	n.dev.AttentionGrad(dq, dk, dv, dy.Reshape(t.y.Shape), t.y, t.lse, t.qr, t.kr, t.vr, q.attention)
	n.dev.RoPE(dq, q.cos, q.sin, -1)
	n.dev.RoPE(dk, in.cos, in.sin, -1)
	n.headNormGrad(dq, t.q0, l.qNorm.w, t.qRstd)
	n.headNormGrad(dk, t.k0, l.kNorm.w, t.kRstd)
	return dq.Reshape(t.q0.Shape), dk.Reshape(t.k0.Shape), dv.Reshape(t.k0.Shape)
}

// headNormGrad turns d [T, heads, D] in place through the norm of each head.
func (n *Net) headNormGrad(d, x, w, rstd tensor.Tensor) {
	flat := headRows(d)
	d = d.Reshape(flat)
	n.dev.RMSNormGrad(d, d, x.Reshape(flat), w, rstd, 0)
}
