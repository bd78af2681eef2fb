package qwen3vl

import (
	"mole/device"
	"mole/tensor"
)

// mixture says what the rows of a pass are: the first many are of prompts, the
// others are decoded, and runs of them have one adapter.
//
// What a row gives must not depend on its neighbours, so what it is decides how it
// is multiplied: products of many rows have another order of sums than those of
// few.
type mixture struct {
	many   int
	groups []group // those with an adapter
}

// group is a run of rows, all of prompts or all decoded, with one adapter.
type group struct {
	lo, hi int
	net    *Net
}

// add appends rows lo to hi−1, which are of s.
func (m *mixture) add(s *step, lo, hi int) {
	if s.adapter == 0 {
		return
	}
	if k := len(m.groups) - 1; k >= 0 && m.groups[k].net == s.net && m.groups[k].hi == lo && lo != m.many {
		m.groups[k].hi = hi
		return
	}
	m.groups = append(m.groups, group{lo, hi, s.net})
}

// mix sets y to what l makes of x, whose rows are as m says.
func (n *Net) mix(l *linear, x, y tensor.Tensor, m *mixture) {
	mark := n.arena.Mark()
	defer n.arena.Release(mark)
	o := device.MatMul{TransB: true, Alpha: 1, Bias: l.bias}
	if m.many > 0 {
		n.dev.MatMul(y.Rows(0, m.many), x.Rows(0, m.many), l.w, o)
	}
	n.wholes, n.branches = n.wholes[:0], n.branches[:0]
	if rows := x.Shape[0]; m.many < rows {
		o.Stream = true
		n.wholes = append(n.wholes, device.Product{Dst: y.Rows(m.many, rows), A: x.Rows(m.many, rows), B: l.w, MatMul: o})
	}
	for _, g := range m.groups {
		if p := g.net.pairs[l.id]; p != nil {
			n.branch(p, x.Rows(g.lo, g.hi), y.Rows(g.lo, g.hi), g.lo >= m.many)
		}
	}
	n.dev.MatMuls(n.wholes)
	n.dev.MatMuls(n.branches)
}

// branch adds to y what p makes of x: at once or, of few rows, with the products
// that are listed.
func (n *Net) branch(p *pair, x, y tensor.Tensor, few bool) {
	u := n.arena.F32(x.Shape[0], p.a.Shape[0])
	first := device.Product{Dst: u, A: x, B: p.a, MatMul: device.MatMul{TransB: true, Alpha: p.scale, Stream: few}}
	second := device.Product{Dst: y, A: u, B: p.b, MatMul: device.MatMul{TransB: true, Alpha: 1, Beta: 1, Stream: few}}
	if few {
		n.wholes, n.branches = append(n.wholes, first), append(n.branches, second)
		return
	}
	n.dev.MatMul(u, x, p.a, first.MatMul)
	n.dev.MatMul(y, u, p.b, second.MatMul)
}
