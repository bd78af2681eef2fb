package cpu

import (
	"fmt"

	"mole/internal/kernel"
	"mole/tensor"
)

type rmsNormTask struct {
	tier            kernel.Tier
	dst, rstd, x, w []float32
	eps             float32
}

func (t *rmsNormTask) run(_ *worker, lo, hi int) {
	c := len(t.w)
	for i := lo; i < hi; i++ {
		t.rstd[i] = t.tier.RMSNorm(t.dst[i*c:(i+1)*c], t.x[i*c:(i+1)*c], t.w, t.eps)
	}
}

// RMSNorm implements [device.Forward].
func (d *Device) RMSNorm(dst, rstd, x, w tensor.Tensor, eps float32) {
	n, c := x.Shape[0], x.Shape[1]
	d.check("rmsnorm", mat("dst", dst, n, c).result(), vec("rstd", rstd, n).result(), mat("x", x, n, c), vec("w", w, c))
	d.tasks.rmsNorm = rmsNormTask{d.tier, f32(dst), f32(rstd), f32(x), f32(w), eps}
	d.pool.run(&d.tasks.rmsNorm, n, rowGrain(c))
	d.tasks.rmsNorm = rmsNormTask{}
}

type rmsNormGradTask struct {
	tier               kernel.Tier
	dx, dy, x, w, rstd []float32
	beta               float32
}

func (t *rmsNormGradTask) run(_ *worker, lo, hi int) {
	c := len(t.w)
	for i := lo; i < hi; i++ {
		a, b := i*c, (i+1)*c
		t.tier.RMSNormGrad(t.dx[a:b], t.dy[a:b], t.x[a:b], t.w, t.rstd[i], t.beta)
	}
}

// RMSNormGrad implements [device.Backward].
func (d *Device) RMSNormGrad(dx, dy, x, w, rstd tensor.Tensor, beta float32) {
	n, c := x.Shape[0], x.Shape[1]
	d.check("rmsnorm gradient", mat("dx", dx, n, c).result(), replaceable(mat("dy", dy, n, c), beta),
		mat("x", x, n, c), vec("w", w, c), vec("rstd", rstd, n))
	d.tasks.rmsNormGrad = rmsNormGradTask{d.tier, f32(dx), f32(dy), f32(x), f32(w), f32(rstd), beta}
	d.pool.run(&d.tasks.rmsNormGrad, n, rowGrain(c))
	d.tasks.rmsNormGrad = rmsNormGradTask{}
}

// replaceable returns o as an operand that the result may be if beta is 0.
func replaceable(o operand, beta float32) operand {
	if beta == 0 {
		return o.shared()
	}
	return o
}

type layerNormTask struct {
	tier                        kernel.Tier
	dst, mean, rstd, x, w, bias []float32
	eps                         float32
}

func (t *layerNormTask) run(_ *worker, lo, hi int) {
	c := len(t.w)
	for i := lo; i < hi; i++ {
		t.mean[i], t.rstd[i] = t.tier.LayerNorm(t.dst[i*c:(i+1)*c], t.x[i*c:(i+1)*c], t.w, t.bias, t.eps)
	}
}

// LayerNorm implements [device.Forward].
func (d *Device) LayerNorm(dst, mean, rstd, x, w, bias tensor.Tensor, eps float32) {
	n, c := x.Shape[0], x.Shape[1]
	d.check("layernorm", mat("dst", dst, n, c).result(), vec("mean", mean, n).result(), vec("rstd", rstd, n).result(),
		mat("x", x, n, c), vec("w", w, c), vec("bias", bias, c))
	d.tasks.layerNorm = layerNormTask{d.tier, f32(dst), f32(mean), f32(rstd), f32(x), f32(w), f32(bias), eps}
	d.pool.run(&d.tasks.layerNorm, n, rowGrain(c))
	d.tasks.layerNorm = layerNormTask{}
}

type layerNormGradTask struct {
	tier                     kernel.Tier
	dx, dy, x, w, mean, rstd []float32
	beta                     float32
}

func (t *layerNormGradTask) run(_ *worker, lo, hi int) {
	c := len(t.w)
	for i := lo; i < hi; i++ {
		a, b := i*c, (i+1)*c
		t.tier.LayerNormGrad(t.dx[a:b], t.dy[a:b], t.x[a:b], t.w, t.mean[i], t.rstd[i], t.beta)
	}
}

// LayerNormGrad implements [device.Backward].
func (d *Device) LayerNormGrad(dx, dy, x, w, mean, rstd tensor.Tensor, beta float32) {
	n, c := x.Shape[0], x.Shape[1]
	d.check("layernorm gradient", mat("dx", dx, n, c).result(), replaceable(mat("dy", dy, n, c), beta),
		mat("x", x, n, c), vec("w", w, c), vec("mean", mean, n), vec("rstd", rstd, n))
	d.tasks.layerNormGrad = layerNormGradTask{d.tier, f32(dx), f32(dy), f32(x), f32(w), f32(mean), f32(rstd), beta}
	d.pool.run(&d.tasks.layerNormGrad, n, rowGrain(c))
	d.tasks.layerNormGrad = layerNormGradTask{}
}

type ropeTask struct {
	tier        kernel.Tier
	x, cos, sin []float32
	heads, half int
	sign        float32
}

func (t *ropeTask) run(_ *worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		cos, sin := t.cos[i*t.half:(i+1)*t.half], t.sin[i*t.half:(i+1)*t.half]
		for h := i * t.heads; h < (i+1)*t.heads; h++ {
			t.tier.RoPE(t.x[h*2*t.half:(h+1)*2*t.half], cos, sin, t.sign)
		}
	}
}

// RoPE implements [device.Forward].
func (d *Device) RoPE(x, cos, sin tensor.Tensor, sign float32) {
	n, heads, half := x.Shape[0], x.Shape[1], x.Shape[2]/2
	d.check("rope", cube("x", x, n, heads, 2*half).result(), mat("cos", cos, n, half), mat("sin", sin, n, half))
	if sign != 1 && sign != -1 {
		panic(fmt.Sprintf("cpu: rope: sign %v, want 1 or -1", sign))
	}
	d.tasks.rope = ropeTask{d.tier, f32(x), f32(cos), f32(sin), heads, half, sign}
	d.pool.run(&d.tasks.rope, n, rowGrain(2*heads*half))
	d.tasks.rope = ropeTask{}
}
