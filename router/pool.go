package router

import (
	"fmt"
	"math"
	"slices"

	"mole/vision"
)

// Features names a set of frozen features of an image, computed once and shared
// by the heads and by the distance of every rung.
type Features string

// The sets of features.
const (
	Pooled       Features = "pooled"        // Pool of the vision features
	PooledColour Features = "pooled+colour" // the same, then vision.Colours of the picture before its resize
)

// ParseFeatures returns the set of that name.
func ParseFeatures(s string) (Features, error) {
	f := Features(s)
	if f != Pooled && f != PooledColour {
		return "", fmt.Errorf("features %q, want %q or %q", s, Pooled, PooledColour)
	}
	return f, nil
}

// Width returns the length of a vector of f for vision features of the given
// number of channels.
func (f Features) Width(channels int) int {
	if f == PooledColour {
		return poolCells*channels + colourBins
	}
	return poolCells * channels
}

// Of returns the features of one picture: feats are its vision features
// [gridH·gridW, channels], im is the picture, which Pooled does not need.
func (f Features) Of(feats []float32, gridH, gridW, channels int, im *vision.Image) []float64 {
	x := Pool(feats, gridH, gridW, channels)
	if f == PooledColour {
		x = append(x, colour(im)...)
	}
	return x
}

// even takes back half of what standardising does inside each kind of features:
// a deviation becomes its geometric mean with the root mean square of those of
// its kind. Divided by their own deviations, colours that hardly ever occur
// would weigh as much as those that fill the window, and there are many of
// them.
func (f Features) even(scale []float64) {
	colours := 0
	if f == PooledColour {
		colours = min(colourBins, len(scale))
	}
	at := len(scale) - colours
	for _, kind := range [][]float64{scale[:at], scale[at:]} {
		spread := norm(kind) / math.Sqrt(float64(len(kind)))
		for j, v := range kind {
			kind[j] = math.Sqrt(v * spread)
		}
	}
}

const (
	poolCells  = 4 // quadrants
	colourBins = vision.ColourBins
)

// Pool returns the means of vision features over the four quadrants of the
// merged grid, top left, top right, bottom left, bottom right: 4·channels
// numbers (DESIGN 7). feats is [gridH·gridW, channels], cells in raster order.
// The middle row or column of an odd size belongs to both halves, so that a
// grid of one cell is seen four times. It panics if feats has another size or
// a side is less than 1.
func Pool(feats []float32, gridH, gridW, channels int) []float64 {
	if gridH < 1 || gridW < 1 || channels < 1 || len(feats) != gridH*gridW*channels {
		panic(fmt.Sprintf("router: pool %d features of %d×%d cells with %d channels", len(feats), gridH, gridW, channels))
	}
	out := make([]float64, 0, poolCells*channels)
	for quadrant := range poolCells {
		top, bottom := half(quadrant/2, gridH)
		left, right := half(quadrant%2, gridW)
		mean := make([]float64, channels)
		for y := top; y < bottom; y++ {
			addCells(mean, feats[(y*gridW+left)*channels:(y*gridW+right)*channels])
		}
		for c := range mean {
			mean[c] /= float64((bottom - top) * (right - left))
		}
		out = append(out, mean...)
	}
	return out
}

// half returns the first or second half of n cells.
func half(i, n int) (from, to int) {
	if i == 0 {
		return 0, (n + 1) / 2
	}
	return n / 2, n
}

// addCells adds consecutive cells to sum.
func addCells(sum []float64, cells []float32) {
	for cell := range slices.Chunk(cells, len(sum)) {
		for c, v := range cell {
			sum[c] += float64(v)
		}
	}
}

// colour returns the colours of a picture as it was before a resize. It panics
// if im is empty.
func colour(im *vision.Image) []float64 {
	if im == nil || len(im.RGB) == 0 {
		panic("router: colours of an empty picture")
	}
	shares := im.Colours
	if shares == nil {
		shares = vision.Colours(im)
	}
	out := make([]float64, len(shares))
	for i, v := range shares {
		out[i] = float64(v)
	}
	return out
}
