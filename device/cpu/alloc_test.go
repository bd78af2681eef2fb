package cpu_test

import (
	"fmt"
	"testing"

	"mole/device"
	"mole/device/cpu"
	"mole/tensor"
)

// operands makes tensors of a device. Their values are zero, which every
// operation takes.
type operands struct{ d *cpu.Device }

func (o operands) f32(extents ...int) tensor.Tensor {
	var s tensor.Shape
	copy(s[:], extents)
	t := o.d.Alloc(tensor.F32, s)
	o.d.Fill(t, 0)
	return t
}

// of returns a tensor of zeros of another type.
func (o operands) of(d tensor.DType, s tensor.Shape) tensor.Tensor {
	t := o.d.Alloc(d, s)
	o.d.Write(t, make([]byte, s.Len()*d.Size()))
	return t
}

// everything returns one call of each operation, over enough rows that several
// workers share them.
func everything(d *cpu.Device) map[string]func() {
	const (
		rows, width, heads, keyHeads, dim = 64, 72, 4, 2, 12
	)
	o := operands{d}
	x, y, z, g, w := o.f32(rows, width), o.f32(rows, width), o.f32(rows, width), o.f32(rows, width), o.f32(width)
	mean, rstd, one := o.f32(rows), o.f32(rows), o.f32(1)
	half := o.of(tensor.BF16, tensor.Shape{width, width})
	ids := o.of(tensor.I32, tensor.Shape{rows})
	q, dq, dy := o.f32(rows, heads, dim), o.f32(rows, heads, dim), o.f32(rows, heads, dim)
	k, v := o.f32(rows, keyHeads, dim), o.f32(rows, keyHeads, dim)
	dk, dv, lse := o.f32(rows, keyHeads, dim), o.f32(rows, keyHeads, dim), o.f32(rows, heads)
	cos, sin := o.f32(rows, dim/2), o.f32(rows, dim/2)
	square := o.f32(width, width)
	view := device.Attention{Scale: 1, Segments: []device.Segment{
		{Start: 0, End: 24, Key: 0, Causal: true},
		{Start: 24, End: rows, Key: 24, Causal: true, Past: []device.Span{{Start: 0, End: 20}}},
	}}
	bytes := make([]byte, 4*rows*width)
	several := []device.Product{
		{Dst: x, A: y, B: half, MatMul: device.MatMul{Alpha: 1, TransB: true, Stream: true}},
		{Dst: z, A: y, B: square, MatMul: device.MatMul{Alpha: 1, Beta: 1}},
	}
	return map[string]func(){
		"write":         func() { d.Write(x, bytes) },
		"read":          func() { d.Read(bytes, x) },
		"gather":        func() { d.Gather(x, half, ids, tensor.Tensor{}) },
		"gather sums":   func() { d.Gather(x, y, ids, mean) },
		"add rows":      func() { d.AddRows(x, y, ids) },
		"matmul":        func() { d.MatMul(x, y, half, device.MatMul{Alpha: 1, TransB: true, Bias: w}) },
		"matmul pairs":  func() { d.MatMul(y, x, half, device.MatMul{Alpha: 1, A2: z, B2: square}) },
		"matmuls":       func() { d.MatMuls(several) },
		"matmul by col": func() { d.MatMul(square, y, x, device.MatMul{Alpha: 1, TransA: true}) },
		"add":           func() { d.Add(x, x, y) },
		"fill":          func() { d.Fill(x, 0) },
		"rmsnorm":       func() { d.RMSNorm(x, rstd, y, w, 1e-6) },
		"rmsnorm grad":  func() { d.RMSNormGrad(x, y, z, w, rstd, 0) },
		"layernorm":     func() { d.LayerNorm(x, mean, rstd, y, w, w, 1e-6) },
		"layernorm g":   func() { d.LayerNormGrad(x, y, z, w, mean, rstd, 1) },
		"rope":          func() { d.RoPE(q, cos, sin, 1) },
		"attention":     func() { d.Attention(dq, lse, q, k, v, view) },
		"attention g":   func() { d.AttentionGrad(dq, dk, dv, dy, dy, lse, q, k, v, view) },
		"swiglu":        func() { d.SwiGLU(x, y, z) },
		"swiglu grad":   func() { d.SwiGLUGrad(x, y, y, z, z) },
		"gelu":          func() { d.GELU(x, y, device.GELUErf) },
		"gelu grad":     func() { d.GELUGrad(x, x, y, device.GELUTanh) },
		"cross entropy": func() { d.CrossEntropy(mean, x, x, ids, rstd) },
		"sum squares":   func() { d.SumSquares(one, x) },
		"adamw":         func() { d.AdamW(x, y, z, g, device.AdamW{Step: 1, Scale: 1}) },
	}
}

// TestAllocs checks that operations take nothing from the heap once they have
// run.
func TestAllocs(t *testing.T) {
	for _, workers := range []int{1, 3} {
		d := open(t, cpu.Options{Workers: workers})
		for name, call := range everything(d) {
			t.Run(fmt.Sprintf("%s/%d workers", name, workers), func(t *testing.T) {
				for range 20 {
					call()
				}
				if got := testing.AllocsPerRun(20, call); got != 0 {
					t.Errorf("got %v allocations a call, want 0", got)
				}
			})
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
