package devicetest

import (
	"math"

	"mole/device"
	"mole/tensor"
)

// matrixSizes are rows and columns for what is computed element by element:
// around vector registers, and more than one worker's share.
var matrixSizes = [][2]int{{1, 1}, {1, 15}, {3, 16}, {5, 33}, {7, 64}, {2, 127}, {90, 101}}

// matrixLarge is for many workers.
var matrixLarge = [2]int{150, 101}

// separate is the number of the operand that a destination is if it is none of
// them; they count from 1.
const separate = 0

func checkAdd(x *trial) {
	for _, s := range sizes(x, matrixSizes, matrixLarge) {
		for same := range 4 { // none, a, b, both
			x.try("%dx%d, dst is operand %d", s[0], s[1], same)
			a, b := x.normal("a", s[0], s[1]), x.normal("b", s[0], s[1])
			dst := a
			switch same {
			case separate:
				dst = x.empty("dst", s[0], s[1])
			case 2:
				dst = b
			case 3:
				b = a
			}
			dst.changes = true
			x.dev.Add(dst.Tensor, a.Tensor, b.Tensor)
			x.expect(dst, func() []bound {
				list := make([]bound, a.Len())
				for i, v := range a.values {
					list[i].want = float64(float32(v) + float32(b.values[i])) // one rounding, so exact
				}
				return list
			})
		}
	}
}

func checkFill(x *trial) {
	for _, s := range []tensor.Shape{{1}, {17}, {3, 5}, {2, 3, 4}, {2, 3, 5, 7}, {100, 90}} {
		x.try("%v", s)
		dst := x.empty("dst", s[:s.Rank()]...)
		x.dev.Fill(dst.Tensor, -2.5)
		x.expect(dst, func() []bound {
			list := make([]float64, s.Len())
			for i := range list {
				list[i] = -2.5
			}
			return exact(list)
		})
	}
}

// spread returns n values from the whole range where an activation bends, and
// a few beyond, where exponentials in F32 overflow.
func (x *trial) spread(n int) []float64 {
	values := x.draw(n)
	for i := range values {
		switch x.rng.IntN(8) {
		case 0:
			values[i] *= 5
		case 1:
			values[i] = []float64{0, -12, 12, -40, 90, -90, 200, -200}[x.rng.IntN(8)]
		}
	}
	return values
}

func silu(x float64) float64 { return x / (1 + math.Exp(-x)) }

func checkSwiGLU(x *trial) {
	for _, s := range sizes(x, matrixSizes, matrixLarge) {
		for same := range 3 { // none, gate, up
			x.try("%dx%d, dst is operand %d", s[0], s[1], same)
			gate, up := x.activations("gate", s), x.normal("up", s[0], s[1])
			dst := []*array{nil, gate, up}[same]
			if same == separate {
				dst = x.empty("dst", s[0], s[1])
			}
			dst.changes = true
			x.dev.SwiGLU(dst.Tensor, gate.Tensor, up.Tensor)
			x.expect(dst, func() (list []bound) {
				for i, g := range gate.values {
					y := silu(g) * up.values[i]
					list = append(list, bound{y, slack(0, math.Abs(y))})
				}
				return list
			})
		}
		x.swiGLUGrad(s, separate, separate)
	}
	checkSwiGLUGradPlaces(x)
}

// activations returns a source with the values of spread.
func (x *trial) activations(name string, s [2]int) *array {
	return x.source(name, x.spread(s[0]*s[1]), s[0], s[1])
}

// checkSwiGLUGradPlaces tries all 13 ways in which the two results can lie:
// apart, or on different operands out of dy, gate and up.
func checkSwiGLUGradPlaces(x *trial) {
	for dgateAt := range 4 {
		for dupAt := range 4 {
			if dgateAt != dupAt || dgateAt == separate {
				x.swiGLUGrad([2]int{5, 33}, dgateAt, dupAt)
			}
		}
	}
}

// swiGLUGrad tries one call with the results in these places.
func (x *trial) swiGLUGrad(s [2]int, dgateAt, dupAt int) {
	x.try("gradient %dx%d, dgate is operand %d, dup is operand %d", s[0], s[1], dgateAt, dupAt)
	dy, gate, up := x.normal("dy", s[0], s[1]), x.activations("gate", s), x.normal("up", s[0], s[1])
	places := []*array{nil, dy, gate, up}
	dgate, dup := places[dgateAt], places[dupAt]
	if dgateAt == separate {
		dgate = x.empty("dgate", s[0], s[1])
	}
	if dupAt == separate {
		dup = x.empty("dup", s[0], s[1])
	}
	dgate.changes, dup.changes = true, true
	x.dev.SwiGLUGrad(dgate.Tensor, dup.Tensor, dy.Tensor, gate.Tensor, up.Tensor)
	var wantUp []bound
	x.expect(dgate, func() (wantGate []bound) {
		wantGate, wantUp = swiGLUGrads(dy.values, gate.values, up.values)
		return wantGate
	})
	x.expect(dup, func() []bound { return wantUp })
}

// swiGLUGrads returns the gradients by differences. mag is that of the sum
// 1 + gate·(1 − σ).
func swiGLUGrads(dy, gate, up []float64) (dgate, dup []bound) {
	for i, g := range gate {
		slopeGate := slope(func(h float64) float64 { return dy[i] * silu(g+h) * up[i] })
		slopeUp := slope(func(h float64) float64 { return dy[i] * silu(g) * (up[i] + h) })
		sigma := 1 / (1 + math.Exp(-g))
		mag := math.Abs(dy[i]*up[i]) * sigma * (1 + math.Abs(g)*(1-sigma))
		dgate = append(dgate, bound{slopeGate, slack(0, mag)})
		dup = append(dup, bound{slopeUp, slack(0, math.Abs(slopeUp))})
	}
	return dgate, dup
}

// gelu returns the form of GELU straight from its definition.
func gelu(x float64, form device.GELUForm) float64 {
	if form == device.GELUErf {
		return x / 2 * (1 + math.Erf(x/math.Sqrt2))
	}
	return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

// checkGELU takes tolerances relative to x, because a device may add 1 to a
// number near −1.
func checkGELU(x *trial) {
	for _, form := range []device.GELUForm{device.GELUTanh, device.GELUErf} {
		for _, s := range sizes(x, matrixSizes, matrixLarge) {
			x.gelu(form, s, separate)
			x.gelu(form, s, 1)
			x.geluGrad(form, s, separate)
			x.geluGrad(form, s, 1)
			x.geluGrad(form, s, 2)
		}
	}
}

// gelu tries one call with dst apart or x itself.
func (x *trial) gelu(form device.GELUForm, s [2]int, same int) {
	x.try("form %d, %dx%d, dst is operand %d", form, s[0], s[1], same)
	in := x.activations("x", s)
	dst := in
	if same == separate {
		dst = x.empty("dst", s[0], s[1])
	}
	dst.changes = true
	x.dev.GELU(dst.Tensor, in.Tensor, form)
	x.expect(dst, func() (list []bound) {
		for _, v := range in.values {
			list = append(list, bound{gelu(v, form), slack(0, math.Abs(v))})
		}
		return list
	})
}

// geluGrad tries one call with dx apart, dy itself, or x itself.
func (x *trial) geluGrad(form device.GELUForm, s [2]int, same int) {
	x.try("gradient of form %d, %dx%d, dx is operand %d", form, s[0], s[1], same)
	dy, in := x.normal("dy", s[0], s[1]), x.activations("x", s)
	dx := []*array{nil, dy, in}[same]
	if same == separate {
		dx = x.empty("dx", s[0], s[1])
	}
	dx.changes = true
	x.dev.GELUGrad(dx.Tensor, dy.Tensor, in.Tensor, form)
	x.expect(dx, func() (list []bound) {
		for i, v := range in.values {
			grad := slope(func(h float64) float64 { return dy.values[i] * gelu(v+h, form) })
			list = append(list, bound{grad, slack(0, math.Abs(dy.values[i])*(1+math.Abs(v)))})
		}
		return list
	})
}

func checkRoPE(x *trial) {
	list := [][3]int{{1, 1, 2}, {3, 2, 6}, {5, 3, 32}, {2, 4, 36}, {7, 1, 66}, {33, 4, 34}}
	for _, s := range sizes(x, list, [3]int{120, 4, 34}) {
		for _, sign := range []float32{1, -1} {
			x.try("T=%d heads=%d D=%d sign=%v", s[0], s[1], s[2], sign)
			half := s[2] / 2
			angles := x.draw(s[0] * half)
			cos, sin := make([]float64, len(angles)), make([]float64, len(angles))
			for i, a := range angles {
				sin[i], cos[i] = math.Sincos(5 * a)
			}
			in := x.inout("x", s[0], s[1], s[2])
			c, n := x.source("cos", cos, s[0], half), x.source("sin", sin, s[0], half)
			x.dev.RoPE(in.Tensor, c.Tensor, n.Tensor, sign)
			x.expect(in, func() []bound {
				if sign == 1 {
					return turned(in.values, c.values, n.values, s)
				}
				return turnedBack(in.values, c.values, n.values, s)
			})
		}
	}
}

// turned returns x [T, heads, D] turned by the angles.
func turned(x, cos, sin []float64, s [3]int) []bound {
	list := make([]bound, len(x))
	half := s[2] / 2
	for i := range list {
		head, j := i/s[2], i%s[2]
		angle := head/s[1]*half + j%half
		partner, side := i+half, -1.0
		if j >= half {
			partner, side = i-half, 1
		}
		a, b := x[i]*cos[angle], side*x[partner]*sin[angle]
		list[i] = bound{a + b, slack(2, math.Abs(a)+math.Abs(b))}
	}
	return list
}

// turnedBack returns the gradient of turned where that of its result is dy: the
// slope of Σ dy · turned(z) in each element of z, which does not depend on z.
// Heads do not touch each other.
func turnedBack(dy, cos, sin []float64, s [3]int) []bound {
	list := make([]bound, 0, len(dy))
	half := s[2] / 2
	for head := range s[0] * s[1] {
		g, angle := dy[head*s[2]:(head+1)*s[2]], head/s[1]*half
		c, n, z := cos[angle:angle+half], sin[angle:angle+half], make([]float64, s[2])
		for j := range z {
			grad := partial(z, j, 1, func() float64 {
				sum, _ := dot(g, wants(turned(z, c, n, [3]int{1, 1, s[2]})))
				return sum
			})
			list = append(list, bound{grad, slack(2, math.Abs(g[j%half])+math.Abs(g[j%half+half]))})
		}
	}
	return list
}
