package qwen3vl

import (
	"math"

	"mole/vision"
)

// frequencies returns base^(−2i/width) for i in 0..width/2−1: the angle per
// position of each rotary pair.
func frequencies(base float64, width int) []float64 {
	f := make([]float64, width/2)
	for i := range f {
		f[i] = math.Pow(base, -2*float64(i)/float64(width))
	}
	return f
}

// textAxes returns for each rotary pair of a head which of the three
// positions turns it: rows at 1, 4, 7, …, columns at 2, 5, 8, …, as far as their
// sections go, and time elsewhere (specification qwen3-vl, 4.3).
func textAxes(t *TextConfig) []int {
	axes := make([]int, t.HeadDim/2)
	for axis := 1; axis <= 2; axis++ {
		for i := axis; i < min(3*t.Sections[axis], len(axes)); i += 3 {
			axes[i] = axis
		}
	}
	return axes
}

// textAngles returns the cosines and sines [len(pos), D/2] of the decoder.
// They are computed in float64 and rounded once.
func textAngles(t *TextConfig, pos [][3]int32) (cos, sin []float32) {
	freq, axes := frequencies(t.Theta, t.HeadDim), textAxes(t)
	for _, p := range pos {
		for i, axis := range axes {
			s, c := math.Sincos(float64(p[axis]) * freq[i])
			cos, sin = append(cos, float32(c)), append(sin, float32(s))
		}
	}
	return cos, sin
}

// patchOrder calls f with the row and column of every patch of one frame of
// g, in the order of the tower: merge blocks in raster order, and raster order
// inside each (specification qwen3-vl, 3.1).
func patchOrder(g vision.Grid, merge int, f func(row, col int)) {
	for cell := range (g.H / merge) * (g.W / merge) {
		top, left := cell/(g.W/merge)*merge, cell%(g.W/merge)*merge
		for i := range merge * merge {
			f(top+i/merge, left+i%merge)
		}
	}
}

// towerAngles appends the cosines and sines [patches, head/2] of the tower:
// the first half of the pairs turns with the row, the second with the column
// (specification qwen3-vl, 3.5).
func towerAngles(v *VisionConfig, g vision.Grid, cos, sin []float32) ([]float32, []float32) {
	freq := frequencies(v.Theta, v.HeadDim()/2)
	add := func(at int) {
		for _, f := range freq {
			s, c := math.Sincos(float64(at) * f)
			cos, sin = append(cos, float32(c)), append(sin, float32(s))
		}
	}
	for range g.T {
		patchOrder(g, v.Merge, func(row, col int) {
			add(row)
			add(col)
		})
	}
	return cos, sin
}

// taps are the cells of the learned position table that the patches of
// images mix, and their shares: four of each per patch.
type taps struct {
	rows   []int32
	shares []float32
}

// add appends the taps of g: bilinear, corners aligned (specification
// qwen3-vl, 3.4).
func (t *taps) add(v *VisionConfig, g vision.Grid) {
	at := func(i, n int) (lo, hi int32, share float64) {
		x := float64(i) * float64(v.Side-1) / float64(max(n-1, 1))
		lo = int32(x)
		return lo, min(lo+1, int32(v.Side-1)), x - float64(lo)
	}
	side := int32(v.Side)
	for range g.T {
		patchOrder(g, v.Merge, func(row, col int) {
			y0, y1, fy := at(row, g.H)
			x0, x1, fx := at(col, g.W)
			t.rows = append(t.rows, y0*side+x0, y0*side+x1, y1*side+x0, y1*side+x1)
			t.shares = append(t.shares, float32((1-fy)*(1-fx)), float32((1-fy)*fx), float32(fy*(1-fx)), float32(fy*fx))
		})
	}
}
