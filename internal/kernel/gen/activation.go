package main

import "math"

// The kernels of activations. The logistic function σ(x) is s·s·d, with
// h = exp(−|x|/2), d = 1/(1 + h²), and s = 1, or h where x is negative; and
// 1 − σ is t·t·d with the two exchanged. That never overflows, and keeps its
// digits down to where a product with x underflows.
var activations = []*pointwise{
	{
		name:    "swiGLU",
		doc:     []string{"sets n elements of y; see SwiGLU."},
		results: []string{"y"},
		sources: []string{"gate", "up"},
		emit: func(e *vector, _ scalars) []int {
			e.logistic(0, 2, 3, 4, 5, 6)
			e.mul(0, 1, 0)
			e.mul(0, 2, 0)
			return []int{0}
		},
	},
	{
		name:    "swiGLUGrad",
		doc:     []string{"sets n elements of dgate and dup; see SwiGLUGrad."},
		results: []string{"dgate", "dup"},
		sources: []string{"gate", "up", "dy"},
		emit: func(e *vector, _ scalars) []int {
			e.logistic(0, 3, 4, 5, 6, 7)
			e.mul(2, 3, 2) // dy·σ
			e.mul(2, 1, 1)
			e.mul(0, 2, 3) // dup
			e.mul(0, 4, 0)
			e.add(0, e.constant(1), 0)
			e.mul(1, 0, 0)
			return []int{0, 3}
		},
	},
	{
		name:    "geluTanh",
		doc:     []string{"sets n elements of y; see GELUTanh."},
		results: []string{"y"},
		sources: []string{"x"},
		emit: func(e *vector, _ scalars) []int {
			e.mul(0, 0, 1)
			e.tanhArgument(0, 1, 2)
			e.logistic(2, 3, 4, 5, 6, 7)
			e.mul(0, 3, 0)
			return []int{0}
		},
	},
	{
		name:    "geluTanhGrad",
		doc:     []string{"sets n elements of dx; see GELUTanhGrad."},
		results: []string{"dx"},
		sources: []string{"x", "dy"},
		emit: func(e *vector, _ scalars) []int {
			e.mul(0, 0, 2)
			e.tanhArgument(0, 2, 3)
			e.logistic(3, 4, 5, 6, 7, 8)
			e.set(6*geluRoot*geluCube, 6)
			e.horner(2, 6, 2*geluRoot) // slope of 2u
			e.mul(0, 4, 0)
			e.mul(0, 5, 0)
			e.addProduct(0, 2, 4)
			e.mul(4, 1, 0)
			return []int{0}
		},
	},
	{
		name:    "geluErf",
		doc:     []string{"sets n elements of y; see GELUErf."},
		results: []string{"y"},
		sources: []string{"x"},
		emit: func(e *vector, _ scalars) []int {
			e.normal(0, 1, 2, 3, 4, 5)
			e.mul(0, 1, 0)
			return []int{0}
		},
	},
	{
		name:    "geluErfGrad",
		doc:     []string{"sets n elements of dx; see GELUErfGrad."},
		results: []string{"dx"},
		sources: []string{"x", "dy"},
		emit: func(e *vector, _ scalars) []int {
			e.normal(0, 2, 3, 4, 5, 6)
			e.mul(0, e.constant(1/math.Sqrt(2*math.Pi)), 0)
			e.addProduct(0, 3, 2)
			e.mul(2, 1, 0)
			return []int{0}
		},
	},
}

// The constants of GELU's tanh form; see the Go kernel.
const (
	geluRoot = math.Sqrt2 / math.SqrtPi
	geluCube = 0.044715
)

// tanhArgument writes dst = 2u, given x and its square.
func (e *vector) tanhArgument(x, square, dst int) {
	e.set(2*geluRoot*geluCube, dst)
	e.horner(dst, square, 2*geluRoot)
	e.mul(dst, x, dst)
}

// logistic writes up = σ(x) and down = 1 − σ(x).
func (e *vector) logistic(x, up, down, h, t1, t2 int) {
	e.move(x, h)
	e.and(h, e.word(0x7fffffff), h)
	e.mul(h, e.constant(-0.5), h)
	e.exp(h, t1, t2)
	e.mul(h, h, t1)
	e.add(t1, e.constant(1), t1)
	e.set(1, t2)
	e.div(t2, t1, down) // d
	e.mul(down, h, t1)
	e.mul(t1, h, t1) // the smaller of σ and 1 − σ
	e.negative(x, h)
	e.choose(h, t1, down, up, t2)
	e.choose(h, down, t1, t1, t2)
	e.move(t1, down)
}

// The distribution function of the standard normal distribution at −|x| is
// ½·erfc(z), z = |x|/√2, and erfc(z) = t·P(t)·exp(−z²) with
// t = 1/(1 + normalScale·|x|), as in Hastings, "Approximations for Digital
// Computers", 1955, with a polynomial fitted at the Chebyshev points, of
// relative error 2.2e-7.
const normalScale = 0.44 / math.Sqrt2

var normalFit = []float64{
	0.07196584819345495, -0.2811871622849092, 0.30251512554064924, -0.025753500959199576,
	0.2188519684585888, 0.21637427271506343, 0.24902241290339608, 0.2482112152634387,
}

// normal writes phi = Φ(x) and density = exp(−x²/2).
func (e *vector) normal(x, phi, density, t, p, q int) {
	e.mul(x, x, density)
	e.mul(density, e.constant(-0.5), density)
	e.exp(density, t, p)
	e.move(x, t)
	e.and(t, e.word(0x7fffffff), t)
	e.set(normalScale, p)
	e.horner(t, p, 1)
	e.set(1, p)
	e.div(p, t, t)
	e.set(normalFit[0]/2, p)
	for _, c := range normalFit[1:] {
		e.horner(p, t, c/2)
	}
	e.mul(p, t, p)
	e.mul(p, density, p) // Φ(−|x|)
	e.set(1, q)
	e.sub(q, p, q)
	e.negative(x, t)
	e.choose(t, p, q, phi, p)
}
