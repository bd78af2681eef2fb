package main

import "fmt"

// A tile is a micro-kernel whose operands lie as they like: rows and columns of
// A any distance apart, so that it may be transposed, and B in rows. Registers
// are those of [micro]: sums, row by row; a row of B; two elements of A in turn.
type tile struct{ micro }

// rowOffsets lists where row i of A begins: a register that holds an odd
// multiple of the row stride, and the power of two it is scaled by. Row 0 is at
// the start.
var rowOffsets = [...]struct {
	odd   reg
	scale int
}{
	1: {ax, 1}, 2: {ax, 2}, 3: {bx, 1}, 4: {ax, 4}, 5: {r10, 1}, 6: {bx, 2}, 7: {r11, 1},
	8: {ax, 8}, 9: {r12, 1}, 10: {r10, 2}, 11: {r13, 1}, 12: {bx, 4}, 13: {r14, 1},
}

// odds lists the registers of the odd multiples of the row stride: 1, 3, 5, …
var odds = []reg{ax, bx, r10, r11, r12, r13, r14}

// function returns the micro-kernel as a function.
func (t tile) function() *function {
	return &function{
		name:     fmt.Sprintf("tile%dx%d%s", t.rows, t.cols(), t.tier),
		doc:      []string{fmt.Sprintf("sets c [%d, %d] to a · b, or adds that to it; see tileMicro.", t.rows, t.cols())},
		requires: t.instructions(),
		params: []param{
			{"depth", "uintptr"},
			{"a", "*float32"},
			{"b", "*float32"},
			{"c", "*float32"},
			{"aStep", "uintptr"},
			{"bStep", "uintptr"},
			{"aRow", "uintptr"},
			{"cRow", "uintptr"},
			{"add", "bool"},
		},
		body: t.body,
	}
}

// instructions returns the instruction sets of the micro-kernel.
func (t tile) instructions() string {
	if t.pairs {
		return t.requires()
	}
	return t.bank.requires()
}

func (t tile) body(a *asm) {
	a.args(cx, si, di, dx, r8, r9, ax)
	t.multiples(a)
	for i := range t.rows * t.vecs {
		t.bank.zero(a, i)
	}
	a.loop("steps")
	for v := range t.vecs {
		a.op("VMOVUPS", di.at(v*t.bank.bytes), t.bank.reg(t.b(v)))
	}
	for i := range t.rows {
		t.row(a, i)
	}
	a.op("ADDQ", r8, si)
	a.op("ADDQ", r9, di)
	a.next(cx, "steps")
	t.finish(a)
}

// row writes the products of row i of A with a row of B. An element that is used
// once needs no register of its own where an instruction can spread it.
func (t tile) row(a *asm, i int) {
	if t.bank == zmm && t.vecs == 1 && !t.pairs {
		a.op("VFMADD231PS.BCST", t.element(i), t.bank.reg(t.b(0)), t.bank.reg(t.sum(i, 0)))
		return
	}
	a.op("VBROADCASTSS", t.element(i), t.bank.reg(t.a(i)))
	for v := range t.vecs {
		t.multiply(a, t.b(v), t.a(i), t.sum(i, v))
	}
}

// multiples writes the odd multiples of the row stride that the rows need.
func (t tile) multiples(a *asm) {
	for i := 1; 2*i+1 < t.rows; i++ {
		a.op("LEAQ", odds[i-1].plus2(ax), odds[i])
	}
}

// element returns the memory of the present element of row i of A.
func (t tile) element(i int) string {
	if i == 0 {
		return si.at(0).text(string(si))
	}
	o := rowOffsets[i]
	return fmt.Sprintf("(%s)(%s*%d)", si, o.odd, o.scale)
}

// finish writes the sums to C.
func (t tile) finish(a *asm) {
	a.arg("MOVQ", "cRow", r8)
	a.arg("MOVBLZX", "add", r9)
	a.op("TESTQ", r9, r9)
	a.op("JZ", "store")
	a.op("MOVQ", dx, di)
	for i := range t.rows {
		for v := range t.vecs {
			a.op("VADDPS", di.at(v*t.bank.bytes), t.bank.reg(t.sum(i, v)), t.bank.reg(t.sum(i, v)))
		}
		a.op("ADDQ", r8, di)
	}
	a.label("store")
	for i := range t.rows {
		for v := range t.vecs {
			a.op("VMOVUPS", t.bank.reg(t.sum(i, v)), dx.at(v*t.bank.bytes))
		}
		a.op("ADDQ", r8, dx)
	}
	a.ret()
}

// plus2 returns the memory at r + 2·index.
func (r reg) plus2(index reg) string { return fmt.Sprintf("(%s)(%s*2)", r, index) }
