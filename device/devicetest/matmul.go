package devicetest

import (
	"math"

	"mole/device"
	"mole/tensor"
)

// matMulSizes are M, N, K: single elements, around the edges of vector
// registers and cache blocks, a low rank as each of the three, and sizes that
// several workers share by rows and by columns.
var matMulSizes = [][3]int{
	{1, 1, 1}, {1, 3, 2}, {2, 1, 5}, {3, 16, 17}, {5, 31, 33}, {6, 32, 64}, {7, 33, 1}, {12, 17, 8},
	{13, 47, 65}, {14, 64, 31}, {15, 65, 130}, {29, 95, 48}, {1, 300, 70}, {3, 257, 40}, {200, 16, 37}, {16, 150, 210},
	{40, 12, 300}, {211, 70, 33}, {400, 9, 14},
}

// matMulLarge is for many workers, by rows and by columns.
var matMulLarge = [][3]int{{1040, 30, 12}, {3, 1100, 20}}

func checkMatMul(x *trial) {
	for i, s := range sizes(x, matMulSizes, matMulLarge...) {
		for flags := range 4 {
			for _, d := range []tensor.DType{tensor.F32, tensor.BF16} {
				o := device.MatMul{
					TransA: flags&1 != 0, TransB: flags&2 != 0,
					Alpha: []float32{1, 0.5, -2}[(i+flags)%3], Beta: []float32{0, 1, 0.25}[(i/3+flags)%3],
					Stream: (i+flags+s[0])%2 == 0,
				}
				x.try("M=%d N=%d K=%d b %v transposed %v,%v alpha=%v beta=%v stream=%v", s[0], s[1], s[2], d, o.TransA, o.TransB, o.Alpha, o.Beta, o.Stream)
				p := x.product(s, d, o, (i+flags)%2 == 0)
				p.addPair(x, []int{0, 16, 0, 5}[(i+flags)%4])
				x.dev.MatMul(p.dst.Tensor, p.a.Tensor, p.b.Tensor, p.o)
				x.expect(p.dst, func() []bound { return p.want(p.a.values) })
			}
		}
	}
}

// checkMatMuls checks products that are done at one time against each on its own,
// to the bit.
func checkMatMuls(x *trial) {
	var list, alone []*product
	var together []device.Product
	x.try("several products")
	for i, s := range append(sizes(x, matMulSizes), [3]int{3, 5000, 70}) {
		o := device.MatMul{TransB: i%4 != 0, TransA: i%5 == 0, Alpha: 0.5, Beta: float32(i % 2), Stream: i%3 != 0}
		p := x.product(s, []tensor.DType{tensor.F32, tensor.BF16}[i/2%2], o, i%2 == 0)
		p.addPair(x, i%3)
		q := *p
		q.dst = x.empty("dst", p.m, p.n)
		if o.Beta != 0 {
			q.dst = x.source("dst", p.dst.values, p.m, p.n)
			q.dst.changes = true
		}
		list, alone = append(list, p), append(alone, &q)
		together = append(together, device.Product{Dst: p.dst.Tensor, A: p.a.Tensor, B: p.b.Tensor, MatMul: p.o})
	}
	x.dev.MatMuls(together)
	x.dev.MatMuls(nil)
	for i, p := range list {
		q := alone[i]
		x.dev.MatMul(q.dst.Tensor, q.a.Tensor, q.b.Tensor, q.o)
		got, want := x.read(p.dst), x.read(q.dst)
		for k := range want {
			if got[k] != want[k] {
				x.t.Errorf("product %d: element %d: got %x, want %x", i, k, got[k], want[k])
				break
			}
		}
	}
}

// checkMatMulRounding checks what becomes of a first operand that BF16 cannot
// hold: against a BF16 matrix a device rounds all of it to BF16, or nothing.
func checkMatMulRounding(x *trial) {
	for _, d := range []tensor.DType{tensor.F32, tensor.BF16} {
		x.try("first operand beside %v", d)
		p := x.product([3]int{9, 37, 50}, tensor.F32, device.MatMul{Alpha: 1}, false)
		p.b = x.frozen("b", d, p.k, p.n)
		x.dev.MatMul(p.dst.Tensor, p.a.Tensor, p.b.Tensor, p.o)
		want, rounded := p.want(p.a.values), p.want(roundAll(p.a.values))
		if d == tensor.BF16 && nearer(x.read(p.dst), rounded, want) {
			want = rounded
		}
		x.compare(p.dst, want)
	}
}

// nearer reports whether got is nearer to a than to b.
func nearer(got []float64, a, b []bound) bool {
	var da, db float64
	for i, v := range got {
		da += math.Abs(v - a[i].want)
		db += math.Abs(v - b[i].want)
	}
	return da < db
}

func roundAll(values []float64) []float64 {
	r := make([]float64, len(values))
	for i, v := range values {
		r[i] = roundBF16(v)
	}
	return r
}

// product is one MatMul.
type product struct {
	m, n, k   int
	dst, a, b *array
	bias      []float64
	rank      int // of the second pair, or 0
	a2, b2    *array
	o         device.MatMul
}

// addPair draws a second pair of operands, if rank is not 0 and there may be one.
// BF16 need not hold their values.
func (p *product) addPair(x *trial, rank int) {
	if rank == 0 || p.o.TransA {
		return
	}
	p.rank = rank
	p.a2 = x.normal("a2", p.m, rank)
	if p.o.TransB {
		p.b2 = x.normal("b2", p.n, rank)
	} else {
		p.b2 = x.normal("b2", rank, p.n)
	}
	p.o.A2, p.o.B2 = p.a2.Tensor, p.b2.Tensor
}

// product draws the operands. Beside a BF16 matrix the first holds only what
// BF16 can, so that a device that rounds it gives the same result.
func (x *trial) product(s [3]int, d tensor.DType, o device.MatMul, bias bool) *product {
	p := &product{m: s[0], n: s[1], k: s[2], o: o}
	rows, columns := p.m, p.k
	if o.TransA {
		rows, columns = columns, rows
	}
	values := x.draw(rows * columns)
	if d == tensor.BF16 {
		values = roundAll(values)
	}
	p.a = x.source("a", values, rows, columns)
	if o.TransB {
		p.b = x.frozen("b", d, p.n, p.k)
	} else {
		p.b = x.frozen("b", d, p.k, p.n)
	}
	if bias {
		v := x.normal("bias", p.n)
		p.bias, p.o.Bias = v.values, v.Tensor
	}
	if o.Beta == 0 {
		p.dst = x.empty("dst", p.m, p.n) // NaN, which must not be read
	} else {
		p.dst = x.inout("dst", p.m, p.n)
	}
	return p
}

// want returns the result for the values a of the first operand.
func (p *product) want(a []float64) []bound {
	list := make([]bound, 0, p.m*p.n)
	for i := range p.m {
		for j := range p.n {
			var sum, mag float64
			for _, t := range append(p.terms(a, i, j), p.rest(i, j)...) {
				sum += t
				mag += math.Abs(t)
			}
			list = append(list, bound{sum, slack(p.k+p.rank, mag)})
		}
	}
	return list
}

// terms returns the products that are added up in row i and column j.
func (p *product) terms(a []float64, i, j int) (terms []float64) {
	alpha := float64(p.o.Alpha)
	for k := range p.k {
		terms = append(terms, alpha*a[at(i, k, p.m, p.k, p.o.TransA)]*p.b.values[at(k, j, p.k, p.n, p.o.TransB)])
	}
	for k := range p.rank {
		terms = append(terms, alpha*p.a2.values[i*p.rank+k]*p.b2.values[at(k, j, p.rank, p.n, p.o.TransB)])
	}
	return terms
}

// rest returns what is added to the product in row i and column j.
func (p *product) rest(i, j int) (terms []float64) {
	if p.o.Beta != 0 {
		terms = append(terms, float64(p.o.Beta)*p.dst.values[i*p.n+j])
	}
	if p.bias != nil {
		terms = append(terms, p.bias[j])
	}
	return terms
}

// at returns where element i, j of a matrix [rows, columns] is, which may be
// stored as its transpose.
func at(i, j, rows, columns int, transposed bool) int {
	if transposed {
		return j*rows + i
	}
	return i*columns + j
}
