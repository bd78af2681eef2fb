package cpu

import (
	"fmt"

	"mole/device"
	"mole/internal/kernel"
	"mole/tensor"
)

type crossEntropyTask struct {
	tier                  kernel.Tier
	loss, dlogits, logits []float32 // dlogits nil for none
	targets               []int32
	weights               []float32
	v                     int
}

func (t *crossEntropyTask) run(_ *worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		row, target := t.logits[i*t.v:(i+1)*t.v], int(t.targets[i])
		loss, lse := t.tier.CrossEntropy(row, target)
		t.loss[i] = loss
		if t.dlogits != nil {
			t.tier.CrossEntropyGrad(t.dlogits[i*t.v:(i+1)*t.v], row, target, lse, t.weights[i])
		}
	}
}

// CrossEntropy implements [device.Forward]. Weights may be the zero tensor if
// dlogits is. A target outside 0..V-1 is a bug of the caller and panics.
func (d *Device) CrossEntropy(loss, dlogits, logits, targets, weights tensor.Tensor) {
	n, v := logits.Shape[0], logits.Shape[1]
	factor := vec("weights", weights, n)
	if dlogits.IsZero() {
		factor = factor.optional()
	}
	d.check("cross entropy", vec("loss", loss, n).result(), mat("dlogits", dlogits, n, v).result().optional(),
		mat("logits", logits, n, v).shared(), vec("targets", targets, n).of(tensor.I32), factor)
	for i, t := range i32(targets) {
		if t < 0 || int(t) >= v {
			panic(fmt.Sprintf("cpu: cross entropy: targets[%d] is %d, logits are %v", i, t, logits))
		}
	}
	d.tasks.crossEntropy = crossEntropyTask{d.tier, f32(loss), f32(dlogits), f32(logits), i32(targets), f32(weights), v}
	d.pool.run(&d.tasks.crossEntropy, n, rowGrain(v))
	d.tasks.crossEntropy = crossEntropyTask{}
}

// sumBlock is the number of elements that are summed by themselves.
const sumBlock = 4096

type sumSquaresTask struct {
	tier kernel.Tier
	x    []float32
	sums []float64 // one per block
}

func (t *sumSquaresTask) run(_ *worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		t.sums[i] = t.tier.SumSquares(t.x[i*sumBlock : min((i+1)*sumBlock, len(t.x))])
	}
}

// SumSquares implements [device.Backward]. Blocks of fixed size are summed
// and then added in their order, in float64, so that the result does not depend on
// who summed which.
func (d *Device) SumSquares(sum, x tensor.Tensor) {
	d.check("sum of squares", vec("sum", sum, 1).result(), like("x", x, x))
	blocks := (x.Len() + sumBlock - 1) / sumBlock
	d.sums = grown(d.sums, blocks)
	d.tasks.sumSquares = sumSquaresTask{d.tier, f32(x), d.sums}
	d.pool.run(&d.tasks.sumSquares, blocks, 1)
	d.tasks.sumSquares = sumSquaresTask{}
	var s float64
	for _, v := range d.sums {
		s += v
	}
	f32(sum)[0] = float32(float64(f32(sum)[0]) + s)
}

type adamWTask struct {
	tier          kernel.Tier
	w, m, v, grad []float32
	step          kernel.AdamW
}

func (t *adamWTask) run(_ *worker, lo, hi int) {
	t.tier.AdamW(&t.step, t.w[lo:hi], t.m[lo:hi], t.v[lo:hi], t.grad[lo:hi])
}

// AdamW implements [device.Backward].
func (d *Device) AdamW(w, m, v, grad tensor.Tensor, o device.AdamW) {
	d.check("adamw", like("w", w, w).result(), like("m", m, w).result(), like("v", v, w).result(), like("grad", grad, w))
	if o.Step < 1 {
		panic(fmt.Sprintf("cpu: adamw: step %d, want 1 or more", o.Step))
	}
	d.tasks.adamW = adamWTask{d.tier, f32(w), f32(m), f32(v), f32(grad), kernel.AdamW(o)}
	d.pool.run(&d.tasks.adamW, w.Len(), grain)
	d.tasks.adamW = adamWTask{}
}
