package vision

import (
	"encoding/binary"
	"math"
)

// ColourBins is how many colours Colours tells apart: 16 levels each of red,
// green and blue.
const ColourBins = 16 * 16 * 16

// colourBits are the bits of a pixel, red lowest, that its bin depends on.
const colourBits = 0xf0f0f0

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
	rgb := im.RGB[:pixels*channels]
	for len(rgb) > channels { // there are four bytes to read at once
		first := binary.LittleEndian.Uint32(rgb) & colourBits
		n := channels
		for n+4 <= len(rgb) && binary.LittleEndian.Uint32(rgb[n:])&colourBits == first {
			n += channels // neighbours are mostly equal: they are counted together
		}
		counts[first>>4<<8&0xf00|first>>8&0xf0|first>>20] += n / channels
		rgb = rgb[n:]
	}
	counts[int(rgb[0]>>4)<<8|int(rgb[1]>>4)<<4|int(rgb[2]>>4)]++
	shares := make([]float32, ColourBins)
	for i, n := range counts {
		shares[i] = float32(math.Sqrt(float64(n) / float64(pixels)))
	}
	return shares
}
