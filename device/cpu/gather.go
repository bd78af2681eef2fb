package cpu

import (
	"fmt"

	"mole/internal/kernel"
	"mole/tensor"
)

type gatherTask struct {
	dst     []float32
	src32   []float32
	src16   []uint16 // instead, if the source is BF16
	rows    []int32
	weights []float32
	c, n    int // elements of a row, rows summed
}

func (t *gatherTask) run(_ *worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		dst, rows := t.dst[i*t.c:(i+1)*t.c], t.rows[i*t.n:(i+1)*t.n]
		var weights []float32
		if t.weights != nil {
			weights = t.weights[i*t.n : (i+1)*t.n]
		}
		if t.src16 != nil {
			kernel.GatherBF16(dst, t.src16, rows, weights)
		} else {
			kernel.Gather(dst, t.src32, rows, weights)
		}
	}
}

// Gather implements [device.Forward]. A row beyond the source is a bug of the
// caller and panics.
func (d *Device) Gather(dst, src, rows, weights tensor.Tensor) {
	n, c := dst.Shape[0], dst.Shape[1]
	index := vec("rows", rows, n)
	factor := vec("weights", weights, n)
	each := 1
	if rows.Shape.Rank() == 2 {
		each = rows.Shape[1]
		index, factor = mat("rows", rows, n, each), mat("weights", weights, n, each)
	}
	d.check("gather", mat("dst", dst, n, c).result(), mat("src", src, src.Shape[0], c).frozen(),
		index.of(tensor.I32), factor.optional())
	checkRows("gather", i32(rows), "src", src.Shape[0])
	t := gatherTask{dst: f32(dst), rows: i32(rows), weights: f32(weights), c: c, n: each}
	if src.DType == tensor.BF16 {
		t.src16 = bf16(src)
	} else {
		t.src32 = f32(src)
	}
	d.tasks.gather = t
	d.pool.run(&d.tasks.gather, n, rowGrain(c*each))
	d.tasks.gather = gatherTask{}
}

// checkRows panics if a row number is that of no row of a tensor with n rows.
func checkRows(op string, rows []int32, name string, n int) {
	for i, r := range rows {
		if int(r) >= n {
			panic(fmt.Sprintf("cpu: %s: rows[%d] is %d, %s has %d rows", op, i, r, name, n))
		}
	}
}

// addRowsTask has the rows of dst as units: each is one worker's, who sees all
// row numbers and keeps their order.
type addRowsTask struct {
	tier     kernel.Tier
	dst, src []float32
	rows     []int32
	c        int
}

func (t *addRowsTask) run(_ *worker, lo, hi int) {
	for i, r := range t.rows {
		if int(r) >= lo && int(r) < hi {
			dst := t.dst[int(r)*t.c:][:t.c]
			t.tier.Add(dst, dst, t.src[i*t.c:])
		}
	}
}

// AddRows implements [device.Forward]. As in Gather a negative row counts for
// nothing, and one beyond dst panics.
func (d *Device) AddRows(dst, src, rows tensor.Tensor) {
	n, c := src.Shape[0], src.Shape[1]
	d.check("add rows", mat("dst", dst, dst.Shape[0], c).result(), mat("src", src, n, c),
		vec("rows", rows, n).of(tensor.I32))
	checkRows("add rows", i32(rows), "dst", dst.Shape[0])
	d.tasks.addRows = addRowsTask{d.tier, f32(dst), f32(src), i32(rows), c}
	d.pool.run(&d.tasks.addRows, dst.Shape[0], d.oneCut(dst.Shape[0], n*c))
	d.tasks.addRows = addRowsTask{}
}

// oneCut returns the grain that gives each worker one of n units, or one
// worker all of them if the work on elems elements is not worth sharing.
func (d *Device) oneCut(n, elems int) int {
	if elems < 2*grain {
		return n
	}
	count := d.Workers()
	return (n + count - 1) / count
}
