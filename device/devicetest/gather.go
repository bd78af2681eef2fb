package devicetest

import (
	"math"

	"mole/tensor"
)

// rowSizes are the rows of a result, the rows of its source, and elements of
// a row.
var rowSizes = [][3]int{{1, 1, 1}, {3, 2, 5}, {7, 9, 17}, {2, 4, 64}, {40, 5, 129}, {65, 30, 260}}

// rowsLarge is for many workers.
var rowsLarge = [3]int{130, 90, 65}

func checkGather(x *trial) {
	for _, s := range sizes(x, rowSizes, rowsLarge) {
		for _, d := range []tensor.DType{tensor.F32, tensor.BF16} {
			for _, each := range []int{0, 1, 4} {
				x.gather(s[0], s[1], s[2], each, d, false)
				x.gather(s[0], s[1], s[2], each, d, true)
			}
		}
	}
}

// gather tries one Gather of each rows, 0 for one on a single axis.
func (x *trial) gather(t, n, c, each int, d tensor.DType, weighted bool) {
	x.try("T=%d N=%d C=%d src %v, %d rows each, weights %v", t, n, c, d, each, weighted)
	extents := []int{t, each}
	if each == 0 {
		each, extents = 1, extents[:1]
	}
	rows := x.rows(t*each, n)
	src, dst, index := x.frozen("src", d, n, c), x.empty("dst", t, c), x.ints("rows", rows, extents...)
	var weights []float64
	var factor tensor.Tensor
	if weighted {
		w := x.normal("weights", extents...)
		weights, factor = w.values, w.Tensor
	}
	x.dev.Gather(dst.Tensor, src.Tensor, index.Tensor, factor)
	x.expect(dst, func() []bound {
		want := gathered(src.values, rows, weights, t, c)
		if each == 1 && !weighted {
			for i := range want {
				want[i].tol = 0
			}
		}
		return want
	})
}

// rows draws the numbers of count rows out of n. One in five is negative.
func (x *trial) rows(count, n int) []int32 {
	list := make([]int32, count)
	for i := range list {
		list[i] = int32(x.rng.IntN(n))
		if x.rng.IntN(5) == 0 {
			list[i] = -1 - list[i]
		}
	}
	return list
}

// gathered returns what Gather does. weights may be nil.
func gathered(src []float64, rows []int32, weights []float64, t, c int) []bound {
	list := make([]bound, t*c)
	each := len(rows) / t
	for i, r := range rows {
		if r < 0 {
			continue
		}
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		for j := range c {
			b, term := &list[i/each*c+j], w*src[int(r)*c+j]
			b.want += term
			b.tol += slack(each, math.Abs(term))
		}
	}
	return list
}

// checkAddRows also checks that AddRows is the gradient of Gather: the slope of
// Σ dy · Gather(src) in src.
func checkAddRows(x *trial) {
	for _, s := range sizes(x, rowSizes, rowsLarge) {
		n, t, c := s[0], s[1], s[2]
		x.try("T=%d n=%d C=%d", t, n, c)
		rows := x.rows(n, t)
		dst, src, index := x.inout("dst", t, c), x.normal("src", n, c), x.ints("rows", rows, n)
		x.dev.AddRows(dst.Tensor, src.Tensor, index.Tensor)
		x.expect(dst, func() []bound { return addedRows(dst.values, src.values, rows, c) })
	}
	x.try("repeated rows in order")
	dst, index := x.source("dst", []float64{0x1p24, 1}, 2, 1), x.ints("rows", []int32{0, 0, 0}, 3)
	dst.changes = true
	src := x.source("src", []float64{1, 1, 2}, 3, 1)
	x.dev.AddRows(dst.Tensor, src.Tensor, index.Tensor)
	x.expect(dst, func() []bound { return exact([]float64{0x1p24 + 2, 1}) }) // each 1 is lost, the 2 is not
}

// addedRows returns dst plus the slope of Σ src · Gather(z), z of the shape of
// dst, in each element of z.
func addedRows(dst, src []float64, rows []int32, c int) []bound {
	list := make([]bound, len(dst))
	for i, old := range dst {
		column := i % c
		mag, hits := math.Abs(old), 0
		for j, r := range rows {
			if int(r) == i/c {
				mag += math.Abs(src[j*c+column])
				hits++
			}
		}
		grad := slope(func(h float64) float64 {
			var sum float64
			for j, r := range rows {
				if int(r) == i/c {
					sum += src[j*c+column] * h
				}
			}
			return sum
		})
		list[i] = bound{old + grad, slack(hits, mag)}
	}
	return list
}
