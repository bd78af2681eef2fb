package pixel

import "encoding/binary"

// Filters of PNG (its section 9): what was subtracted from each sample of a row.
const (
	filterNone    = 0
	filterSub     = 1 // the sample of the pixel on the left
	filterUp      = 2 // that above
	filterAverage = 3 // the mean of both
	filterPaeth   = 4 // the one of left, above and above left that is nearest to left + above - above left
)

// Unfilter sets dst to the row that a filter of PNG made src of, where above is
// the row before, and a pixel has step bytes. All have the same length, whole
// pixels. It returns false for a filter that does not exist. dst must not overlap
// the others.
func Unfilter(filter uint8, dst, src, above []uint8, step int) bool {
	dst, above = dst[:len(src)], above[:len(src)]
	switch filter {
	case filterNone:
		copy(dst, src)
	case filterSub:
		sub(dst, src, step)
	case filterUp:
		n := upVector(dst, src, above)
		up(dst[n:], src[n:], above[n:])
	case filterAverage:
		average(dst, src, above, step)
	case filterPaeth:
		up(dst[:step], src[:step], above[:step]) // nothing is on the left
		n := paethVector(dst, src, above, step)
		paeth(dst[n:], src[n:], above[n:], step)
	default:
		return false
	}
	return true
}

// sub undoes filterSub.
func sub(dst, src []uint8, step int) {
	if step == 3 {
		sub3(dst, src)
		return
	}
	copy(dst[:step], src)
	for i := step; i < len(src) && i < len(dst); i++ {
		dst[i] = src[i] + dst[i-step]
	}
}

// sub3 is sub for pixels of three bytes.
func sub3(dst, src []uint8) {
	var r, g, b uint8
	for len(src) >= 3 && len(dst) >= 3 {
		r, g, b = r+src[0], g+src[1], b+src[2]
		dst[0], dst[1], dst[2] = r, g, b
		src, dst = src[3:], dst[3:]
	}
}

// up undoes filterUp, eight samples at a time: the high bits are added apart, so
// that nothing is carried from one sample to the next.
func up(dst, src, above []uint8) {
	const high = 0x8080808080808080
	i := 0
	for ; i+8 <= len(src); i += 8 {
		a, b := binary.LittleEndian.Uint64(src[i:]), binary.LittleEndian.Uint64(above[i:])
		binary.LittleEndian.PutUint64(dst[i:], (a&^high+b&^high)^(a^b)&high)
	}
	for ; i < len(src); i++ {
		dst[i] = src[i] + above[i]
	}
}

// average undoes filterAverage.
func average(dst, src, above []uint8, step int) {
	for i := range step {
		dst[i] = src[i] + above[i]/2
	}
	for i := step; i < len(src) && i < len(dst) && i < len(above); i++ {
		dst[i] = src[i] + uint8((int(dst[i-step])+int(above[i]))/2)
	}
}

// paeth undoes filterPaeth behind the first pixel, which is there already.
func paeth(dst, src, above []uint8, step int) {
	if step == 3 {
		paeth3(dst, src, above)
		return
	}
	for i := step; i < len(src) && i < len(dst) && i < len(above); i++ {
		dst[i] = src[i] + uint8(nearest(int(dst[i-step]), int(above[i]), int(above[i-step])))
	}
}

// paeth3 is paeth for pixels of three bytes: three chains that do not wait for
// each other.
func paeth3(dst, src, above []uint8) {
	r, g, b := int(dst[0]), int(dst[1]), int(dst[2])
	above, dst = above[:len(src)], dst[:len(src)]
	for i := 5; i < len(src); i += 3 {
		r = (nearest(r, int(above[i-2]), int(above[i-5])) + int(src[i-2])) & 255
		dst[i-2] = uint8(r)
		g = (nearest(g, int(above[i-1]), int(above[i-4])) + int(src[i-1])) & 255
		dst[i-1] = uint8(g)
		b = (nearest(b, int(above[i]), int(above[i-3])) + int(src[i])) & 255
		dst[i] = uint8(b)
	}
}

// nearest returns the one of left a, above b and above left c that is nearest to
// a+b-c, in this order if two are. The distances are |b-c|, |a-c| and |a+b-2c|:
// c wins where it lies between a and b, at least a third of their distance from
// either; beside that the one of a and b that is farther from c. Without
// branches, because there is no guessing them.
func nearest(a, b, c int) int {
	lo, hi := min(a, b), max(a, b)
	t := 3*c - a - b
	if t >= hi {
		c = lo
	}
	if t <= lo {
		c = hi
	}
	return c
}
