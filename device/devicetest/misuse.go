package devicetest

import (
	"mole/device"
	"mole/tensor"
)

type (
	dev   = device.Accelerator
	maker = func(extents ...int) tensor.Tensor
)

var none tensor.Tensor

// oneSegment makes attention over two queries and three keys valid.
var oneSegment = device.Attention{Scale: 1, Segments: []device.Segment{{Start: 0, End: 2, Key: 1}}}

var misuses = []misuse{
	{"gather: rows are not I32", func(d dev, f maker) { d.Gather(f(2, 3), f(4, 3), f(2), none) }},
	{"add rows: width", func(d dev, f maker) { d.AddRows(f(2, 3), f(4, 5), f(4)) }},
	{"matmul: inner extent", func(d dev, f maker) { d.MatMul(f(2, 3), f(2, 5), f(4, 3), device.MatMul{Alpha: 1}) }},
	{"matmul: rank", func(d dev, f maker) { d.MatMul(f(2, 3), f(2, 5), f(5, 3, 1), device.MatMul{Alpha: 1}) }},
	{"matmul: transposed a", func(d dev, f maker) {
		d.MatMul(f(2, 3), f(2, 5), f(5, 3), device.MatMul{Alpha: 1, TransA: true})
	}},
	{"matmul: transposed b", func(d dev, f maker) {
		d.MatMul(f(2, 3), f(2, 5), f(5, 3), device.MatMul{Alpha: 1, TransB: true})
	}},
	{"matmul: bias", func(d dev, f maker) {
		d.MatMul(f(2, 3), f(2, 5), f(5, 3), device.MatMul{Alpha: 1, Bias: f(2)})
	}},
	{"matmul: second pair", func(d dev, f maker) {
		d.MatMul(f(2, 3), f(2, 5), f(5, 3), device.MatMul{Alpha: 1, A2: f(2, 4), B2: f(5, 3)})
	}},
	{"matmul: half a pair", func(d dev, f maker) {
		d.MatMul(f(2, 3), f(2, 5), f(5, 3), device.MatMul{Alpha: 1, A2: f(2, 4)})
	}},
	{"matmul: second pair beside a transposed a", func(d dev, f maker) {
		d.MatMul(f(2, 3), f(5, 2), f(5, 3), device.MatMul{Alpha: 1, TransA: true, A2: f(2, 4), B2: f(4, 3)})
	}},
	{"matmuls: one of them", func(d dev, f maker) {
		d.MatMuls([]device.Product{
			{Dst: f(2, 3), A: f(2, 5), B: f(5, 3), MatMul: device.MatMul{Alpha: 1}},
			{Dst: f(2, 3), A: f(2, 5), B: f(4, 3), MatMul: device.MatMul{Alpha: 1}},
		})
	}},
	{"add: length", func(d dev, f maker) { d.Add(f(2, 3), f(2, 3), f(2, 4)) }},
	{"add: shape", func(d dev, f maker) { d.Add(f(2, 3), f(2, 3), f(3, 2)) }},
	{"rmsnorm: weights", func(d dev, f maker) { d.RMSNorm(f(3, 4), f(3), f(3, 4), f(5), 1e-6) }},
	{"rmsnorm: rstd", func(d dev, f maker) { d.RMSNorm(f(3, 4), f(4), f(3, 4), f(4), 1e-6) }},
	{"rmsnorm gradient", func(d dev, f maker) { d.RMSNormGrad(f(3, 4), f(3, 5), f(3, 4), f(4), f(3), 0) }},
	{"layernorm: bias", func(d dev, f maker) { d.LayerNorm(f(3, 4), f(3), f(3), f(3, 4), f(4), f(3), 1e-6) }},
	{"layernorm gradient", func(d dev, f maker) { d.LayerNormGrad(f(3, 4), f(3, 4), f(3, 4), f(4), f(3), f(2), 0) }},
	{"rope: half", func(d dev, f maker) { d.RoPE(f(3, 2, 8), f(3, 4), f(3, 8), 1) }},
	{"rope: odd width", func(d dev, f maker) { d.RoPE(f(3, 2, 7), f(3, 3), f(3, 3), 1) }},
	{"attention: heads", func(d dev, f maker) {
		d.Attention(f(2, 3, 4), f(2, 3), f(2, 3, 4), f(3, 2, 4), f(3, 2, 4), oneSegment)
	}},
	{"attention: lse", func(d dev, f maker) {
		d.Attention(f(2, 4, 4), f(4, 2), f(2, 4, 4), f(3, 2, 4), f(3, 2, 4), oneSegment)
	}},
	{"attention: values", func(d dev, f maker) {
		d.Attention(f(2, 4, 4), f(2, 4), f(2, 4, 4), f(3, 2, 4), f(2, 2, 4), oneSegment)
	}},
	{"attention gradient", func(d dev, f maker) {
		d.AttentionGrad(f(2, 4, 4), f(3, 2, 4), f(3, 4, 4), f(2, 4, 4), f(2, 4, 4), f(2, 4),
			f(2, 4, 4), f(3, 2, 4), f(3, 2, 4), oneSegment)
	}},
	{"swiglu", func(d dev, f maker) { d.SwiGLU(f(2, 3), f(2, 3), f(3, 3)) }},
	{"swiglu gradient", func(d dev, f maker) { d.SwiGLUGrad(f(2, 3), f(2, 3), f(2, 3), f(3, 2), f(2, 3)) }},
	{"gelu", func(d dev, f maker) { d.GELU(f(2, 3), f(2, 4), device.GELUErf) }},
	{"gelu gradient", func(d dev, f maker) { d.GELUGrad(f(2, 3), f(2, 4), f(2, 3), device.GELUTanh) }},
	{"cross entropy: targets are not I32", func(d dev, f maker) { d.CrossEntropy(f(2), none, f(2, 3), f(2), none) }},
	{"sum of squares", func(d dev, f maker) { d.SumSquares(f(2), f(3)) }},
	{"adamw", func(d dev, f maker) { d.AdamW(f(2, 3), f(2, 3), f(2, 4), f(2, 3), device.AdamW{Step: 1, Scale: 1}) }},
}
