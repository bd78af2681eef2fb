package qwen3vl

import (
	"mole/device"
	"mole/tensor"
)

// linearTape is what the gradient of an adapted linear layer needs: its input
// x [T, in], and u = scale·x·Aᵀ [T, rank] where there is an adapter.
type linearTape struct{ x, u tensor.Tensor }

// linear sets ys, which together have the layer's output channels side by
// side, to x·Wᵀ + bias + scale·(x·Aᵀ)·Bᵀ (specification qwen3-vl, 9.1). Several
// destinations serve the fused q, k, v of the tower. m says which rows have which
// adapter, nil that all have that of n.
func (n *Net) linear(l *linear, x tensor.Tensor, m *mixture, ys ...tensor.Tensor) linearTape {
	t := linearTape{x: x}
	if m != nil {
		n.mix(l, x, ys[0], m)
		return t
	}
	p := n.pairs[l.id]
	if p != nil {
		t.u = n.arena.F32(x.Shape[0], p.a.Shape[0])
		n.dev.MatMul(t.u, x, p.a, device.MatMul{TransB: true, Alpha: p.scale})
	}
	lo := 0
	for _, y := range ys {
		hi := lo + y.Shape[1]
		o := device.MatMul{TransB: true, Alpha: 1}
		if !l.bias.IsZero() {
			o.Bias = l.bias.Rows(lo, hi)
		}
		if p != nil {
			o.A2, o.B2 = t.u, p.b.Rows(lo, hi)
		}
		n.dev.MatMul(y, x, l.w.Rows(lo, hi), o)
		lo = hi
	}
	return t
}

// linearGrad sets dx to beta·dx + the gradient of the layer's input, given
// those of its outputs, and adds to the gradients of its adapter
// (specification qwen3-vl, 10.1). dx is none where nobody needs it.
func (n *Net) linearGrad(l *linear, t linearTape, dx tensor.Tensor, beta float32, gs ...tensor.Tensor) {
	m := n.arena.Mark()
	defer n.arena.Release(m)
	o := device.MatMul{Alpha: 1, Beta: beta}
	if p := n.pairs[l.id]; p != nil {
		o.A2, o.B2 = n.pairGrad(p, t, gs), p.a
	}
	if dx.IsZero() {
		return
	}
	lo := 0
	for _, g := range gs {
		hi := lo + g.Shape[1]
		n.dev.MatMul(dx, g, l.w.Rows(lo, hi), o)
		o, lo = device.MatMul{Alpha: 1, Beta: 1}, hi
	}
}

// pairGrad adds to the gradients of an adapter and returns du, the gradient of
// x·Aᵀ: du·A is what passes through the adapter to the layer's input.
func (n *Net) pairGrad(p *pair, t linearTape, gs []tensor.Tensor) (du tensor.Tensor) {
	du = n.arena.Alloc(tensor.F32, t.u.Shape)
	o := device.MatMul{Alpha: p.scale}
	lo := 0
	for _, g := range gs {
		hi := lo + g.Shape[1]
		n.dev.MatMul(du, g, p.b.Rows(lo, hi), o)
		n.dev.MatMul(p.db.Rows(lo, hi), g, t.u, device.MatMul{TransA: true, Alpha: 1, Beta: 1})
		o.Beta, lo = 1, hi
	}
	n.dev.MatMul(p.da, du, t.x, device.MatMul{TransA: true, Alpha: 1, Beta: 1})
	return du
}
