package main

import "fmt"

// The packers bring operands into the order that micro-kernels read. They work
// on eight columns of float32, one register of 256 bits, in both tiers.

const packRequires = "AVX2"

// transpose returns the packer for an operand that is stored with k fastest:
// eight of its rows become eight columns.
func transpose(name, kind string, size int, emit func(a *asm, v int)) *function {
	return &function{
		name: name,
		doc: []string{
			"sets column k of dst to element k of 8 rows of src, for k",
			fmt.Sprintf("below %d·groups. Row r begins offsets[r] bytes behind src; columns of dst are", 32/size),
			"stride bytes apart. What lies ahead bytes further is fetched into the cache.",
		},
		requires: packRequires,
		params: []param{
			{"src", "*" + kind},
			{"offsets", "*[8]uintptr"},
			{"groups", "uintptr"},
			{"dst", "*float32"},
			{"stride", "uintptr"},
			{"ahead", "uintptr"},
		},
		body: func(a *asm) { transposeBody(a, emit) },
	}
}

// transposeBody turns 8 rows of 32 bytes at a time. r13 is the offset in the
// rows, r14 that of what is fetched, di the next column of dst, r12 its stride.
func transposeBody(a *asm, emit func(a *asm, v int)) {
	rows := []reg{ax, bx, dx, si, r8, r9, r10, r11}
	a.args(r13, di, cx)
	for r, p := range rows {
		a.op("MOVQ", di.at(8*r), p)
		a.op("ADDQ", r13, p)
	}
	a.arg("MOVQ", "dst", di)
	a.arg("MOVQ", "stride", r12)
	a.arg("MOVQ", "ahead", r14)
	a.op("XORQ", r13, r13)
	a.loop("groups")
	for r := range rows { // into the second level: rows a power of two apart crowd the first
		a.op("PREFETCHT1", rows[r].plus(r14, 0))
	}
	for r := range 4 {
		for half := range 2 {
			v := r + 4*half
			a.op("VMOVUPS", rows[r].plus(r13, 16*half), x(v))
			a.op("VINSERTF128", 1, rows[r+4].plus(r13, 16*half), y(v), y(v))
		}
	}
	for half := range 2 {
		transpose4(a, 4*half)
		for r := range 4 {
			emit(a, 4*half+r)
		}
	}
	a.op("ADDQ", 32, r13)
	a.op("ADDQ", 32, r14)
	a.next(cx, "groups")
	a.ret()
}

// transpose4 turns the 4x4 blocks in both halves of registers v..v+3.
func transpose4(a *asm, v int) {
	const t = 8
	for i := range 2 {
		a.op("VUNPCKLPS", y(v+2*i+1), y(v+2*i), y(t+2*i))
		a.op("VUNPCKHPS", y(v+2*i+1), y(v+2*i), y(t+2*i+1))
	}
	for i := range 2 {
		a.op("VUNPCKLPD", y(t+2+i), y(t+i), y(v+2*i))
		a.op("VUNPCKHPD", y(t+2+i), y(t+i), y(v+2*i+1))
	}
}

// storeColumn writes register v to dst.
func storeColumn(a *asm, v int) {
	a.op("VMOVUPS", y(v), di.at(0))
	a.op("ADDQ", r12, di)
}

// storePair widens the two bfloat16 in each lane of register v, k and k+1, and
// writes both.
func storePair(a *asm, v int) {
	const even = 12
	a.op("VPSLLD", 16, y(v), y(even))
	storeColumn(a, even)
	a.op("VPSRLD", 16, y(v), y(v))
	a.op("VPSLLD", 16, y(v), y(v))
	storeColumn(a, v)
}

// copyRows returns the packer for an operand that is stored with k slowest:
// its rows are copied, 16 elements at a time, each half by load.
func copyRows(name, kind string, size int, load func(a *asm, half int)) *function {
	return &function{
		name: name,
		doc: []string{
			"copies 16·groups elements of each of n rows. Strides are in bytes.",
			"Rows are written in order, so a row may run into the place of the next. What",
			"lies ahead bytes further in src is fetched into the cache.",
		},
		requires: packRequires,
		params: []param{
			{"src", "*" + kind},
			{"srcStride", "uintptr"},
			{"n", "uintptr"},
			{"dst", "*float32"},
			{"dstStride", "uintptr"},
			{"groups", "uintptr"},
			{"ahead", "uintptr"},
		},
		body: func(a *asm) {
			a.args(si, r8, cx, di, r9, r10, r11)
			a.loop("rows")
			a.op("MOVQ", si, ax)
			a.op("MOVQ", di, bx)
			a.op("MOVQ", r10, dx)
			a.label("groups")
			a.op("PREFETCHT1", ax.plus(r11, 0))
			for half := range 2 {
				load(a, half)
				a.op("VMOVUPS", y(half), bx.at(32*half))
			}
			a.op("ADDQ", 16*size, ax)
			a.op("ADDQ", 64, bx)
			a.next(dx, "groups")
			a.op("ADDQ", r8, si)
			a.op("ADDQ", r9, di)
			a.next(cx, "rows")
			a.ret()
		},
	}
}

// packers returns the packers of both layouts and both element types.
func packers() []*function {
	return []*function{
		transpose("gemmTransposeF32", "float32", 4, storeColumn),
		transpose("gemmTransposeBF16", "uint16", 2, storePair),
		copyRows("gemmCopyF32", "float32", 4, func(a *asm, half int) {
			a.op("VMOVUPS", ax.at(32*half), y(half))
		}),
		copyRows("gemmCopyBF16", "uint16", 2, func(a *asm, half int) {
			a.op("VPMOVZXWD", ax.at(16*half), y(half))
			a.op("VPSLLD", 16, y(half), y(half))
		}),
	}
}
