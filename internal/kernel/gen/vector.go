package main

import "math"

// A vector writes arithmetic on columns with the words of an [isa]. "x, y" in
// the comments are in the order of the formula.
type vector struct {
	*asm
	isa  isa
	used words
	some bool // only some lanes count
}

// newVector returns what writes a function.
func newVector(a *asm, i isa, used words, sums bool) *vector {
	return &vector{asm: a, isa: i.begin(a, sums), used: used}
}

// constant returns the memory that holds v in every lane.
func (e *vector) constant(v float64) word { return e.word(math.Float32bits(float32(v))) }

// word is constant for the bits of a lane.
func (e *vector) word(bits uint32) word { return e.used.use(word(bits)) }

// two writes dst = x o y; y may be memory.
func (e *vector) two(o operation, x int, y any, dst int) { e.isa.two(e, o, x, y, dst) }

func (e *vector) mul(x int, y any, dst int) { e.two(times, x, y, dst) }
func (e *vector) add(x int, y any, dst int) { e.two(plus, x, y, dst) }
func (e *vector) sub(x int, y any, dst int) { e.two(minus, x, y, dst) }
func (e *vector) div(x, y, dst int)         { e.two(over, x, y, dst) }
func (e *vector) and(x int, y any, dst int) { e.two(bitAnd, x, y, dst) }

// max returns y if x is not a number.
func (e *vector) max(x int, y any, dst int) { e.two(larger, x, y, dst) }

// addProduct writes sum += x·y; y may be memory.
func (e *vector) addProduct(x int, y any, sum int) { e.two(fused, x, y, sum) }

// subProduct writes sum −= x·y.
func (e *vector) subProduct(x int, y any, sum int) { e.two(fusedMinus, x, y, sum) }

// horner writes p = p·x + c.
func (e *vector) horner(p, x int, c float64) { e.isa.horner(e, p, x, e.constant(c)) }

func (e *vector) move(from any, to int) { e.isa.read(e, from, to) }

// set puts a constant into a column.
func (e *vector) set(v float64, to int) { e.move(e.constant(v), to) }

// clear clears a column.
func (e *vector) clear(i int) { e.isa.clear(e, i) }

// choose writes dst = mask ? yes : no, for a mask of whole lanes. temp may be
// yes; dst may be no.
func (e *vector) choose(mask int, yes, no any, dst, temp int) {
	e.isa.choose(e, mask, yes, no, dst, temp)
}

// negative writes dst = a mask of the lanes of x that have the sign bit.
func (e *vector) negative(x, dst int) { e.isa.signs(e, x, dst) }

// The exponential function of x is 2ⁿ·eʳ with n the integer nearest to x/ln 2
// and |r| at most ln 2 / 2. The sum x/ln 2 + shift, rounded, has n + 127 in its
// lowest bits, which are the exponent of 2ⁿ. The polynomial was fitted at the
// Chebyshev points; its relative error is 1.1e-8.
const (
	expShift = 0x1.8p23 + 127
	expLeast = -88.02 // gives n = −127, which stands for 0
	expMost  = 88.37
	ln2High  = 0x1.62e4p-1 // has 15 bits: n·ln2High is exact
	ln2Low   = math.Ln2 - ln2High
)

var expFit = []float64{0.0013926250831281467, 0.00836323288368102, 0.04166655421298541, 0.1666657666611994, 0.5, 1, 1}

// exp writes x = eˣ, with a relative error of at most 2e-7. What is below
// 2⁻¹²⁶ becomes 0 or loses digits; beyond expMost it stays what it is there. A
// NaN stays one.
func (e *vector) exp(x, n, p int) {
	e.isa.atLeast(e, x, e.constant(expLeast), n)
	e.isa.atMost(e, x, e.constant(expMost), n)
	e.set(math.Log2E, n)
	e.horner(n, x, expShift)
	e.set(expFit[0], p)
	e.power(x, n, p)
}

// power goes on with n = x/ln 2 + shift, and the first coefficient in p.
func (e *vector) power(x, n, p int) {
	e.sub(n, e.constant(expShift), n)
	e.subProduct(n, e.constant(ln2High), x)
	e.subProduct(n, e.constant(ln2Low), x)
	for _, c := range expFit[1:] {
		e.horner(p, x, c)
	}
	e.add(n, e.constant(expShift), n) // exact, as the difference was
	e.isa.exponent(e, n)
	e.mul(p, n, x)
}
