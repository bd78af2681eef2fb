package cpu

import (
	"mole/device"
	"mole/internal/kernel"
	"mole/tensor"
)

// A product is cut by rows of the result, so that a core works on the tokens it
// worked on before, if each worker gets minRows of them: a worker lays out all
// of b for itself, which below that many rows costs more than it brings.
// Otherwise it is cut by columns, in multiples of minColumns; where that is one
// piece only, b is small beside a, and minNarrowRows are enough. What is said to
// be few rows is multiplied by a kernel of their own, which reads b as it lies.
const (
	minRows       = 128
	minNarrowRows = 16
	minColumns    = 64
)

// matMulTask has rows or columns of the result as units.
type matMulTask struct {
	tier    kernel.Tier
	product kernel.MatMul
	columns bool
	few     bool
}

func (t *matMulTask) run(w *worker, lo, hi int) {
	w.product = t.product
	m := &w.product
	if t.columns {
		takeColumns(m, lo, hi)
	} else {
		takeRows(m, lo, hi)
	}
	if t.few {
		t.tier.MatVec(m, &w.scratch)
	} else {
		t.tier.MatMul(m, &w.scratch)
	}
	w.product = kernel.MatMul{}
}

// takeRows narrows m to rows lo to hi-1 of its result.
func takeRows(m *kernel.MatMul, lo, hi int) {
	m.M = hi - lo
	if m.TransA {
		m.A = m.A[lo:]
	} else {
		m.A = m.A[lo*m.LDA:]
	}
	if m.K2 > 0 {
		m.A2 = m.A2[lo*m.LDA2:]
	}
	m.C = m.C[lo*m.LDC:]
}

// takeColumns narrows m to columns lo to hi-1 of its result.
func takeColumns(m *kernel.MatMul, lo, hi int) {
	m.N = hi - lo
	from, from2 := lo, lo
	if m.TransB {
		from, from2 = lo*m.LDB, lo*m.LDB2
	}
	if m.B16 != nil {
		m.B16 = m.B16[from:]
	} else {
		m.B32 = m.B32[from:]
	}
	if m.K2 > 0 {
		m.B2 = m.B2[from2:]
	}
	m.C = m.C[lo:]
	if m.Bias != nil {
		m.Bias = m.Bias[lo:hi]
	}
}

// MatMul implements [device.Forward].
func (d *Device) MatMul(dst, a, b tensor.Tensor, o device.MatMul) {
	t := &d.tasks.matMul
	*t = d.product(dst, a, b, o)
	d.runMatMul(t)
	*t = matMulTask{}
}

// product returns the task of a product, checked.
func (d *Device) product(dst, a, b tensor.Tensor, o device.MatMul) matMulTask {
	m, k, n := a.Shape[0], a.Shape[1], dst.Shape[1]
	left, right := mat("a", a, m, k), mat("b", b, k, n)
	if o.TransA {
		m, k = k, m
		right = mat("b", b, k, n)
	}
	if o.TransB {
		right = mat("b", b, n, k)
	}
	left2, right2, rank := second(m, n, o)
	d.check("matmul", mat("dst", dst, m, n).result(), left, right.frozen(), vec("bias", o.Bias, n).optional(), left2, right2)
	if rank > 0 && o.TransA {
		panic(describe("matmul", []operand{mat("dst", dst, m, n), left, right, left2, right2}, "a is transposed beside a second pair"))
	}

	few := o.Stream && o.TransB && !o.TransA
	t := matMulTask{tier: d.tier, few: few, product: kernel.MatMul{
		M: m, N: n, K: k,
		A: f32(a), LDA: a.Shape[1], TransA: o.TransA,
		LDB: b.Shape[1], TransB: o.TransB,
		K2: rank, A2: f32(o.A2), LDA2: rank, B2: f32(o.B2), LDB2: o.B2.Shape[1],
		C: f32(dst), LDC: n, Alpha: o.Alpha, Beta: o.Beta, Bias: f32(o.Bias),
	}}
	if b.DType == tensor.BF16 {
		t.product.B16, t.product.RoundA = bf16(b), d.precision == BF16
	} else {
		t.product.B32 = f32(b)
	}
	return t
}

// second returns the operands of the second pair of a product, which may both
// be none, and its inner extent.
func second(m, n int, o device.MatMul) (left, right operand, rank int) {
	if o.A2.IsZero() && o.B2.IsZero() {
		return mat("a2", o.A2, m, 0).optional(), mat("b2", o.B2, 0, n).optional(), 0
	}
	rank = o.A2.Shape[1]
	left, right = mat("a2", o.A2, m, rank), mat("b2", o.B2, rank, n)
	if o.TransB {
		right = mat("b2", o.B2, n, rank)
	}
	return left, right, rank
}

// matMulsTask has pieces of products as units: some columns of one of them each.
type matMulsTask struct {
	list []matMulTask
	ends []int // pieces up to each product
	cols []int // columns of a piece of each
}

func (t *matMulsTask) run(w *worker, lo, hi int) {
	i := 0
	for u := lo; u < hi; u++ {
		for u >= t.ends[i] {
			i++
		}
		piece := u
		if i > 0 {
			piece -= t.ends[i-1]
		}
		from := piece * t.cols[i]
		t.list[i].run(w, from, min(from+t.cols[i], t.list[i].product.N))
	}
}

// pieceBytes is the least part of a second operand that is worth a piece.
const pieceBytes = 256 << 10

// MatMuls implements [device.Forward].
func (d *Device) MatMuls(list []device.Product) {
	t := &d.tasks.matMuls
	pieces := 0
	for i := range list {
		p := &list[i]
		m := d.product(p.Dst, p.A, p.B, p.MatMul)
		m.columns = true
		most := min(4*d.Workers(), 1+p.B.Len()*p.B.DType.Size()/pieceBytes)
		n := m.product.N
		cols := ((n+most-1)/most + minColumns - 1) / minColumns * minColumns
		pieces += (n + cols - 1) / cols
		t.list, t.ends, t.cols = append(t.list, m), append(t.ends, pieces), append(t.cols, cols)
	}
	d.pool.run(t, pieces, 1)
	clear(t.list)
	t.list, t.ends, t.cols = t.list[:0], t.ends[:0], t.cols[:0]
}

// runMatMul cuts t for the workers.
func (d *Device) runMatMul(t *matMulTask) {
	m, n, count := t.product.M, t.product.N, d.Workers()
	least := minRows
	if n <= minColumns {
		least = minNarrowRows
	}
	if m >= least*count {
		d.pool.run(t, m, (m+count-1)/count)
		return
	}
	t.columns = true
	columns := (n + 4*count - 1) / (4 * count)
	d.pool.run(t, n, (columns+minColumns-1)/minColumns*minColumns)
}
