package vision

import "math"

// ColourBins is how many colours Colours tells apart: 16 levels each of red,
// green and blue.
const ColourBins = 16 * 16 * 16

// Colours returns the square roots of the shares of the colours in a picture,
// red slowest: ColourBins numbers, the sum of whose squares is 1. Screens of
// one program share a theme, so that this alone tells many of them apart, as
// long as no resize has mixed the colours. It returns nil for an empty picture.
func Colours(im *Image) []float32 {
	pixels := len(im.RGB) / channels
	if pixels == 0 {
		return nil
	}
	var counts [ColourBins]int
	for i := 0; i+2 < len(im.RGB); i += channels {
		counts[int(im.RGB[i]>>4)<<8|int(im.RGB[i+1]>>4)<<4|int(im.RGB[i+2]>>4)]++
	}
	shares := make([]float32, ColourBins)
	for i, n := range counts {
		shares[i] = float32(math.Sqrt(float64(n) / float64(pixels)))
	}
	return shares
}
