package qwen3vl

import (
	"mole/device"
	"mole/tensor"
)

// towerBackward carries the gradients of the features down to the lowest
// adapted layer of the tower.
func (n *Net) towerBackward(t *tower) {
	last := len(n.blocks) - 1
	dx := n.arena.Alloc(tensor.F32, t.blocks[last].x.Shape)
	n.dev.Fill(dx, 0)
	if !t.dFeats.IsZero() {
		n.mergerBackward(&n.merger, &t.merger, t.dFeats, dx)
	}
	k := len(n.deep) - 1
	for i := last; i >= 0; i-- {
		if k >= 0 && n.deep[k].after == i {
			if !t.dDeep[k].IsZero() {
				n.mergerBackward(&n.deep[k], &t.deepTapes[k], t.dDeep[k], dx)
			}
			k--
		}
		if i >= n.low.tower {
			mark := n.arena.Mark()
			n.blockBackward(&n.blocks[i], &t.blocks[i], dx, t, i > n.low.tower)
			n.arena.Release(mark)
		}
	}
	if n.low.tower < 0 {
		n.linearGrad(n.patch, t.pixels, tensor.Tensor{}, 0, dx)
	}
}

// mergerBackward adds to dx [P, E] the gradient that arrives through m, from
// that of its result, g [N, C].
func (n *Net) mergerBackward(m *merger, t *mergerTape, g, dx tensor.Tensor) {
	mark := n.arena.Mark()
	defer n.arena.Release(mark)
	d := n.arena.Alloc(tensor.F32, t.up.Shape)
	n.linearGrad(m.fc2, t.fc2, d, 0, g)
	n.dev.GELUGrad(d, d, t.up, device.GELUErf)
	if m.after < n.low.tower { // nothing below is adapted
		n.linearGrad(m.fc1, t.fc1, tensor.Tensor{}, 0, d)
		return
	}
	joined := n.arena.Alloc(tensor.F32, t.up.Shape)
	n.linearGrad(m.fc1, t.fc1, joined, 0, d)
	shape := t.x.Shape
	n.dev.LayerNormGrad(dx.Reshape(shape), joined.Reshape(shape), t.x, m.norm.w, t.mean, t.rstd, 1)
}

// blockBackward turns dx [P, E], in place, from the gradient of the output of
// b to that of its input; the latter only if below says that somebody needs
// it.
func (n *Net) blockBackward(b *block, p *blockTape, dx tensor.Tensor, t *tower, below bool) {
	dUp := n.arena.Alloc(tensor.F32, p.up.Shape)
	n.dev.GELU(p.fc2.x, p.up, device.GELUTanh)
	n.linearGrad(b.fc2, p.fc2, dUp, 0, dx)
	n.dev.GELUGrad(dUp, dUp, p.up, device.GELUTanh)
	dNorm := n.arena.Alloc(tensor.F32, dx.Shape)
	n.dev.LayerNorm(p.fc1.x, p.mean2, p.rstd2, p.mid, b.norm2.w, b.norm2.bias, towerEps)
	n.linearGrad(b.fc1, p.fc1, dNorm, 0, dUp)
	n.dev.LayerNormGrad(dx, dNorm, p.mid, b.norm2.w, p.mean2, p.rstd2, 1)

	dy := n.arena.Alloc(tensor.F32, dx.Shape)
	n.linearGrad(b.proj, p.proj, dy, 0, dx)
	heads := p.q.Shape
	dq, dk, dv := n.arena.Alloc(tensor.F32, heads), n.arena.Alloc(tensor.F32, heads), n.arena.Alloc(tensor.F32, heads)
	n.dev.AttentionGrad(dq, dk, dv, dy.Reshape(heads), p.y, p.lse, p.q, p.k, p.v, t.attention)
	n.dev.RoPE(dq, t.cos, t.sin, -1)
	n.dev.RoPE(dk, t.cos, t.sin, -1)
	if !below {
		dNorm = tensor.Tensor{}
	}
	n.dev.LayerNorm(p.qkv.x, p.mean1, p.rstd1, p.x, b.norm1.w, b.norm1.bias, towerEps)
	n.linearGrad(b.qkv, p.qkv, dNorm, 0, dq.Reshape(dx.Shape), dk.Reshape(dx.Shape), dv.Reshape(dx.Shape))
	if below {
		n.dev.LayerNormGrad(dx, dNorm, p.x, b.norm1.w, p.mean1, p.rstd1, 1)
	}
}
