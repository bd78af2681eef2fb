package qwen3vl

import (
	"fmt"

	"mole/tensor"
)

// Linear runs one layer that carries an adapter alone, forward and backward, as
// a training step does, for measurements. It sets y [T, out] from x [T, in], and
// dx from dy, of the same shapes, and adds to the gradients of Params.
func (n *Net) Linear(site string, x, y, dy, dx tensor.Tensor) error {
	n.Params() // makes room for the gradients
	for _, l := range n.textLinears() {
		if n.sites[l.id].Name != site {
			continue
		}
		mark := n.arena.Mark()
		t := n.linear(l, x, nil, y)
		n.linearGrad(l, t, dx, 0, dy)
		n.arena.Release(mark)
		return n.dev.Sync()
	}
	return fmt.Errorf("no linear layer %q in the text model", site)
}

// textLinears returns the linear layers of the text model.
func (n *Net) textLinears() []*linear {
	var all []*linear
	for _, l := range n.layers {
		all = append(all, l.q, l.k, l.v, l.o, l.gate, l.up, l.down)
	}
	return all
}
