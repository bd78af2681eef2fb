package main

// round returns the function that rounds to bfloat16 in place, as BF16FromF32
// does: add half of the last place that stays, less one if that place is even,
// and cut; a NaN is made quiet and cut.
func round() *function {
	const half, one, upper, quiet = 1, 2, 3, 4
	return &function{
		name:     "gemmRound",
		doc:      []string{"rounds 8·groups elements at p to bfloat16; see BF16FromF32."},
		requires: packRequires,
		params:   []param{{"p", "*float32"}, {"groups", "uintptr"}},
		body: func(a *asm) {
			a.args(di, cx)
			constant(a, 0x7fff, half)
			constant(a, 1, one)
			constant(a, 0xffff0000, upper)
			constant(a, 0x400000, quiet)
			a.loop("groups")
			a.op("VMOVUPS", di.at(0), y(5))
			a.op("VPSRLD", 16, y(5), y(6))
			a.op("VPAND", y(one), y(6), y(6))
			a.op("VPADDD", y(half), y(6), y(6))
			a.op("VPADDD", y(5), y(6), y(6))
			a.op("VCMPPS", 3, y(5), y(5), y(7)) // not ordered: a NaN
			a.op("VPOR", y(quiet), y(5), y(5))
			a.op("VBLENDVPS", y(7), y(5), y(6), y(6))
			a.op("VPAND", y(upper), y(6), y(6))
			a.op("VMOVUPS", y(6), di.at(0))
			a.op("ADDQ", 32, di)
			a.next(cx, "groups")
			a.ret()
		},
	}
}

// constant puts a number into every lane of register v.
func constant(a *asm, n, v int) {
	a.op("MOVL", n, ax)
	a.op("VMOVD", ax, x(v))
	a.op("VPBROADCASTD", x(v), y(v))
}

// finish returns the function that writes a tile of sums to C.
func finish() *function {
	return &function{
		name: "gemmFinish",
		doc: []string{
			"sets rows of 8·groups elements, stride bytes apart, at c to",
			"alpha · tile + beta · c + bias, rounding after each product and each sum. Rows",
			"of tile follow each other. c is not read if beta is 0; bias may be nil.",
		},
		requires: packRequires,
		params: []param{
			{"c", "*float32"},
			{"stride", "uintptr"},
			{"tile", "*float32"},
			{"rows", "uintptr"},
			{"groups", "uintptr"},
			{"bias", "*float32"},
			{"alpha", "float32"},
			{"beta", "float32"},
		},
		body: finishBody,
	}
}

// ahead returns the function that fetches what finish will write.
func ahead() *function {
	return &function{
		name:     "gemmAhead",
		doc:      []string{"fetches rows of 16·lines elements, stride bytes apart, at c to write to them."},
		requires: packRequires,
		params:   []param{{"c", "*float32"}, {"stride", "uintptr"}, {"rows", "uintptr"}, {"lines", "uintptr"}},
		body: func(a *asm) {
			aheadBody(a, "MOVQ", "ADDQ", func() {
				// Go's assembler has no PREFETCHW; processors without it do nothing.
				a.op("WORD", "$0x0d0f; BYTE $0x08 // PREFETCHW (AX)")
			})
		},
	}
}

// aheadBody writes ahead with the instructions of an architecture that copy a register
// and add one, and fetch, which fetches the line at ax.
func aheadBody(a *asm, move, add string, fetch func()) {
	const line = 64
	a.args(di, r8, cx, r10)
	a.label("rows")
	a.op(move, di, ax)
	a.op(move, r10, dx)
	a.label("lines")
	fetch()
	a.advance(ax, line)
	a.next(dx, "lines")
	a.op(add, r8, di)
	a.next(cx, "rows")
	a.ret()
}

func finishBody(a *asm) {
	const alpha, beta = 14, 15
	a.args(di, r8, si, cx, r10, r11)
	a.arg("VBROADCASTSS", "alpha", y(alpha))
	a.arg("VBROADCASTSS", "beta", y(beta))
	a.arg("MOVL", "beta", r12)
	a.op("SHLL", 1, r12) // both zeros become 0
	a.label("rows")
	a.op("MOVQ", di, ax)
	a.op("MOVQ", r11, bx)
	a.op("MOVQ", r10, dx)
	a.label("groups")
	a.op("VMULPS", si.at(0), y(alpha), y(0))
	a.op("TESTL", r12, r12)
	a.op("JZ", "bias")
	a.op("VMULPS", ax.at(0), y(beta), y(1))
	a.op("VADDPS", y(1), y(0), y(0))
	a.label("bias")
	a.op("TESTQ", r11, r11)
	a.op("JZ", "store")
	a.op("VADDPS", bx.at(0), y(0), y(0))
	a.op("ADDQ", 32, bx)
	a.label("store")
	a.op("VMOVUPS", y(0), ax.at(0))
	a.op("ADDQ", 32, si)
	a.op("ADDQ", 32, ax)
	a.next(dx, "groups")
	a.op("ADDQ", r8, di)
	a.next(cx, "rows")
	a.ret()
}
