package main

// A bank is the [isa] of its registers, of which it uses the first 16 only, one
// a column: both tiers share the text but for their names.

func (b bank) requires() string {
	return map[bank]string{ymm: "AVX2, FMA", zmm: "AVX512F, AVX512DQ, AVX512BW"}[b]
}

func (b bank) begin(*asm, bool) isa { return b }

func (b bank) column(*vector) int { return b.bytes }

// bits returns the name of a bitwise instruction: with 512 bits it tells the
// size of an element.
func (b bank) bits(op string) string {
	if b == zmm {
		op += "D"
	}
	return op
}

// r returns an operand: a register if it is a number.
func (b bank) r(o any) any {
	switch o := o.(type) {
	case int:
		return b.reg(o)
	case word:
		return constantName(o) + "<>(SB)"
	}
	return o
}

// operationNames lists the instructions.
var operationNames = [...]string{
	plus: "VADDPS", minus: "VSUBPS", times: "VMULPS", over: "VDIVPS", larger: "VMAXPS", bitAnd: "VPAND",
	fused: "VFMADD231PS", fusedMinus: "VFNMADD231PS", intPlus: "VPADDD", intMinus: "VPSUBD",
}

func (b bank) two(e *vector, o operation, x int, y any, dst int) {
	name := operationNames[o]
	if o == bitAnd {
		name = b.bits(name)
	}
	b.three(e, name, x, y, dst)
}

// three writes an instruction of three operands.
func (b bank) three(e *vector, name string, x int, y any, dst int) {
	e.op(name, b.r(y), b.reg(x), b.reg(dst))
}

func (b bank) horner(e *vector, p, x int, c word) { b.three(e, "VFMADD213PS", x, c, p) }

func (b bank) scaledLess(e *vector, x, y, z int) { b.three(e, "VFMSUB213PS", y, z, x) }

// atLeast and atMost use that instructions return the second operand if either
// is not a number.
func (b bank) atLeast(e *vector, x int, c word, temp int) {
	b.read(e, c, temp)
	b.three(e, "VMAXPS", temp, x, x)
}

func (b bank) atMost(e *vector, x int, c word, temp int) {
	b.read(e, c, temp)
	b.three(e, "VMINPS", temp, x, x)
}

func (b bank) root(e *vector, x, dst int) { e.op("VSQRTPS", b.reg(x), b.reg(dst)) }

func (b bank) signs(e *vector, x, dst int) { e.op("VPSRAD", 31, b.reg(x), b.reg(dst)) }

func (b bank) exponent(e *vector, x int) { e.op("VPSLLD", 23, b.reg(x), b.reg(x)) }

func (b bank) choose(e *vector, mask int, yes, no any, dst, temp int) {
	b.three(e, b.bits("VPAND"), mask, yes, temp)
	b.three(e, b.bits("VPANDN"), mask, no, dst) // ^mask & no
	b.three(e, b.bits("VPOR"), dst, temp, dst)
}

func (b bank) clear(e *vector, x int) { b.zero(e.asm, x) }

func (b bank) scalar(e *vector, name string, to int) { e.arg("VBROADCASTSS", name, b.reg(to)) }

func (b bank) spread(e *vector, r reg, to int) {
	e.op("VMOVD", r, x(to))
	e.op("VPBROADCASTD", x(to), b.reg(to))
}

// mask registers: of AVX-512, and of AVX2.
const (
	maskK = "K1"
	maskY = 15
)

// walk writes whole registers first, then what is left under a mask.
func (b bank) walk(e *vector, p *pointwise, s scalars) {
	e.op("MOVQ", cx, bx)
	e.op("SHRQ", shift(b.lanes()), bx)
	e.op("JZ", "rest")
	e.loop("whole")
	p.step(e, s)
	p.advance(e)
	e.next(bx, "whole")
	e.label("rest")
	e.op("ANDQ", b.lanes()-1, cx)
	e.op("JZ", "done")
	b.someLanes(e)
	e.some = true
	p.step(e, s)
	e.some = false
	e.label("done")
	p.store(e, s)
}

// shift returns the binary logarithm of n.
func shift(n int) (bits int) {
	for ; n > 1; n /= 2 {
		bits++
	}
	return bits
}

// someLanes makes the mask of the first cx lanes.
func (b bank) someLanes(e *vector) {
	if b == zmm {
		e.op("MOVL", 1, ax)
		e.op("SHLL", cx, ax)
		e.op("DECL", ax)
		e.op("KMOVW", ax, maskK)
		return
	}
	e.op("VMOVQ", cx, x(maskY))
	e.op("VPBROADCASTD", x(maskY), b.reg(maskY))
	e.op("VPCMPGTD", "laneNumbers<>(SB)", b.reg(maskY), b.reg(maskY))
}

// laneNumbers is the data of the numbers of the lanes.
const laneNumbers = `
DATA laneNumbers<>+0(SB)/8, $0x0000000100000000
DATA laneNumbers<>+8(SB)/8, $0x0000000300000002
DATA laneNumbers<>+16(SB)/8, $0x0000000500000004
DATA laneNumbers<>+24(SB)/8, $0x0000000700000006
GLOBL laneNumbers<>(SB), RODATA|NOPTR, $32
`

func (b bank) read(e *vector, from any, to int) {
	_, slice := from.(mem)
	switch {
	case !e.some || !slice:
		e.op("VMOVUPS", b.r(from), b.reg(to))
	case b == zmm:
		e.op("VMOVUPS.Z", from, maskK, b.reg(to))
	default:
		e.op("VMASKMOVPS", from, b.reg(maskY), b.reg(to))
	}
}

func (b bank) write(e *vector, from int, to mem) {
	switch {
	case !e.some:
		e.op("VMOVUPS", b.reg(from), to)
	case b == zmm:
		e.op("VMOVUPS", b.reg(from), maskK, to)
	default:
		e.op("VMASKMOVPS", b.reg(from), b.reg(maskY), to)
	}
}

func (b bank) drop(e *vector, x int) {
	switch {
	case !e.some:
	case b == zmm:
		e.op("VMOVAPS.Z", b.reg(x), maskK, b.reg(x))
	default:
		b.three(e, "VPAND", x, maskY, x)
	}
}
