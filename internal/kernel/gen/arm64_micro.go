package main

// A neonMicro is a [micro] of 128-bit registers: sums, row by row; then a row of
// B; then a column of A, four rows a register, whose elements the multiplications
// pick. A turn of the loop has 96 multiplications of four lanes each among 112
// instructions, or 86 in 100, with 12 rows and 8 columns, and among 114 with 6
// rows and 16 columns; all but 4 of the others are loads.
type neonMicro struct{ micro }

// neonUnroll is the number of steps of k in one turn of the loop.
const neonUnroll = 4

// first returns the register of the first piece of a row of B.
func (m neonMicro) first() int { return m.rows * m.vecs }

// column returns the register of the elements of A of row i.
func (m neonMicro) column(i int) int { return m.first() + m.vecs + i/4 }

// function returns the micro-kernel as a function.
func (m neonMicro) function() *function {
	f := m.micro.function()
	f.requires = "ASIMD"
	f.body = m.body
	return f
}

func (m neonMicro) body(a *asm) {
	a.args(cx, si, di, dx)
	a.arg("MOVBU", "add", r9)
	for i := range m.rows * m.vecs {
		clearNeon(a, i)
		if i%4 == 0 {
			a.op("PRFM", dx.at(i*m.bank.bytes), "PLDL1KEEP")
		}
	}
	a.op("LSR", shift(neonUnroll), cx, bx)
	a.skip(bx, "rest")
	a.loop("steps")
	for u := range neonUnroll {
		m.step(a, u)
	}
	m.advance(a, neonUnroll)
	a.next(bx, "steps")
	a.label("rest")
	a.op("AND", neonUnroll-1, cx)
	a.skip(cx, "sums")
	a.label("single")
	m.step(a, 0)
	m.advance(a, 1)
	a.next(cx, "single")
	m.finish(a)
}

// step writes one step of k. The column of A is read in whole registers: what is
// beyond its end belongs to the next, or to the slack behind the last.
func (m neonMicro) step(a *asm, u int) {
	a.loads(di.at(u*m.vecs*m.bank.bytes), sequence(m.first(), m.vecs)...)
	a.loads(si.at(u*m.rows*4), sequence(m.column(0), (m.rows+3)/4)...)
	for i := range m.rows {
		for v := range m.vecs {
			fmla.element(a, m.column(i), i%4, m.first()+v, i*m.vecs+v)
		}
	}
}

// advance moves on by n steps.
func (m neonMicro) advance(a *asm, n int) {
	a.advance(si, n*m.rows*4)
	a.advance(di, n*m.vecs*m.bank.bytes)
}

// finish writes the sums to the tile. Four registers are free for what is added.
func (m neonMicro) finish(a *asm) {
	a.label("sums")
	a.skip(r9, "store")
	for i := 0; i < m.rows*m.vecs; i += 2 {
		n := min(2, m.rows*m.vecs-i)
		a.loads(dx.at(i*m.bank.bytes), sequence(spare, n)...)
		for j := range n {
			fadd.three(a, spare+j, i+j, i+j)
		}
	}
	a.label("store")
	a.stores(dx.at(0), sequence(0, m.rows*m.vecs)...)
	a.ret()
}

// sequence returns n numbers from first on.
func sequence(first, n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = first + i
	}
	return list
}

// clearNeon clears register i.
func clearNeon(a *asm, i int) { a.op("VEOR", b16(i), b16(i), b16(i)) }

// neonPeak is [peak] for NEON.
func neonPeak() *function {
	p := peak(neonTiers[0])
	p.requires = "ASIMD"
	p.body = func(a *asm) {
		const sums = 24
		a.args(cx)
		for i := range neonBank.count {
			clearNeon(a, i)
		}
		a.loop("steps")
		for i := range 48 {
			fmla.element(a, 31, i%4, 30, i%sums)
		}
		a.next(cx, "steps")
		a.ret()
	}
	return p
}

// neonTiers lists the micro-kernels that fill the registers: of many rows, and
// of few, which have more sums each where there is but a row or two.
var neonTiers = []tier{
	{"NEON", neonBank, 6, []int{4}},
	{"NEON", neonBank, 12, []int{2}},
}

// neonProducts returns the matrix product.
func neonProducts() unit {
	u := unit{
		arch: arm64{},
		name: "matmul",
		intro: `// Routines of the matrix product: micro-kernels and packers. The line above
// each says which instructions it requires; matmul_arm64.go chooses.`,
		functions: append(neonPackers(), neonPeak()),
	}
	for _, t := range neonTiers {
		u.add(t.table("gemm", "gemmMicro", t.vecs[0], func(m micro) *function { return neonMicro{m}.function() }))
	}
	return u
}
