package main

import (
	"fmt"
	"strconv"
)

// A vecs is a kernel that multiplies few rows x with rows of a matrix as they
// lie in memory, k fastest in both: lanes are neighbours in k, and every product
// of two rows has one register of sums. Registers from the bottom up: sums, row
// by row of x; the pieces of all rows of x, if there is room; a row of the matrix
// in pieces; a mask. Where there are many registers and many rows, the pieces of all
// rows of the matrix are loaded first, and then x piece by piece. Where there are few
// registers and many rows, the same is done one piece at a time, so that x, which is
// longer than the first-level cache then, is loaded once for several rows of the matrix.
type vecs struct {
	tier string
	bank bank
	rows int // of x
	cols int // rows of the matrix
	kind vecKind
}

// A vecKind says of what type the operands of a kernel are.
type vecKind struct {
	name   string
	x, w   string // types in Go
	sizes  [2]int // of their elements
	pieces int    // registers that a step takes of a row of x
}

// The kinds: float32, a matrix in bfloat16 that is widened, and pairs of bfloat16.
var (
	vecF32   = vecKind{"F32", "float32", "float32", [2]int{4, 4}, 1}
	vecBF16  = vecKind{"BF16", "float32", "uint16", [2]int{4, 2}, 2}
	vecPairs = vecKind{"Pairs", "uint16", "uint16", [2]int{2, 2}, 1}
)

// vecTables returns the kernels of a tier.
func vecTables(t tier, kinds ...vecKind) []table {
	var list []table
	for _, kind := range kinds {
		v := vecs{tier: t.name, bank: t.bank, kind: kind}
		l := table{name: "vec" + kind.name + t.name, kind: "vec" + kind.name, what: "the kernels of a matrix in " + kind.name + ", by rows of x less one"}
		for v.rows = 1; v.rows <= kind.vecRows(); v.rows++ {
			v.cols = v.most()
			l.functions = append(l.functions, v.function())
		}
		list = append(list, l)
	}
	return list
}

// vecRows returns the largest number of rows of x: so many that x stays near.
func (k vecKind) vecRows() int {
	if k == vecPairs {
		return 8
	}
	return 4
}

// most returns how many rows of the matrix are worked on together: enough that sums
// do not wait for each other.
func (v vecs) most() int {
	switch {
	case v.wide() || v.tight():
		return 3
	case v.bank == ymm && v.rows > 2:
		return 2
	}
	return 4
}

// wide reports whether x is loaded piece by piece.
func (v vecs) wide() bool { return v.rows > 4 }

// tight reports whether each piece of the matrix and of x is loaded when its turn has
// come. There is no register for a mask then.
func (v vecs) tight() bool { return v.bank == ymm && v.rows == 4 }

// sum returns the register of the sums of two rows.
func (v vecs) sum(row, col int) string { return v.bank.reg(row*v.cols + col) }

// x returns the register of a piece of a row of x, and whether there is one.
func (v vecs) x(row, piece int) (r string, ok bool) {
	const others = 3 // two pieces and the mask
	i := v.rows*v.cols + row*v.kind.pieces + piece
	ok = v.rows*(v.cols+v.kind.pieces) <= v.bank.count-others
	return v.bank.reg(i), ok
}

// piece and mask return the registers for a row of the matrix.
func (v vecs) piece(i int) string { return v.bank.reg(v.bank.count - 2 - i) }
func (v vecs) mask() string       { return v.bank.reg(v.bank.count - 1) }

// function returns the kernel as a function.
func (v vecs) function() *function {
	return &function{
		name: fmt.Sprintf("vec%dx%d%s%s", v.rows, v.cols, v.kind.name, v.tier),
		doc: []string{
			fmt.Sprintf("sets sums [%d, %d] to x · wᵀ; see vec%s.", v.rows, v.cols, v.kind.name),
		},
		requires: v.requires(),
		params: []param{
			{"steps", "uintptr"},
			{"x", "*" + v.kind.x},
			{"xStride", "uintptr"},
			{"w", "*" + v.kind.w},
			{"wStride", "uintptr"},
			{"sums", "*float32"},
		},
		body: v.body,
	}
}

// requires returns the instruction sets of the kernel.
func (v vecs) requires() string {
	switch {
	case v.kind == vecPairs:
		return "AVX512F, AVX512VL, AVX512_BF16"
	case v.bank == zmm:
		return "AVX512F, AVX512VL"
	}
	return "AVX2, FMA"
}

func (v vecs) body(a *asm) {
	a.args(cx, di, r10, si, r8, dx)
	a.op("LEAQ", r8.plus2(r8), r9)
	a.op("LEAQ", r10.plus2(r10), r11)
	a.op("LEAQ", fmt.Sprintf("(%s)(%s*8)", si, r8), r12)
	if v.wide() {
		a.op("LEAQ", fmt.Sprintf("(%s)(%s*4)", di, r10), r13)
	}
	if v.kind == vecBF16 && !v.tight() {
		a.op("MOVL", 0xffff0000, ax)
		a.op("VMOVD", ax, x(0))
		a.op("VPBROADCASTD", x(0), v.mask())
	}
	for i := range v.rows * v.cols {
		v.bank.zero(a, i)
	}
	a.loop("steps")
	switch {
	case v.wide():
		v.stepWide(a)
	case v.tight():
		v.stepTight(a)
	default:
		v.step(a)
	}
	a.op("ADDQ", v.bank.bytes, si)
	a.op("ADDQ", v.bank.bytes, r12)
	a.op("ADDQ", v.stepBytes(), di)
	if v.wide() {
		a.op("ADDQ", v.stepBytes(), r13)
	}
	a.next(cx, "steps")
	v.finish(a)
}

// stepBytes returns the bytes of a step of a row of x.
func (v vecs) stepBytes() int { return v.bank.bytes * v.kind.pieces }

// step writes one step of all rows.
func (v vecs) step(a *asm) {
	v.loadX(a)
	for c := range v.cols {
		v.fetch(a, c, v.bank.bytes/ymm.bytes)
		v.multiply(a, c)
	}
}

// fetch writes the fetching of what a row of the matrix further on has, several
// times: one is dropped now and then.
func (v vecs) fetch(a *asm, col, times int) {
	for range times {
		a.op("PREFETCHT1", row4(r12, r8, r9, col, 0))
	}
}

// stepWide writes one step of all rows, of which there are more than four.
func (v vecs) stepWide(a *asm) {
	for c := range v.cols {
		v.fetch(a, c, 3)
		v.loadW(a, c, v.piece(v.kind.pieces*c), v.piece(v.kind.pieces*c+1))
	}
	for p := range v.kind.pieces {
		for row := range v.rows {
			base := di
			if row >= 4 {
				base = r13
			}
			// Two in turns, so that one is loaded while the other is used.
			from := v.piece(v.kind.pieces*v.cols + row%2)
			a.op("VMOVUPS", row4(base, r10, r11, row%4, p*v.bank.bytes), from)
			for c := range v.cols {
				v.add(a, from, v.piece(v.kind.pieces*c+p), v.sum(row, c))
			}
		}
	}
}

// stepTight writes one step of all rows, piece by piece.
func (v vecs) stepTight(a *asm) {
	w, from := v.rows*v.cols, v.bank.reg(v.bank.count-1)
	for c := range v.cols {
		v.fetch(a, c, 1)
	}
	for p := range v.kind.pieces {
		for c := range v.cols {
			v.loadPiece(a, c, p, v.bank.reg(w+c))
		}
		for row := range v.rows {
			a.op("VMOVUPS", row4(di, r10, r11, row, p*v.bank.bytes), from)
			for c := range v.cols {
				v.add(a, from, v.bank.reg(w+c), v.sum(row, c))
			}
		}
	}
}

// loadPiece writes the load of one piece of a row of the matrix.
func (v vecs) loadPiece(a *asm, col, piece int, to string) {
	a.op("VMOVUPS", row4(si, r8, r9, col, 0), to)
	if v.kind != vecBF16 {
		return
	}
	if piece == 1 {
		a.op("VPSRLD", 16, to, to)
	}
	a.op("VPSLLD", 16, to, to)
}

// loadW writes the loads of a step of one row of the matrix. A register of bfloat16
// that are widened has the even elements in the lower halves of its lanes.
func (v vecs) loadW(a *asm, col int, even, odd string) {
	a.op("VMOVUPS", row4(si, r8, r9, col, 0), even)
	if v.kind == vecBF16 {
		a.op(v.bank.bits("VPAND"), v.mask(), even, odd)
		a.op("VPSLLD", 16, even, even)
	}
}

// add writes the products of from and to, lane by lane, to sum.
func (v vecs) add(a *asm, from, by, sum string) {
	if v.kind == vecPairs {
		dotPairs(a, registerNumber(from), registerNumber(by), registerNumber(sum))
		return
	}
	a.op("VFMADD231PS", from, by, sum)
}

// registerNumber returns the number of a register.
func registerNumber(name string) int {
	n, err := strconv.Atoi(name[1:])
	if err != nil {
		panic(err)
	}
	return n
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
		for p := range v.kind.pieces {
			if r, ok := v.x(row, p); ok {
				a.op("VMOVUPS", row4(di, r10, r11, row, p*v.bank.bytes), r)
			}
		}
	}
}

// multiply writes a step of one row of the matrix with all rows of x.
func (v vecs) multiply(a *asm, col int) {
	v.loadW(a, col, v.piece(0), v.piece(1))
	for p := range v.kind.pieces {
		for row := range v.rows {
			from, ok := v.x(row, p)
			if !ok {
				from = row4(di, r10, r11, row, p*v.bank.bytes)
			}
			v.add(a, from, v.piece(p), v.sum(row, col))
		}
	}
}

// finish writes the sums, the lanes of each added up in halves, four at a time:
// in the lowest registers, the only ones that all instructions reach.
func (v vecs) finish(a *asm) {
	n := v.rows * v.cols
	for i := 0; i < n; i += 4 {
		for k := range min(4, n-i) {
			v.halve(a, i+k, k)
		}
		if i+4 > n {
			v.last(a, i, n)
			break
		}
		a.op("VHADDPS", x(1), x(0), x(0))
		a.op("VHADDPS", x(3), x(2), x(2))
		a.op("VHADDPS", x(2), x(0), x(0))
		a.op("VMOVUPS", x(0), dx.at(4*i))
	}
	a.ret()
}

// last writes sums i to n-1, fewer than four.
func (v vecs) last(a *asm, i, n int) {
	for k := range n - i {
		a.op("VHADDPS", x(k), x(k), x(k))
		a.op("VHADDPS", x(k), x(k), x(k))
		a.op("VMOVSS", x(k), dx.at(4*(i+k)))
	}
}

// halve writes the adding of the halves of register i, down to four lanes, to
// register to.
func (v vecs) halve(a *asm, i, to int) {
	t, quarter := v.bank.count-2, "VEXTRACTF128"
	if v.bank == zmm {
		quarter = "VEXTRACTF32X4" // the other has no register 30
		a.op("VEXTRACTF64X4", 1, z(i), y(t))
		a.op("VADDPS", y(t), y(i), y(i))
	}
	a.op(quarter, 1, y(i), x(t))
	a.op("VADDPS", x(t), x(i), x(to))
}

// roundRow returns the function that rounds a row of x for pairs.
func roundRow() *function {
	return &function{
		name:     "vecRoundPairs",
		doc:      []string{"sets dst to n times 32 elements of src, rounded."},
		requires: "AVX512F, AVX512_BF16",
		params:   []param{{"src", "*float32"}, {"n", "uintptr"}, {"dst", "*uint16"}},
		body: func(a *asm) {
			a.args(si, cx, di)
			a.loop("steps")
			a.op("VMOVUPS", si.at(0), z(0))
			a.op("VMOVUPS", si.at(64), z(1))
			roundPairs(a, 0, 1, 2)
			a.op("VMOVUPS", z(2), di.at(0))
			a.op("ADDQ", 128, si)
			a.op("ADDQ", 64, di)
			a.next(cx, "steps")
			a.ret()
		},
	}
}

// splitRow returns the function that lays out a row of x for a matrix in bfloat16
// that is widened.
func splitRow(lanes int) *function {
	const even, odd, middle = 0x88, 0xdd, 0xd8 // of each half; the halves in order
	return &function{
		name:     fmt.Sprintf("vecSplit%d", lanes),
		doc:      []string{fmt.Sprintf("sets dst to n times %d elements of src, those with even numbers first.", 2*lanes)},
		requires: packRequires,
		params:   []param{{"src", "*float32"}, {"n", "uintptr"}, {"dst", "*float32"}},
		body: func(a *asm) {
			a.args(si, cx, di)
			a.loop("steps")
			for at := 0; at < 4*lanes; at += ymm.bytes {
				a.op("VMOVUPS", si.at(2*at), y(0))
				a.op("VMOVUPS", si.at(2*at+ymm.bytes), y(1))
				for i, which := range []int{even, odd} {
					a.op("VSHUFPS", which, y(1), y(0), y(2))
					a.op("VPERMPD", middle, y(2), y(2))
					a.op("VMOVUPS", y(2), di.at(at+4*lanes*i))
				}
			}
			a.op("ADDQ", 8*lanes, si)
			a.op("ADDQ", 8*lanes, di)
			a.next(cx, "steps")
			a.ret()
		},
	}
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
