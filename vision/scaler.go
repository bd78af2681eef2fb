package vision

import "mole/internal/pixel"

// A scaler makes the rows of a resized picture, one after the other. Between its
// two passes it keeps the rows that a window reaches, not the picture.
type scaler struct {
	im            *Image
	y             int           // of the next row
	across, down  *pixel.Filter // nil where the size stays
	verticalFirst bool
	lines         []uint8 // rows between the passes
	from, to      int     // which rows of im these are, if the first pass is across
	stride        int     // of the rows between the passes
}

// spareLines is how many rows lines has beside those that a window reaches: as
// many are made before those still in use are moved to the front.
const spareLines = 32

// slack is what a row between the passes has behind it, so that the vector loops
// may read there.
const slack = 64

// newScaler returns a scaler that resamples im to w columns and h rows.
func newScaler(im *Image, w, h int, r Rule) *scaler {
	s := &scaler{im: im, verticalFirst: r == Pillow && verticalFirst(im, w, h)}
	if w != im.W {
		s.across = newFilter(im.W, w, r)
	}
	if h != im.H {
		s.down = newFilter(im.H, h, r)
	}
	switch {
	case s.across == nil || s.down == nil:
	case s.verticalFirst:
		s.lines = make([]uint8, im.W*channels+slack)
	default:
		s.stride = w * channels
		s.lines = make([]uint8, (s.down.Reach()+spareLines)*s.stride)
	}
	return s
}

// next makes the next row.
func (s *scaler) next(dst []uint8) {
	y, stride := s.y, s.im.W*channels
	s.y++
	switch {
	case s.across == nil && s.down == nil:
		copy(dst, s.im.row(y))
	case s.down == nil:
		s.across.Row(dst, s.im.RGB[y*stride:])
	case s.across == nil:
		s.down.Line(dst, s.im.RGB[s.down.Start[y]*stride:], stride, y)
	case s.verticalFirst:
		s.down.Line(s.lines[:stride], s.im.RGB[s.down.Start[y]*stride:], stride, y)
		s.across.Row(dst, s.lines)
	default:
		s.reach(s.down.Start[y], len(s.down.Weights[y]))
		s.down.Line(dst, s.lines[(s.down.Start[y]-s.from)*s.stride:], s.stride, y)
	}
}

// reach makes rows between the passes so that n from start on are there. Windows
// never go back.
func (s *scaler) reach(start, n int) {
	if have := len(s.lines) / s.stride; start+n-s.from > have {
		copy(s.lines, s.lines[(start-s.from)*s.stride:])
		s.from = start
	}
	for ; s.to < start+n; s.to++ {
		at := (s.to - s.from) * s.stride
		s.across.Row(s.lines[at:at+s.stride], s.im.RGB[s.to*s.im.W*channels:])
	}
}
