package main

import "fmt"

// A neonTile is a [tile] of 128-bit registers, with those of [neonMicro]: sums,
// a row of B, and two elements of A in turn, in lane 0. Rows of A have a pointer
// each. 24 of the 41 instructions of the loop multiply with 12 rows and 8
// columns, and 24 of 36 with 6 rows and 16 columns.
type neonTile struct{ tile }

// rowPointers lists the registers that point to rows of A.
var rowPointers = []reg{si, r11, r12, r13, r14, bx, "x14", "x15", "x19", "x20", "x21", "x22"}

// function returns the micro-kernel as a function.
func (t neonTile) function() *function {
	f := t.tile.function()
	f.requires = "ASIMD"
	f.body = t.body
	return f
}

// body keeps in ax how far the present elements lie behind the pointers.
func (t neonTile) body(a *asm) {
	a.args(cx, si, di, dx, r8, r9, r10)
	for i := 1; i < t.rows; i++ {
		a.op("ADD", r10, rowPointers[i-1], rowPointers[i])
	}
	for i := range t.rows * t.vecs {
		clearNeon(a, i)
	}
	a.op("MOVD", "ZR", ax)
	a.loop("steps")
	b := t.rows * t.vecs
	a.loads(di.at(0), sequence(b, t.vecs)...)
	for i := range t.rows {
		element := b + t.vecs + i%2
		a.op("FMOVS", fmt.Sprintf("(%s)(%s)", a.operand(rowPointers[i]), a.operand(ax)), f(element))
		for v := range t.vecs {
			fmla.element(a, element, 0, b+v, i*t.vecs+v)
		}
	}
	a.op("ADD", r8, ax)
	a.op("ADD", r9, di)
	a.next(cx, "steps")
	t.finish(a)
}

// finish writes the sums to C.
func (t neonTile) finish(a *asm) {
	a.load("cRow", r8)
	a.arg("MOVBU", "add", r9)
	a.skip(r9, "store")
	a.op("MOVD", dx, di)
	b := t.rows * t.vecs
	for i := range t.rows {
		a.loads(di.at(0), sequence(b, t.vecs)...)
		for v := range t.vecs {
			fadd.three(a, b+v, i*t.vecs+v, i*t.vecs+v)
		}
		a.op("ADD", r8, di)
	}
	a.label("store")
	for i := range t.rows {
		a.stores(dx.at(0), sequence(i*t.vecs, t.vecs)...)
		a.op("ADD", r8, dx)
	}
	a.ret()
}
