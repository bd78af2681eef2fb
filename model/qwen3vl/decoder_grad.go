package qwen3vl

import "mole/tensor"

// decoderBackward turns dx [T, C], the gradient of the last layer's output,
// into that of each layer below, as far down as adapters are, and leaves the
// gradients of the visual features in p.vision.
func (n *Net) decoderBackward(p *pass, dx tensor.Tensor) {
	visual := p.vision != nil && n.towerAdapted() && !p.in.visual.IsZero()
	for i := len(n.layers) - 1; i >= max(n.low.text, 0); i-- {
		if visual && i < len(p.vision.deep) {
			p.vision.dDeep[i] = n.visualGrad(p, dx)
		}
		mark := n.arena.Mark()
		n.layerBackward(&n.layers[i], &p.text[i], dx, p.in, i > n.low.text)
		n.arena.Release(mark)
	}
	if visual {
		p.vision.dFeats = n.visualGrad(p, dx)
	}
}

// layerBackward turns dx, in place, from the gradient of the output of l to
// that of its input; the latter only if below says that somebody needs it.
func (n *Net) layerBackward(l *textLayer, t *layerTape, dx tensor.Tensor, in *inputs, below bool) {
	dGate, dUp := n.arena.Alloc(tensor.F32, t.gate.Shape), n.arena.Alloc(tensor.F32, t.gate.Shape)
	n.linearGrad(l.down, t.down, dGate, 0, dx)
	n.dev.SwiGLUGrad(dGate, dUp, dGate, t.gate, t.up)
	dNorm := n.arena.Alloc(tensor.F32, dx.Shape)
	n.linearGrad(l.gate, t.gateT, dNorm, 0, dGate)
	n.linearGrad(l.up, t.upT, dNorm, 1, dUp)
	n.dev.RMSNormGrad(dx, dNorm, t.mid, l.postNorm.w, t.rstd2, 1)

	dq, dk, dv := n.attendGrad(l, t, dx, in)
	if !below {
		dNorm = tensor.Tensor{}
	}
	n.linearGrad(l.q, t.q, dNorm, 0, dq)
	n.linearGrad(l.k, t.k, dNorm, 1, dk)
	n.linearGrad(l.v, t.v, dNorm, 1, dv)
	if below {
		n.dev.RMSNormGrad(dx, dNorm, t.x, l.inputNorm.w, t.rstd1, 1)
	}
}

// attendGrad returns the gradients [T, heads·D] of what the q, k and v layers
// gave, from that of the layer's middle, dx (specification qwen3-vl, 10.4:
// attention, inverse rotation, norm).
func (n *Net) attendGrad(l *textLayer, t *layerTape, dx tensor.Tensor, in *inputs) (dq, dk, dv tensor.Tensor) {
	dy := n.arena.Alloc(tensor.F32, t.q0.Shape)
	n.linearGrad(l.o, t.o, dy, 0, dx)
	dq, dk, dv = n.arena.Alloc(tensor.F32, t.qr.Shape), n.arena.Alloc(tensor.F32, t.kr.Shape), n.arena.Alloc(tensor.F32, t.vr.Shape)
	n.dev.AttentionGrad(dq, dk, dv, dy.Reshape(t.y.Shape), t.y, t.lse, t.qr, t.kr, t.vr, in.attention)
	n.dev.RoPE(dq, in.cos, in.sin, -1)
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
