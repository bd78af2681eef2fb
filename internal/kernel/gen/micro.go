package main

import "fmt"

// A micro is a micro-kernel: the product of a packed tile of A with a packed
// panel of B, all sums in registers. Registers from the bottom up: sums, row by
// row; two pieces of a row of B; two elements of A in turn, so that one can be
// loaded while the other is used.
type micro struct {
	tier string
	bank bank
	rows int // of the tile of A
	vecs int // registers that a row of B takes
}

// unroll is the number of steps of k in one turn of the loop.
const unroll = 2

// cols returns the columns of the panel of B.
func (m micro) cols() int { return m.vecs * m.bank.lanes() }

// sum returns the register of the sums of row i, piece v.
func (m micro) sum(i, v int) string { return m.bank.reg(i*m.vecs + v) }

// b returns the register of piece v of a row of B.
func (m micro) b(v int) string { return m.bank.reg(m.bank.count - 4 + v) }

// a returns the register of the element of A in row i.
func (m micro) a(i int) string { return m.bank.reg(m.bank.count - 2 + i%2) }

// function returns the micro-kernel as a function.
func (m micro) function() *function {
	return &function{
		name: fmt.Sprintf("gemm%dx%d%s", m.rows, m.cols(), m.tier),
		doc: []string{
			fmt.Sprintf("sets tile [%d, %d] to a · b, or adds that to it; see gemmMicro.", m.rows, m.cols()),
		},
		requires: map[bank]string{ymm: "AVX2, FMA", zmm: "AVX512F"}[m.bank],
		params: []param{
			{"depth", "uintptr"},
			{"a", "*float32"},
			{"b", "*float32"},
			{"tile", "*float32"},
			{"add", "bool"},
		},
		body: m.body,
	}
}

func (m micro) body(a *asm) {
	a.args(cx, si, di, dx)
	a.arg("MOVBLZX", "add", r9)
	for i := range m.rows * m.vecs {
		m.bank.zero(a, i)
		a.op("PREFETCHT0", dx.at(i*m.bank.bytes))
	}
	a.op("MOVQ", cx, bx)
	a.op("SHRQ", 1, bx)
	a.op("JZ", "last")
	a.loop("steps")
	for u := range unroll {
		m.step(a, u)
	}
	a.op("ADDQ", unroll*m.rows*4, si)
	a.op("ADDQ", unroll*m.vecs*m.bank.bytes, di)
	a.next(bx, "steps")
	a.label("last")
	a.op("ANDQ", unroll-1, cx)
	a.op("JZ", "sums")
	m.step(a, 0)
	m.finish(a)
}

// step writes one step of k: every element of a column of A times every piece
// of a row of B. A kernel for another number type differs from this one here.
func (m micro) step(a *asm, u int) {
	for v := range m.vecs {
		a.op("VMOVUPS", di.at((u*m.vecs+v)*m.bank.bytes), m.b(v))
	}
	for i := range m.rows {
		a.op("VBROADCASTSS", si.at((u*m.rows+i)*4), m.a(i))
		for v := range m.vecs {
			a.op("VFMADD231PS", m.b(v), m.a(i), m.sum(i, v))
		}
	}
}

// finish writes the sums to the tile.
func (m micro) finish(a *asm) {
	a.label("sums")
	a.op("TESTQ", r9, r9)
	a.op("JZ", "store")
	for i := range m.rows * m.vecs {
		a.op("VADDPS", dx.at(i*m.bank.bytes), m.bank.reg(i), m.bank.reg(i))
	}
	a.label("store")
	for i := range m.rows * m.vecs {
		a.op("VMOVUPS", m.bank.reg(i), dx.at(i*m.bank.bytes))
	}
	a.ret()
}

// peak returns a function that does nothing but multiply and add: 48
// instructions a turn, in so many sums that none waits for another.
func peak(tier string, b bank) *function {
	return &function{
		name:     "gemmPeak" + tier,
		doc:      []string{fmt.Sprintf("does %d multiplications and additions n times, for benchmarks.", 48*b.lanes())},
		requires: map[bank]string{ymm: "AVX2, FMA", zmm: "AVX512F"}[b],
		params:   []param{{"n", "uintptr"}},
		body: func(a *asm) {
			sums := b.count / 4 * 3
			a.args(cx)
			for i := range b.count {
				b.zero(a, i)
			}
			a.loop("steps")
			for i := range 48 {
				a.op("VFMADD231PS", b.reg(b.count-1), b.reg(b.count-2), b.reg(i%sums))
			}
			a.next(cx, "steps")
			a.ret()
		},
	}
}
