package cpu

import (
	"mole/device"
	"mole/internal/kernel"
	"mole/tensor"
)

// A product is cut by rows of the result, so that a core works on the tokens it
// worked on before, if each worker gets minRows of them: a worker lays out all
// of b for itself, which below that many rows costs more than it brings.
// Otherwise it is cut by columns, in multiples of minColumns. A few rows are
// multiplied by a kernel of their own, which reads b as it lies; whether there are
// so few is asked of the whole product, not of a worker's part.
const (
	minRows    = 128
	minColumns = 64
)

// matMulTask has rows or columns of the result as units.
type matMulTask struct {
	tier    kernel.Tier
	product kernel.MatMul
	columns bool
	few     bool // rows of the whole product
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
	m.C = m.C[lo*m.LDC:]
}

// takeColumns narrows m to columns lo to hi-1 of its result.
func takeColumns(m *kernel.MatMul, lo, hi int) {
	m.N = hi - lo
	from := lo
	if m.TransB {
		from = lo * m.LDB
	}
	if m.B16 != nil {
		m.B16 = m.B16[from:]
	} else {
		m.B32 = m.B32[from:]
	}
	m.C = m.C[lo:]
	if m.Bias != nil {
		m.Bias = m.Bias[lo:hi]
	}
}

// MatMul implements [device.Forward].
func (d *Device) MatMul(dst, a, b tensor.Tensor, o device.MatMul) {
	m, k, n := a.Shape[0], a.Shape[1], dst.Shape[1]
	left, right := mat("a", a, m, k), mat("b", b, k, n)
	if o.TransA {
		m, k = k, m
		right = mat("b", b, k, n)
	}
	if o.TransB {
		right = mat("b", b, n, k)
	}
	d.check("matmul", mat("dst", dst, m, n).result(), left, right.frozen(), vec("bias", o.Bias, n).optional())

	t := &d.tasks.matMul
	few := m <= kernel.MatVecRows && o.TransB && !o.TransA
	*t = matMulTask{tier: d.tier, few: few, product: kernel.MatMul{
		M: m, N: n, K: k,
		A: f32(a), LDA: a.Shape[1], TransA: o.TransA,
		LDB: b.Shape[1], TransB: o.TransB,
		C: f32(dst), LDC: n, Alpha: o.Alpha, Beta: o.Beta, Bias: f32(o.Bias),
	}}
	if b.DType == tensor.BF16 {
		t.product.B16, t.product.RoundA = bf16(b), d.precision == BF16
	} else {
		t.product.B32 = f32(b)
	}
	d.runMatMul(t)
	*t = matMulTask{}
}

// runMatMul cuts t for the workers.
func (d *Device) runMatMul(t *matMulTask) {
	m, n, count := t.product.M, t.product.N, d.Workers()
	if m >= minRows*count {
		d.pool.run(t, m, (m+count-1)/count)
		return
	}
	t.columns = true
	columns := (n + 4*count - 1) / (4 * count)
	d.pool.run(t, n, (columns+minColumns-1)/minColumns*minColumns)
}
