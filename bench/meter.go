package bench

import (
	"time"

	"mole/device"
	"mole/tensor"
)

// operation is what a meter keeps of one kind of operation.
type operation struct {
	time  time.Duration
	flops float64
}

// The operations that a step is made of. Products are told apart by the second
// operand: a frozen matrix is in bfloat16, that of an adapter is not.
const (
	opProduct = iota
	opAdapter
	opAttention
	opAttentionGrad
	opGather
	opAdd
	opNorm
	opNormGrad
	opRoPE
	opActivation
	opActivationGrad
	opLoss
	opOptimizer
	opCopy
	opCount
)

var opNames = [opCount]string{
	"matrix products", "adapter products", "attention", "attention gradient", "gather and scatter", "add and fill", "norms", "norm gradients",
	"rotation", "activations", "activation gradients", "loss", "optimizer", "copies to and from the device",
}

// heavy reports whether an operation is a product or attention, which other
// operations are held against.
func heavy(op int) bool { return op <= opAttentionGrad }

// meter is a device that times each operation of another one. Only what a
// network and its training call is timed.
type meter struct {
	device.Accelerator
	ops    [opCount]operation
	paired float64 // of the arithmetic of opProduct, that of second pairs, in float32

	// pause, if not nil, is called between operations, about every pauseEvery.
	pause   func()
	paused  time.Duration // inside it
	resumed time.Time     // when it returned
}

// pauseEvery is how long operations run before a pause.
const pauseEvery = 400 * time.Millisecond

// newMeter returns a meter at zero.
func newMeter(d device.Accelerator) *meter { return &meter{Accelerator: d} }

// reset sets everything to zero.
func (m *meter) reset() {
	m.ops, m.paired, m.paused, m.resumed = [opCount]operation{}, 0, 0, time.Now()
}

// arithmetic returns the operations of products and attention so far.
func (m *meter) arithmetic() arithmetic {
	a := arithmetic{frozen: m.ops[opProduct].flops - m.paired}
	for _, o := range m.ops {
		a.other += o.flops
	}
	a.other -= a.frozen
	return a
}

// timed runs an operation to its end and notes it.
func (m *meter) timed(op int, flops float64, run func()) {
	start := time.Now()
	run()
	_ = m.Sync() // a failure stays, and the network's own Sync reports it
	m.ops[op].time += time.Since(start)
	m.ops[op].flops += flops
	if m.pause != nil && time.Since(m.resumed) >= pauseEvery {
		start := time.Now()
		m.pause()
		m.resumed = time.Now()
		m.paused += m.resumed.Sub(start)
	}
}

// Write implements [device.Device].
func (m *meter) Write(dst tensor.Tensor, src []byte) {
	m.timed(opCopy, 0, func() { m.Accelerator.Write(dst, src) })
}

// Read implements [device.Device].
func (m *meter) Read(dst []byte, src tensor.Tensor) {
	m.timed(opCopy, 0, func() { m.Accelerator.Read(dst, src) })
}

// Gather implements [device.Forward].
func (m *meter) Gather(dst, src, rows, weights tensor.Tensor) {
	m.timed(opGather, 0, func() { m.Accelerator.Gather(dst, src, rows, weights) })
}

// AddRows implements [device.Forward].
func (m *meter) AddRows(dst, src, rows tensor.Tensor) {
	m.timed(opGather, 0, func() { m.Accelerator.AddRows(dst, src, rows) })
}

// MatMul implements [device.Forward].
func (m *meter) MatMul(dst, a, b tensor.Tensor, o device.MatMul) {
	op := opAdapter
	if b.DType == tensor.BF16 {
		op = opProduct
	}
	inner := a.Shape[1]
	if o.TransA {
		inner = a.Shape[0]
	}
	second := 0
	if !o.A2.IsZero() {
		second = o.A2.Shape[1]
	}
	if op == opProduct {
		m.paired += 2 * float64(dst.Len()) * float64(second)
	}
	m.timed(op, 2*float64(dst.Len())*float64(inner+second), func() { m.Accelerator.MatMul(dst, a, b, o) })
}

// MatMuls implements [device.Forward].
func (m *meter) MatMuls(list []device.Product) {
	for i := range list {
		p := &list[i]
		m.MatMul(p.Dst, p.A, p.B, p.MatMul)
	}
}

// Add implements [device.Forward].
func (m *meter) Add(dst, a, b tensor.Tensor) {
	m.timed(opAdd, 0, func() { m.Accelerator.Add(dst, a, b) })
}

// Fill implements [device.Forward].
func (m *meter) Fill(dst tensor.Tensor, v float32) {
	m.timed(opAdd, 0, func() { m.Accelerator.Fill(dst, v) })
}

// RMSNorm implements [device.Forward].
func (m *meter) RMSNorm(dst, rstd, x, w tensor.Tensor, eps float32) {
	m.timed(opNorm, 0, func() { m.Accelerator.RMSNorm(dst, rstd, x, w, eps) })
}

// LayerNorm implements [device.Forward].
func (m *meter) LayerNorm(dst, mean, rstd, x, w, bias tensor.Tensor, eps float32) {
	m.timed(opNorm, 0, func() { m.Accelerator.LayerNorm(dst, mean, rstd, x, w, bias, eps) })
}

// RoPE implements [device.Forward].
func (m *meter) RoPE(x, cos, sin tensor.Tensor, sign float32) {
	m.timed(opRoPE, 0, func() { m.Accelerator.RoPE(x, cos, sin, sign) })
}

// Attention implements [device.Forward].
func (m *meter) Attention(dst, lse, q, k, v tensor.Tensor, o device.Attention) {
	m.timed(opAttention, forwardProducts*pairFlops(q, o), func() { m.Accelerator.Attention(dst, lse, q, k, v, o) })
}

// SwiGLU implements [device.Forward].
func (m *meter) SwiGLU(dst, gate, up tensor.Tensor) {
	m.timed(opActivation, 0, func() { m.Accelerator.SwiGLU(dst, gate, up) })
}

// GELU implements [device.Forward].
func (m *meter) GELU(dst, x tensor.Tensor, form device.GELUForm) {
	m.timed(opActivation, 0, func() { m.Accelerator.GELU(dst, x, form) })
}

// CrossEntropy implements [device.Forward].
func (m *meter) CrossEntropy(loss, dlogits, logits, targets, weights tensor.Tensor) {
	m.timed(opLoss, 0, func() { m.Accelerator.CrossEntropy(loss, dlogits, logits, targets, weights) })
}

// RMSNormGrad implements [device.Backward].
func (m *meter) RMSNormGrad(dx, dy, x, w, rstd tensor.Tensor, beta float32) {
	m.timed(opNormGrad, 0, func() { m.Accelerator.RMSNormGrad(dx, dy, x, w, rstd, beta) })
}

// LayerNormGrad implements [device.Backward].
func (m *meter) LayerNormGrad(dx, dy, x, w, mean, rstd tensor.Tensor, beta float32) {
	m.timed(opNormGrad, 0, func() { m.Accelerator.LayerNormGrad(dx, dy, x, w, mean, rstd, beta) })
}

// AttentionGrad implements [device.Backward].
func (m *meter) AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v tensor.Tensor, o device.Attention) {
	m.timed(opAttentionGrad, backwardProducts*pairFlops(q, o), func() { m.Accelerator.AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v, o) })
}

// SwiGLUGrad implements [device.Backward].
func (m *meter) SwiGLUGrad(dgate, dup, dy, gate, up tensor.Tensor) {
	m.timed(opActivationGrad, 0, func() { m.Accelerator.SwiGLUGrad(dgate, dup, dy, gate, up) })
}

// GELUGrad implements [device.Backward].
func (m *meter) GELUGrad(dx, dy, x tensor.Tensor, form device.GELUForm) {
	m.timed(opActivationGrad, 0, func() { m.Accelerator.GELUGrad(dx, dy, x, form) })
}

// SumSquares implements [device.Backward].
func (m *meter) SumSquares(sum, x tensor.Tensor) {
	m.timed(opOptimizer, 0, func() { m.Accelerator.SumSquares(sum, x) })
}

// AdamW implements [device.Backward].
func (m *meter) AdamW(w, mean, v, grad tensor.Tensor, o device.AdamW) {
	m.timed(opOptimizer, 0, func() { m.Accelerator.AdamW(w, mean, v, grad, o) })
}

// Products of the width of a head that a pair of a query and a key takes on the
// way forward, and back, where scores are computed again.
const (
	forwardProducts  = 2
	backwardProducts = 5
)

// pairFlops returns the operations of one product of the width of a head for all
// pairs of a query of one head and a key that it sees.
func pairFlops(q tensor.Tensor, o device.Attention) float64 {
	pairs := 0.0
	for _, s := range o.Segments {
		n := float64(s.End - s.Start)
		own := n * n
		if s.Causal {
			own = n * (n + 1) / 2
		}
		pairs += own
		for _, p := range s.Past {
			pairs += n * float64(p.End-p.Start)
		}
	}
	return 2 * pairs * float64(q.Shape[1]*q.Shape[2])
}
