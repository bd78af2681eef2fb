package kernel

import "math"

// SwiGLU sets y to gate · sigmoid(gate) · up. y may be gate or up.
//
// Source: Shazeer, "GLU Variants Improve Transformer", 2020.
func SwiGLU(y, gate, up []float32) {
	y, up = y[:len(gate)], up[:len(gate)]
	for i, v := range gate {
		g := float64(v)
		y[i] = float32(g * sigmoid(g) * float64(up[i]))
	}
}

// SwiGLUGrad sets dgate and dup to the gradients of [SwiGLU], given that of
// its result, dy. With σ = sigmoid(gate):
//
//	dgate = dy · up · σ·(1 + gate·(1 − σ));  dup = dy · gate · σ
//
// Either may be dy, gate or up.
func SwiGLUGrad(dgate, dup, dy, gate, up []float32) {
	dgate, dup, dy, up = dgate[:len(gate)], dup[:len(gate)], dy[:len(gate)], up[:len(gate)]
	for i, v := range gate {
		g, u, d := float64(v), float64(up[i]), float64(dy[i])
		s := sigmoid(g)
		dgate[i] = float32(d * u * s * (1 + g*(1-s)))
		dup[i] = float32(d * g * s)
	}
}

// The constants of the tanh form: √(2/π), and the factor of the cube.
const (
	geluRoot = math.Sqrt2 / math.SqrtPi
	geluCube = 0.044715
)

// GELUTanh sets y to ½x·(1 + tanh u), u = √(2/π)·(x + 0.044715x³), computed as
// x·sigmoid(2u), which is the same and keeps its digits where tanh u is near
// −1. y may be x.
//
// Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
func GELUTanh(y, x []float32) {
	y = y[:len(x)]
	for i, v := range x {
		z := float64(v)
		y[i] = float32(z * sigmoid(2*geluRoot*(z+geluCube*z*z*z)))
	}
}

// GELUTanhGrad sets dx to the gradient of [GELUTanh]. With σ = sigmoid(2u):
//
//	dx = dy · (σ + x·σ·(1 − σ)·2√(2/π)·(1 + 3·0.044715x²))
//
// dx may be dy or x.
func GELUTanhGrad(dx, dy, x []float32) {
	dx, dy = dx[:len(x)], dy[:len(x)]
	for i, v := range x {
		z := float64(v)
		s := sigmoid(2 * geluRoot * (z + geluCube*z*z*z))
		slope := 2 * geluRoot * (1 + 3*geluCube*z*z)
		dx[i] = float32(float64(dy[i]) * (s + z*s*(1-s)*slope))
	}
}

// GELUErf sets y to x·Φ(x), Φ the distribution function of the standard normal
// distribution. y may be x.
func GELUErf(y, x []float32) {
	y = y[:len(x)]
	for i, v := range x {
		z := float64(v)
		y[i] = float32(z * normalCDF(z))
	}
}

// GELUErfGrad sets dx to the gradient of [GELUErf], dy · (Φ(x) + x·φ(x)). dx
// may be dy or x.
func GELUErfGrad(dx, dy, x []float32) {
	dx, dy = dx[:len(x)], dy[:len(x)]
	const density = 1 / (math.Sqrt2 * math.SqrtPi) // φ(0)
	for i, v := range x {
		z := float64(v)
		dx[i] = float32(float64(dy[i]) * (normalCDF(z) + z*density*math.Exp(-z*z/2)))
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// normalCDF is Φ. The complementary error function keeps its digits in the
// left tail, where 1 + erf has none.
func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
