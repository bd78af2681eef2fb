package qwen3vl

import (
	"mole/device"
	"mole/tensor"
)

// linearTape is what the gradient of an adapted linear layer needs: its input
// x [T, in], and u = x·Aᵀ [T, rank] where there is an adapter.
type linearTape struct{ x, u tensor.Tensor }

// linear sets ys, which together have the layer's output channels side by
// side, to x·Wᵀ + bias + scale·(x·Aᵀ)·Bᵀ (specification qwen3-vl, 9.1). Several
// destinations serve the fused q, k, v of the tower.
func (n *Net) linear(l *linear, x tensor.Tensor, ys ...tensor.Tensor) linearTape {
	t := linearTape{x: x}
	p := n.pairs[l.id]
	if p != nil {
		t.u = n.arena.F32(x.Shape[0], p.a.Shape[0])
		n.dev.MatMul(t.u, x, p.a, device.MatMul{TransB: true, Alpha: 1})
	}
	lo := 0
	for _, y := range ys {
		hi := lo + y.Shape[1]
		o := device.MatMul{TransB: true, Alpha: 1}
		if !l.bias.IsZero() {
			o.Bias = l.bias.Rows(lo, hi)
		}
		n.dev.MatMul(y, x, l.w.Rows(lo, hi), o)
		if p != nil {
			n.dev.MatMul(y, t.u, p.b.Rows(lo, hi), device.MatMul{TransB: true, Alpha: p.scale, Beta: 1})
		}
		lo = hi
	}
	return t
}

// linearGrad sets dx to beta·dx + the gradient of the layer's input, given
// those of its outputs, and adds to the gradients of its adapter
// (specification qwen3-vl, 10.1). dx is none where nobody needs it.
func (n *Net) linearGrad(l *linear, t linearTape, dx tensor.Tensor, beta float32, gs ...tensor.Tensor) {
	if !dx.IsZero() {
		lo := 0
		for i, g := range gs {
			hi := lo + g.Shape[1]
			o := device.MatMul{Alpha: 1, Beta: 1}
			if i == 0 {
				o.Beta = beta
			}
			n.dev.MatMul(dx, g, l.w.Rows(lo, hi), o)
			lo = hi
		}
	}
	if p := n.pairs[l.id]; p != nil {
		n.pairGrad(p, t, dx, gs)
	}
}

// pairGrad is the part of linearGrad that passes through the adapter.
func (n *Net) pairGrad(p *pair, t linearTape, dx tensor.Tensor, gs []tensor.Tensor) {
	m := n.arena.Mark()
	defer n.arena.Release(m)
	du := n.arena.Alloc(tensor.F32, t.u.Shape)
	lo := 0
	for i, g := range gs {
		hi := lo + g.Shape[1]
		o := device.MatMul{Alpha: p.scale, Beta: 1}
		if i == 0 {
			o.Beta = 0
		}
		n.dev.MatMul(du, g, p.b.Rows(lo, hi), o)
		n.dev.MatMul(p.db.Rows(lo, hi), g, t.u, device.MatMul{TransA: true, Alpha: p.scale, Beta: 1})
		lo = hi
	}
	n.dev.MatMul(p.da, du, t.x, device.MatMul{TransA: true, Alpha: 1, Beta: 1})
	if !dx.IsZero() {
		n.dev.MatMul(dx, du, p.a, device.MatMul{Alpha: 1, Beta: 1})
	}
}
