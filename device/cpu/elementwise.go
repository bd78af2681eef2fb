package cpu

import (
	"fmt"

	"mole/device"
	"mole/internal/kernel"
	"mole/tensor"
)

type addTask struct {
	tier      kernel.Tier
	dst, a, b []float32
}

func (t *addTask) run(_ *worker, lo, hi int) { t.tier.Add(t.dst[lo:hi], t.a[lo:hi], t.b[lo:hi]) }

// Add implements [device.Forward].
func (d *Device) Add(dst, a, b tensor.Tensor) {
	d.check("add", like("dst", dst, dst).result(), like("a", a, dst).shared(), like("b", b, dst).shared())
	d.tasks.add = addTask{d.tier, f32(dst), f32(a), f32(b)}
	d.pool.run(&d.tasks.add, dst.Len(), grain)
	d.tasks.add = addTask{}
}

type fillTask struct {
	dst []float32
	v   float32
}

func (t *fillTask) run(_ *worker, lo, hi int) { kernel.Fill(t.dst[lo:hi], t.v) }

// Fill implements [device.Forward].
func (d *Device) Fill(dst tensor.Tensor, v float32) {
	d.check("fill", like("dst", dst, dst).result())
	d.tasks.fill = fillTask{f32(dst), v}
	d.pool.run(&d.tasks.fill, dst.Len(), grain)
	d.tasks.fill = fillTask{}
}

type swiGLUTask struct {
	tier          kernel.Tier
	dst, gate, up []float32
}

func (t *swiGLUTask) run(_ *worker, lo, hi int) {
	t.tier.SwiGLU(t.dst[lo:hi], t.gate[lo:hi], t.up[lo:hi])
}

// SwiGLU implements [device.Forward].
func (d *Device) SwiGLU(dst, gate, up tensor.Tensor) {
	n, f := dst.Shape[0], dst.Shape[1]
	d.check("swiglu", mat("dst", dst, n, f).result(), mat("gate", gate, n, f).shared(), mat("up", up, n, f).shared())
	d.tasks.swiGLU = swiGLUTask{d.tier, f32(dst), f32(gate), f32(up)}
	d.pool.run(&d.tasks.swiGLU, dst.Len(), grain)
	d.tasks.swiGLU = swiGLUTask{}
}

type swiGLUGradTask struct {
	tier                     kernel.Tier
	dgate, dup, dy, gate, up []float32
}

func (t *swiGLUGradTask) run(_ *worker, lo, hi int) {
	t.tier.SwiGLUGrad(t.dgate[lo:hi], t.dup[lo:hi], t.dy[lo:hi], t.gate[lo:hi], t.up[lo:hi])
}

// SwiGLUGrad implements [device.Backward].
func (d *Device) SwiGLUGrad(dgate, dup, dy, gate, up tensor.Tensor) {
	n, f := dy.Shape[0], dy.Shape[1]
	d.check("swiglu gradient", mat("dgate", dgate, n, f).result(), mat("dup", dup, n, f).result(),
		mat("dy", dy, n, f).shared(), mat("gate", gate, n, f).shared(), mat("up", up, n, f).shared())
	d.tasks.swiGLUGrad = swiGLUGradTask{d.tier, f32(dgate), f32(dup), f32(dy), f32(gate), f32(up)}
	d.pool.run(&d.tasks.swiGLUGrad, dy.Len(), grain)
	d.tasks.swiGLUGrad = swiGLUGradTask{}
}

type geluTask struct {
	tier   kernel.Tier
	erf    bool
	dst, x []float32
}

func (t *geluTask) run(_ *worker, lo, hi int) {
	if t.erf {
		t.tier.GELUErf(t.dst[lo:hi], t.x[lo:hi])
	} else {
		t.tier.GELUTanh(t.dst[lo:hi], t.x[lo:hi])
	}
}

// GELU implements [device.Forward].
func (d *Device) GELU(dst, x tensor.Tensor, form device.GELUForm) {
	n, f := dst.Shape[0], dst.Shape[1]
	d.check("gelu", mat("dst", dst, n, f).result(), mat("x", x, n, f).shared())
	d.tasks.gelu = geluTask{d.tier, isErf("gelu", form), f32(dst), f32(x)}
	d.pool.run(&d.tasks.gelu, dst.Len(), grain)
	d.tasks.gelu = geluTask{}
}

type geluGradTask struct {
	tier      kernel.Tier
	erf       bool
	dx, dy, x []float32
}

func (t *geluGradTask) run(_ *worker, lo, hi int) {
	if t.erf {
		t.tier.GELUErfGrad(t.dx[lo:hi], t.dy[lo:hi], t.x[lo:hi])
	} else {
		t.tier.GELUTanhGrad(t.dx[lo:hi], t.dy[lo:hi], t.x[lo:hi])
	}
}

// GELUGrad implements [device.Backward].
func (d *Device) GELUGrad(dx, dy, x tensor.Tensor, form device.GELUForm) {
	n, f := dx.Shape[0], dx.Shape[1]
	d.check("gelu gradient", mat("dx", dx, n, f).result(), mat("dy", dy, n, f).shared(), mat("x", x, n, f).shared())
	d.tasks.geluGrad = geluGradTask{d.tier, isErf("gelu gradient", form), f32(dx), f32(dy), f32(x)}
	d.pool.run(&d.tasks.geluGrad, dx.Len(), grain)
	d.tasks.geluGrad = geluGradTask{}
}

// isErf reports which of the two forms it is, and panics if it is neither.
func isErf(op string, form device.GELUForm) bool {
	if form > device.GELUErf {
		panic(fmt.Sprintf("cpu: %s: unknown form %d", op, form))
	}
	return form == device.GELUErf
}
