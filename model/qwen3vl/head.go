package qwen3vl

import (
	"mole/batch"
	"mole/tensor"
)

// headTape is what the gradient of the output head needs. R is the number of
// rows that logits are wanted for.
type headTape struct {
	rows    tensor.Tensor // [R] I32
	x, rstd tensor.Tensor // gathered rows [R, C] and their 1/rms
	normed  linearTape    // x is what the vocabulary product reads [R, C]
	logits  tensor.Tensor // [R, V]; the gradient of the loss after lossForward
	loss    tensor.Tensor // [R]
}

// headForward computes the logits of some rows of x [any, C] only: the
// vocabulary product is the most expensive of all. m is as for linear.
func (n *Net) headForward(x tensor.Tensor, rows []int32, m *mixture) headTape {
	c := n.config.Text
	r := len(rows)
	h := headTape{rows: n.ints(rows), x: n.arena.F32(r, c.Hidden), rstd: n.arena.F32(r)}
	y := n.arena.F32(r, c.Hidden)
	n.dev.Gather(h.x, x, h.rows, tensor.Tensor{})
	n.dev.RMSNorm(y, h.rstd, h.x, n.norm.w, c.Eps)
	n.trace("text.norm", y)
	h.logits = n.arena.F32(r, c.Vocab)
	h.normed = n.linear(n.head, y, m, h.logits)
	return h
}

// lossForward sets p.labels to the losses of the labels and their gradient.
func (n *Net) lossForward(p *pass, labels []batch.Label) {
	rows, targets := make([]int32, len(labels)), make([]int32, len(labels))
	weights := make([]float32, len(labels))
	for i, l := range labels {
		rows[i], targets[i], weights[i] = l.Row, l.Target, l.Weight
	}
	h := n.headForward(p.out, p.at(rows), nil)
	h.loss = n.arena.F32(len(labels))
	n.dev.CrossEntropy(h.loss, h.logits, h.logits, n.ints(targets), n.floats(weights, len(weights)))
	p.labels = h
}

// lossBackward returns the gradient [R, C] of the last layer's output.
func (n *Net) lossBackward(p *pass) tensor.Tensor {
	h := &p.labels
	dx := n.arena.Alloc(tensor.F32, p.out.Shape)
	mark := n.arena.Mark()
	dy := n.arena.Alloc(tensor.F32, h.x.Shape)
	n.linearGrad(n.head, h.normed, dy, 0, h.logits)
	n.dev.RMSNormGrad(dy, dy, h.x, n.norm.w, h.rstd, 0)
	n.dev.Fill(dx, 0)
	n.dev.AddRows(dx, dy, h.rows)
	n.arena.Release(mark)
	return dx
}
