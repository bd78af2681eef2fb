package parity

import (
	"math"

	"mole/batch"
	"mole/model/qwen3vl"
)

// smallGradient is the share of the whole gradient below which float32 cannot
// resolve one tensor of it: that much is the least that the error of a tensor
// is held against. Gradients that are zero in the reference must be zero.
const smallGradient = 1e-4

// gradientScale is what the error of one tensor of a gradient is held
// against, given its norm and that of the whole gradient.
func gradientScale(one, whole float64) float64 {
	if one == 0 {
		return 0
	}
	return max(one, smallGradient*whole)
}

// losses runs b forward and returns the loss of each label and their sum by
// weight.
func (r *run) losses(net *qwen3vl.Net, b *batch.Batch) (each []float32, sum float64) {
	if r.failed() {
		return nil, 0
	}
	each, err := net.Forward(b)
	r.fail(err)
	for i, x := range each {
		sum += float64(x) * float64(b.Labels[i].Weight)
	}
	return each, sum
}

// backward runs b forward and backward and returns what losses does. The
// gradients are added to those of the parameters.
func (r *run) backward(net *qwen3vl.Net, b *batch.Batch) (each []float32, sum float64) {
	net.Params() // from now on the network keeps gradients
	each, sum = r.losses(net, b)
	if !r.failed() {
		r.fail(net.Backward())
	}
	return each, sum
}

// checkGradients compares the gradients of net with the tensors that the case
// holds under prefix, which must be those and, as no other is read, no more.
func (r *run) checkGradients(net *qwen3vl.Net, quantity, prefix string) {
	if r.failed() {
		return
	}
	type pair struct {
		name string
		norm float64 // of what is wanted
		off  float64 // norm of the difference
	}
	var pairs []pair
	var whole squares
	for _, p := range net.Params() {
		want := r.floats(prefix+p.Name, extents(p.Weight.Shape)...)
		got := r.read(p.Grad)
		if r.failed() {
			return
		}
		var one squares
		for i, x := range got {
			one.add(float64(x), want[i])
		}
		whole.off += one.off
		whole.want += one.want
		pairs = append(pairs, pair{p.Name, math.Sqrt(one.want), math.Sqrt(one.off)})
	}
	for _, p := range pairs {
		r.add(quantity, r.limits.gradient, p.name, ratio(p.off, gradientScale(p.norm, math.Sqrt(whole.want))))
	}
	r.add(quantity+".whole", r.limits.gradients, "all tensors together", whole.relative())
}
