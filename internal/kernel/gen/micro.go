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

	// pairs says that a packed element is two bfloat16, of k and k+1, not one
	// float32. Nothing else differs: both are four bytes.
	pairs bool
}

// unroll is the number of steps of k in one turn of the loop.
const unroll = 2

// cols returns the columns of the panel of B.
func (m micro) cols() int { return m.vecs * m.bank.lanes() }

// sum returns the register of the sums of row i, piece v.
func (m micro) sum(i, v int) int { return i*m.vecs + v }

// b returns the register of piece v of a row of B.
func (m micro) b(v int) int { return m.bank.count - 4 + v }

// a returns the register of the element of A in row i.
func (m micro) a(i int) int { return m.bank.count - 2 + i%2 }

// function returns the micro-kernel as a function.
func (m micro) function() *function {
	return &function{
		name: fmt.Sprintf("gemm%dx%d%s", m.rows, m.cols(), m.tier),
		doc: []string{
			fmt.Sprintf("sets tile [%d, %d] to a · b, or adds that to it; see gemmMicro.", m.rows, m.cols()),
		},
		requires: m.requires(),
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

// requires returns the instruction sets of the kernel.
func (m micro) requires() string {
	switch {
	case m.pairs:
		return "AVX512F, AVX512_BF16"
	case m.bank == zmm:
		return "AVX512F"
	}
	return "AVX2, FMA"
}

// multiply writes the instruction that adds the products of registers x and y,
// lane by lane, to sum.
func (m micro) multiply(a *asm, x, y, sum int) {
	if m.pairs {
		dotPairs(a, x, y, sum)
		return
	}
	a.op("VFMADD231PS", m.bank.reg(x), m.bank.reg(y), m.bank.reg(sum))
}

// step writes one step of packed elements: every one of a column of A times
// every piece of a row of B.
func (m micro) step(a *asm, u int) {
	for v := range m.vecs {
		a.op("VMOVUPS", di.at((u*m.vecs+v)*m.bank.bytes), m.bank.reg(m.b(v)))
	}
	for i := range m.rows {
		a.op("VBROADCASTSS", si.at((u*m.rows+i)*4), m.bank.reg(m.a(i)))
		for v := range m.vecs {
			m.multiply(a, m.b(v), m.a(i), m.sum(i, v))
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
func peak(t tier) *function {
	m := micro{tier: t.name, bank: t.bank, pairs: t.name == bf16Tier.name}
	products := 48 * m.bank.lanes()
	if m.pairs {
		products *= 2
	}
	return &function{
		name:     "gemmPeak" + m.tier,
		doc:      []string{fmt.Sprintf("does %d multiplications and additions n times, for benchmarks.", products)},
		requires: m.requires(),
		params:   []param{{"n", "uintptr"}},
		body: func(a *asm) {
			sums := m.bank.count / 4 * 3
			a.args(cx)
			for i := range m.bank.count {
				m.bank.zero(a, i)
			}
			a.loop("steps")
			for i := range 48 {
				m.multiply(a, m.bank.count-1, m.bank.count-2, i%sums)
			}
			a.next(cx, "steps")
			a.ret()
		},
	}
}
