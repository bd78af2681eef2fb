package parity

import (
	"errors"
	"slices"

	"mole/vision"
)

// turning is one of the eight ways to lay a raster: rows and columns swapped or
// not, then each axis reversed or not.
type turning struct{ swap, flipX, flipY bool }

func (t turning) apply(im *vision.Image) *vision.Image {
	out := &vision.Image{W: im.W, H: im.H, RGB: make([]uint8, 0, len(im.RGB))}
	if t.swap {
		out.W, out.H = im.H, im.W
	}
	for y := range out.H {
		for x := range out.W {
			sx, sy := x, y
			if t.flipX {
				sx = out.W - 1 - x
			}
			if t.flipY {
				sy = out.H - 1 - y
			}
			if t.swap {
				sx, sy = sy, sx
			}
			at := 3 * (sy*im.W + sx)
			out.RGB = append(out.RGB, im.RGB[at:at+3]...)
		}
	}
	return out
}

// findTurning returns how a stored image was laid to become upright. The
// orientation itself is read by package vision.
func findTurning(stored, upright *vision.Image) (turning, error) {
	for i := range 8 {
		t := turning{swap: i&4 != 0, flipX: i&2 != 0, flipY: i&1 != 0}
		if got := t.apply(stored); got.W == upright.W && slices.Equal(got.RGB, upright.RGB) {
			return t, nil
		}
	}
	return turning{}, errors.New("the upright image is not the stored one in another orientation")
}
