package devicetest

import (
	"math"

	"mole/tensor"
)

func checkCrossEntropy(x *trial) {
	list := [][2]int{{1, 1}, {2, 3}, {5, 16}, {3, 65}, {1, 333}, {40, 110}}
	for i, s := range sizes(x, list, [2]int{100, 110}) {
		for form := range 3 {
			x.try("T=%d V=%d form %d", s[0], s[1], form)
			x.crossEntropy(s[0], s[1], form, []float64{1, 10, 40}[i%3])
		}
	}
}

// crossEntropy tries one call, with logits of that size: form 0 writes the loss
// alone, form 1 the gradient too, form 2 the gradient over the logits.
func (x *trial) crossEntropy(t, v, form int, size float64) {
	values := x.draw(t * v)
	targets := make([]int32, t)
	for i := range values {
		values[i] = size*values[i] + 2*size
	}
	for i := range targets {
		targets[i] = int32(x.rng.IntN(v))
	}
	logits := x.source("logits", values, t, v)
	loss, index, weights := x.empty("loss", t), x.ints("targets", targets, t), x.normal("weights", t)
	var grad *array
	var dlogits, factor tensor.Tensor
	switch form {
	case 1:
		grad = x.empty("dlogits", t, v)
		dlogits, factor = grad.Tensor, weights.Tensor
	case 2:
		grad, logits.changes = logits, true
		dlogits, factor = grad.Tensor, weights.Tensor
	}
	x.dev.CrossEntropy(loss.Tensor, dlogits, logits.Tensor, index.Tensor, factor)
	x.expect(loss, func() (list []bound) {
		for i, target := range targets {
			row := logits.values[i*v : (i+1)*v]
			list = append(list, bound{crossEntropy(row, int(target)), lossError(row, int(target))})
		}
		return list
	})
	if form > 0 {
		x.expect(grad, func() []bound { return crossEntropyGrad(logits.values, targets, weights.values) })
	}
}

// crossEntropy returns the loss of one row, as ln Σ exp(x − x[target]).
func crossEntropy(x []float64, target int) float64 {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	return math.Log(sum) + top - x[target]
}

// lossError returns the tolerance of a loss: the error of the sum, and the
// rounding of numbers as large as the logits.
func lossError(x []float64, target int) float64 {
	return slack(len(x), 1) + slack(0, largest(x)+math.Abs(x[target]))
}

// largest returns the largest absolute value.
func largest(x []float64) (top float64) {
	for _, v := range x {
		top = max(top, math.Abs(v))
	}
	return top
}

// crossEntropyGrad returns the gradient by differences. A probability has the
// error of its exponent, which is that of a loss.
func crossEntropyGrad(x []float64, targets []int32, weights []float64) (list []bound) {
	v := len(x) / len(targets)
	for i, target := range targets {
		row := x[i*v : (i+1)*v]
		for j := range row {
			grad := weights[i] * partial(row, j, 1, func() float64 { return crossEntropy(row, int(target)) })
			p, mag := math.Exp(-crossEntropy(row, j)), 0.0
			if j == int(target) {
				mag = 1
			}
			tol := math.Abs(weights[i]) * (p*lossError(row, j) + slack(0, p+mag))
			tol += 0x1p-40 * math.Abs(weights[i]) * largest(row) // of the differences
			list = append(list, bound{grad, tol})
		}
	}
	return list
}
