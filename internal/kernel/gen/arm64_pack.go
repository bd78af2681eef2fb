package main

import (
	"fmt"
	"strconv"
	"strings"
)

// The packers of arm64 do what those of amd64 do, and take the same parameters.
// They transpose eight columns at once, too, but copy eight at a time.

// neonPackers returns the packers of both layouts and both element types, and
// what works on whole tiles.
func neonPackers() []*function {
	list := []*function{
		transpose("gemmTransposeF32", "float32", 4, nil),
		transpose("gemmTransposeBF16", "uint16", 2, nil),
		copyRows("gemmCopyF32", "float32", 4, nil),
		copyRows("gemmCopyBF16", "uint16", 2, nil),
		round(),
		finish(),
		ahead(),
	}
	bodies := []func(a *asm){
		func(a *asm) { neonTransposeBody(a, neonStoreColumn) },
		func(a *asm) { neonTransposeBody(a, neonStorePair) },
		func(a *asm) { neonCopyBody(a, 4) },
		func(a *asm) { neonCopyBody(a, 2) },
		neonRoundBody,
		neonFinishBody,
		neonAheadBody,
	}
	for i, f := range list {
		f.requires = "ASIMD"
		f.body = bodies[i]
		f.doc[0] = strings.Replace(f.doc[0], "copies 16·groups", "copies 8·groups", 1)
	}
	return list
}

// prefetch fetches what lies index bytes behind r into the second level: Go's
// assembler has no name for that.
func (a *asm) prefetch(r, index reg) {
	base, offset := a.operand(r), a.operand(index)
	bits := 0xf8a06802 | armNumber(offset)<<16 | armNumber(base)<<5
	a.literal(bits, "prfm pldl2keep, [x%d, x%d]", armNumber(base), armNumber(offset))
}

// armNumber returns the number of a general register.
func armNumber(name string) uint32 {
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "R"), 10, 5)
	if err != nil {
		panic(fmt.Sprintf("register %s: %v", name, err))
	}
	return uint32(n)
}

// upper is the register of a mask of the upper halves of lanes.
const upper = 31

// neonTransposeBody turns 8 rows of 32 bytes at a time: row r is in registers 2r
// and 2r+1, and four columns at once in those of the lower rows and those of
// the upper.
func neonTransposeBody(a *asm, emit func(a *asm, low, high int)) {
	rows := []reg{ax, bx, dx, si, r8, r9, r10, r11}
	a.args(r13, di, cx)
	for r, p := range rows {
		a.op("MOVD", di.at(8*r), p)
		a.op("ADD", r13, p)
	}
	a.load("dst", di)
	a.load("stride", r12)
	a.load("ahead", r14)
	lanes(a, 0xffff0000, upper)
	a.loop("groups")
	for _, p := range rows {
		a.prefetch(p, r14)
	}
	for r, p := range rows {
		a.op("FLDPQ.P", p.at(32), fmt.Sprintf("(%s, %s)", f(2*r), f(2*r+1)))
	}
	for half := range 2 {
		low, high := [4]int{half, half + 2, half + 4, half + 6}, [4]int{half + 8, half + 10, half + 12, half + 14}
		neonTranspose4(a, low)
		neonTranspose4(a, high)
		for i := range low {
			emit(a, low[i], high[i])
		}
	}
	a.next(cx, "groups")
	a.ret()
}

// neonTranspose4 turns the 4x4 block in four registers.
func neonTranspose4(a *asm, r [4]int) {
	const t = 16
	for i := range 2 {
		a.op("VTRN1", v(r[2*i+1]), v(r[2*i]), v(t+2*i))
		a.op("VTRN2", v(r[2*i+1]), v(r[2*i]), v(t+2*i+1))
	}
	for i := range 2 {
		a.op("VTRN1", d2(t+2+i), d2(t+i), d2(r[i]))
		a.op("VTRN2", d2(t+2+i), d2(t+i), d2(r[2+i]))
	}
}

// d2 and h8 return register i as two and as eight integers.
func d2(i int) string { return fmt.Sprintf("V%d.D2", i) }
func h8(i int) string { return fmt.Sprintf("V%d.H8", i) }

// neonStoreColumn writes a column to dst.
func neonStoreColumn(a *asm, low, high int) {
	a.stores(di.at(0), low, high)
	a.op("ADD", r12, di)
}

// neonStorePair widens the two bfloat16 in each lane, k and k+1, and writes both
// columns.
func neonStorePair(a *asm, low, high int) {
	const even = 24
	a.op("VSHL", 16, v(low), v(even))
	a.op("VSHL", 16, v(high), v(even+1))
	neonStoreColumn(a, even, even+1)
	a.op("VAND", b16(upper), b16(low), b16(low))
	a.op("VAND", b16(upper), b16(high), b16(high))
	neonStoreColumn(a, low, high)
}

// lanes puts a number into every lane of register i.
func lanes(a *asm, n, i int) {
	const temp reg = "x14"
	a.op("MOVD", n, temp)
	a.op("VDUP", temp, v(i))
}

// neonCopyBody copies rows, eight elements at a time. A bfloat16 becomes a
// float32 when zeros are put below it.
func neonCopyBody(a *asm, size int) {
	const zero = 31
	a.args(si, r8, cx, di, r9, r10, r11)
	clearNeon(a, zero)
	a.loop("rows")
	a.op("MOVD", si, ax)
	a.op("MOVD", di, bx)
	a.op("MOVD", r10, dx)
	a.label("groups")
	a.prefetch(ax, r11)
	if size == 4 {
		a.loads(ax.at(0), 0, 1)
	} else {
		a.loads(ax.at(0), 2)
		a.op("VZIP1", h8(2), h8(zero), h8(0))
		a.op("VZIP2", h8(2), h8(zero), h8(1))
	}
	a.stores(bx.at(0), 0, 1)
	a.advance(ax, 8*size)
	a.advance(bx, 32)
	a.next(dx, "groups")
	a.op("ADD", r8, si)
	a.op("ADD", r9, di)
	a.next(cx, "rows")
	a.ret()
}
