package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// requires returns the instruction sets of kernels with registers of b.
func (b bank) requires() string {
	return map[bank]string{ymm: "AVX2, FMA", zmm: "AVX512F, AVX512DQ, AVX512BW"}[b]
}

// bits returns the name of a bitwise instruction: with 512 bits it tells the
// size of an element.
func (b bank) bits(op string) string {
	if b == zmm {
		op += "D"
	}
	return op
}

// A vector writes arithmetic on registers of one bank, of which it uses the
// first 16 only: both tiers share the text but for their names. Registers are
// numbers; sources come first, destination last, and "x, y" in the comments are
// in the order of the formula.
type vector struct {
	*asm
	bank
	used map[uint32]bool // bits of the constants in use
	some bool            // only the lanes of the mask count
}

// constant returns the memory that holds v in every lane.
func (e *vector) constant(v float64) string { return e.word(math.Float32bits(float32(v))) }

// word is constant for the bits of a lane.
func (e *vector) word(bits uint32) string {
	e.used[bits] = true
	return constantName(bits) + "<>(SB)"
}

func constantName(bits uint32) string { return fmt.Sprintf("lanes%08x", bits) }

// constants returns the data of constants that are in use.
func constants(used map[uint32]bool) string {
	var b strings.Builder
	for _, bits := range slices.Sorted(maps.Keys(used)) {
		name := constantName(bits)
		fmt.Fprintf(&b, "\n")
		for at := 0; at < 64; at += 8 {
			fmt.Fprintf(&b, "DATA %s<>+%d(SB)/8, $0x%08x%08x\n", name, at, bits, bits)
		}
		fmt.Fprintf(&b, "GLOBL %s<>(SB), RODATA|NOPTR, $64\n", name)
	}
	return b.String()
}

// r returns an operand: a register if it is a number.
func (e *vector) r(o any) any {
	if i, ok := o.(int); ok {
		return e.reg(i)
	}
	return o
}

// two writes dst = x op y; y may be memory.
func (e *vector) two(op string, x int, y any, dst int) { e.op(op, e.r(y), e.reg(x), e.reg(dst)) }

func (e *vector) mul(x int, y any, dst int) { e.two("VMULPS", x, y, dst) }
func (e *vector) add(x int, y any, dst int) { e.two("VADDPS", x, y, dst) }
func (e *vector) sub(x int, y any, dst int) { e.two("VSUBPS", x, y, dst) }
func (e *vector) div(x, y, dst int)         { e.two("VDIVPS", x, y, dst) }

// min and max return y if either is not a number.
func (e *vector) min(x int, y any, dst int) { e.two("VMINPS", x, y, dst) }
func (e *vector) max(x int, y any, dst int) { e.two("VMAXPS", x, y, dst) }

func (e *vector) and(x int, y any, dst int)    { e.two(e.bits("VPAND"), x, y, dst) }
func (e *vector) andNot(x int, y any, dst int) { e.two(e.bits("VPANDN"), x, y, dst) } // ^x & y
func (e *vector) or(x int, y any, dst int)     { e.two(e.bits("VPOR"), x, y, dst) }

// addProduct writes sum += x·y; y may be memory.
func (e *vector) addProduct(x int, y any, sum int) { e.two("VFMADD231PS", x, y, sum) }

// subProduct writes sum −= x·y.
func (e *vector) subProduct(x int, y any, sum int) { e.two("VFNMADD231PS", x, y, sum) }

// horner writes p = p·x + c.
func (e *vector) horner(p, x int, c float64) { e.two("VFMADD213PS", x, e.constant(c), p) }

func (e *vector) move(from any, to int) { e.op("VMOVUPS", e.r(from), e.reg(to)) }

// set puts a constant into a register.
func (e *vector) set(v float64, to int) { e.move(e.constant(v), to) }

// clear clears a register.
func (e *vector) clear(i int) { e.zero(e.asm, i) }

// choose writes dst = mask ? yes : no, for a mask of whole lanes. temp may be
// yes; dst may be no.
func (e *vector) choose(mask int, yes, no any, dst, temp int) {
	e.and(mask, yes, temp)
	e.andNot(mask, no, dst)
	e.or(dst, temp, dst)
}

// negative writes dst = a mask of the lanes of x that have the sign bit.
func (e *vector) negative(x, dst int) { e.op("VPSRAD", 31, e.reg(x), e.reg(dst)) }

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
	e.set(expLeast, n)
	e.max(n, x, x)
	e.set(expMost, n)
	e.min(n, x, x)
	e.set(math.Log2E, n)
	e.two("VFMADD213PS", x, e.constant(expShift), n)
	e.set(expFit[0], p)
	e.power(x, n, p)
}

// power goes on with n = x/ln 2 + shift, and the first coefficient in p.
func (e *vector) power(x, n, p int) {
	e.sub(n, e.constant(expShift), n)
	e.op("VFNMADD231PS", e.constant(ln2High), e.reg(n), e.reg(x))
	e.op("VFNMADD231PS", e.constant(ln2Low), e.reg(n), e.reg(x))
	for _, c := range expFit[1:] {
		e.horner(p, x, c)
	}
	e.add(n, e.constant(expShift), n) // exact, as the difference was
	e.op("VPSLLD", 23, e.reg(n), e.reg(n))
	e.mul(p, n, x)
}
