package main

import "fmt"

// A vecs is a kernel that multiplies few rows x with rows of a matrix as they
// lie in memory, k fastest in both: lanes are neighbours in k, and every product
// of two rows has one register of sums. Registers from the bottom up: sums, row
// by row of x; the pieces of all rows of x, if there is room; a row of the matrix
// in pieces; a mask.
type vecs struct {
	tier string
	bank bank
	rows int  // of x
	cols int  // rows of the matrix
	bf16 bool // the matrix is in bfloat16
}

// vecRows is the largest number of rows of x.
const vecRows = 4

// vecTables returns the kernels of a tier.
func vecTables(t tier) []table {
	var list []table
	for _, bf16 := range []bool{false, true} {
		v := vecs{tier: t.name, bank: t.bank, bf16: bf16}
		_, _, name := v.element()
		l := table{name: "vec" + name + t.name, kind: "vec" + name, what: "the kernels of a matrix in " + name + ", by rows of x less one"}
		for v.rows = 1; v.rows <= vecRows; v.rows++ {
			v.cols = vecCols(t.bank, v.rows)
			l.functions = append(l.functions, v.function())
		}
		list = append(list, l)
	}
	return list
}

// vecCols returns how many rows of the matrix are worked on together: enough
// that sums do not wait for each other.
func vecCols(b bank, rows int) int {
	if b == ymm && rows > 2 {
		return 2
	}
	return 4
}

// element returns the type of an element of the matrix, its bytes, and what it
// is called in names.
func (v vecs) element() (kind string, size int, name string) {
	if v.bf16 {
		return "uint16", 2, "BF16"
	}
	return "float32", 4, "F32"
}

// pieces returns the registers that a step takes of a row of x.
func (v vecs) pieces() int {
	_, size, _ := v.element()
	return 4 / size
}

// sum returns the register of the sums of two rows.
func (v vecs) sum(row, col int) string { return v.bank.reg(row*v.cols + col) }

// x returns the register of a piece of a row of x, and whether there is one.
func (v vecs) x(row, piece int) (r string, ok bool) {
	const others = 3 // two pieces and the mask
	i := v.rows*v.cols + row*v.pieces() + piece
	ok = v.rows*(v.cols+v.pieces()) <= v.bank.count-others
	return v.bank.reg(i), ok
}

// piece and mask return the registers for a row of the matrix.
func (v vecs) piece(i int) string { return v.bank.reg(v.bank.count - 2 - i) }
func (v vecs) mask() string       { return v.bank.reg(v.bank.count - 1) }

// function returns the kernel as a function.
func (v vecs) function() *function {
	kind, _, name := v.element()
	return &function{
		name: fmt.Sprintf("vec%dx%d%s%s", v.rows, v.cols, name, v.tier),
		doc: []string{
			fmt.Sprintf("sets sums [%d, %d] to x · wᵀ; see vec%s.", v.rows, v.cols, name),
		},
		requires: map[bank]string{ymm: "AVX2, FMA", zmm: "AVX512F, AVX512VL"}[v.bank],
		params: []param{
			{"steps", "uintptr"},
			{"x", "*float32"},
			{"xStride", "uintptr"},
			{"w", "*" + kind},
			{"wStride", "uintptr"},
			{"sums", "*float32"},
		},
		body: v.body,
	}
}

func (v vecs) body(a *asm) {
	a.args(cx, di, r10, si, r8, dx)
	a.op("LEAQ", r8.plus2(r8), r9)
	a.op("LEAQ", r10.plus2(r10), r11)
	a.op("LEAQ", fmt.Sprintf("(%s)(%s*8)", si, r8), r12)
	if v.bf16 {
		a.op("MOVL", 0xffff0000, ax)
		a.op("VMOVD", ax, x(0))
		a.op("VPBROADCASTD", x(0), v.mask())
	}
	for i := range v.rows * v.cols {
		v.bank.zero(a, i)
	}
	a.loop("steps")
	v.loadX(a)
	for c := range v.cols {
		for range v.bank.bytes / ymm.bytes { // one is dropped now and then
			a.op("PREFETCHT1", row4(r12, r8, r9, c, 0))
		}
		v.multiply(a, c)
	}
	a.op("ADDQ", v.bank.bytes, si)
	a.op("ADDQ", v.bank.bytes, r12)
	a.op("ADDQ", v.bank.bytes*v.pieces(), di)
	a.next(cx, "steps")
	v.finish(a)
}

// row4 returns the memory disp bytes behind element i of four that lie stride
// apart from base on; three times the stride is in a register too.
func row4(base, stride, stride3 reg, i, disp int) string {
	index := []string{"", fmt.Sprintf("(%s*1)", stride), fmt.Sprintf("(%s*2)", stride), fmt.Sprintf("(%s*1)", stride3)}
	return base.at(disp).text(string(base)) + index[i]
}

// loadX writes the loads of a step of all rows of x, if there is room.
func (v vecs) loadX(a *asm) {
	for row := range v.rows {
		for p := range v.pieces() {
			if r, ok := v.x(row, p); ok {
				a.op("VMOVUPS", row4(di, r10, r11, row, p*v.bank.bytes), r)
			}
		}
	}
}

// multiply writes a step of one row of the matrix with all rows of x. A register
// of bfloat16 has the even elements in the lower halves of its lanes.
func (v vecs) multiply(a *asm, col int) {
	a.op("VMOVUPS", row4(si, r8, r9, col, 0), v.piece(0))
	if v.bf16 {
		a.op(v.bank.bits("VPAND"), v.mask(), v.piece(0), v.piece(1))
		a.op("VPSLLD", 16, v.piece(0), v.piece(0))
	}
	for p := range v.pieces() {
		for row := range v.rows {
			from, ok := v.x(row, p)
			if !ok {
				from = row4(di, r10, r11, row, p*v.bank.bytes)
			}
			a.op("VFMADD231PS", from, v.piece(p), v.sum(row, col))
		}
	}
}

// finish writes the sums, the lanes of each added up in halves.
func (v vecs) finish(a *asm) {
	t, quarter := v.bank.count-2, "VEXTRACTF128"
	if v.bank == zmm {
		quarter = "VEXTRACTF32X4" // the other has no register 30
	}
	for i := range v.rows * v.cols {
		if v.bank == zmm {
			a.op("VEXTRACTF64X4", 1, z(i), y(t))
			a.op("VADDPS", y(t), y(i), y(i))
		}
		a.op(quarter, 1, y(i), x(t))
		a.op("VADDPS", x(t), x(i), x(i))
		a.op("VHADDPS", x(i), x(i), x(i))
		a.op("VHADDPS", x(i), x(i), x(i))
		a.op("VMOVSS", x(i), dx.at(4*i))
	}
	a.ret()
}

// read returns the function that does nothing but read.
func read() *function {
	const line, lines, ahead = 64, 8, 2048
	return &function{
		name:     "readLines",
		doc:      []string{"reads n times 512 bytes, for benchmarks."},
		requires: packRequires,
		params:   []param{{"p", "*byte"}, {"n", "uintptr"}},
		body: func(a *asm) {
			a.args(si, cx)
			a.loop("lines")
			for i := range lines {
				a.op("PREFETCHT1", si.at(ahead+i*line))
				a.op("VMOVUPS", si.at(i*line), y(2*i))
				a.op("VMOVUPS", si.at(i*line+line/2), y(2*i+1))
			}
			a.op("ADDQ", line*lines, si)
			a.next(cx, "lines")
			a.ret()
		},
	}
}
