package main

// neonRoundBody does what [round] does: see there.
func neonRoundBody(a *asm) {
	const half, one, quiet = 28, 29, 30
	a.args(di, cx)
	lanes(a, 0x7fff, half)
	lanes(a, 1, one)
	lanes(a, 0xffff0000, upper)
	lanes(a, 0x400000, quiet)
	a.loop("groups")
	a.loads(di.at(0), 0, 1)
	for i := range 2 {
		sum, number := 2+i, 4+i
		a.op("VUSHR", 16, v(i), v(sum))
		a.op("VAND", b16(one), b16(sum), b16(sum))
		a.op("VADD", v(half), v(sum), v(sum))
		a.op("VADD", v(i), v(sum), v(sum))
		fcmeq.three(a, i, i, number)
		a.op("VORR", b16(quiet), b16(i), b16(i))
		a.op("VBIF", b16(number), b16(i), b16(sum))
		a.op("VAND", b16(upper), b16(sum), b16(sum))
	}
	a.stores(di.at(0), 2, 3)
	a.advance(di, 32)
	a.next(cx, "groups")
	a.ret()
}

// neonFinishBody does what [finish] says.
func neonFinishBody(a *asm) {
	const alpha, beta = 30, 31
	a.args(di, r8, si, cx, r10, r11)
	a.arg("FMOVS", "alpha", f(alpha))
	a.arg("FMOVS", "beta", f(beta))
	a.op("VDUP", lane0(alpha), v(alpha))
	a.op("VDUP", lane0(beta), v(beta))
	a.arg("MOVWU", "beta", r12)
	a.op("AND", 0x7fffffff, r12) // both zeros become 0
	a.label("rows")
	a.op("MOVD", di, ax)
	a.op("MOVD", r11, bx)
	a.op("MOVD", r10, dx)
	a.label("groups")
	a.loads(si.at(0), 0, 1)
	scalePair(a, alpha, 0)
	a.skip(r12, "bias")
	a.loads(ax.at(0), 2, 3)
	scalePair(a, beta, 2)
	addPair(a)
	a.label("bias")
	a.skip(r11, "store")
	a.loads(bx.at(0), 2, 3)
	addPair(a)
	a.advance(bx, 32)
	a.label("store")
	a.stores(ax.at(0), 0, 1)
	a.advance(si, 32)
	a.advance(ax, 32)
	a.next(dx, "groups")
	a.op("ADD", r8, di)
	a.next(cx, "rows")
	a.ret()
}

// neonAheadBody does what [ahead] says.
func neonAheadBody(a *asm) {
	aheadBody(a, "MOVD", "ADD", func() { a.op("PRFM", ax.at(0), "PSTL1KEEP") })
}

// scalePair multiplies registers first and the next by a factor.
func scalePair(a *asm, factor, first int) {
	fmul.three(a, factor, first, first)
	fmul.three(a, factor, first+1, first+1)
}

// addPair adds registers 2 and 3 to registers 0 and 1.
func addPair(a *asm) {
	fadd.three(a, 2, 0, 0)
	fadd.three(a, 3, 1, 1)
}
