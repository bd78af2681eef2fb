package vision

import (
	"fmt"

	"mole/internal/pixel"
)

// Patchify normalises the samples of im and cuts it into patches, in the order
// of merge blocks (3.1), each in the order channel, frame, row, column (3.2);
// all frames of a patch are equal. Both sides of im must be multiples of the
// patch size times the merge size of o, as [TargetSize] gives them.
func Patchify(im *Image, o Options) (*Patches, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	f := o.factor()
	if min(im.W, im.H) < 1 || im.W%f != 0 || im.H%f != 0 || len(im.RGB) != im.W*im.H*channels {
		return nil, fmt.Errorf("patches of %d samples as %dx%d pixels (width x height), want sides that are multiples of %d and %d samples a pixel",
			len(im.RGB), im.W, im.H, f, channels)
	}
	out := newPatches(im.W, im.H, o, nil)
	c := newCutter(im.W, o)
	for rest, y := out.Pixels, 0; y < im.H; y += f {
		rest = c.band(rest, im.RGB[y*c.stride:])
	}
	return out, nil
}

// newPatches returns patches of w by h pixels, in the given memory if that is
// large enough.
func newPatches(w, h int, o Options, memory []float32) *Patches {
	n := w * h * channels * o.TemporalPatchSize
	if cap(memory) < n {
		memory = make([]float32, n)
	}
	return &Patches{Grid: Grid{T: 1, H: h / o.PatchSize, W: w / o.PatchSize}, Pixels: memory[:n]}
}

// cutter writes patches of one image.
type cutter struct {
	levels *pixel.Levels
	patch  int // side in pixels
	merge  int // patches along a side of a block
	frames int
	stride int // samples from one row of the image to the next
}

// newCutter returns a cutter for images of w columns.
func newCutter(w int, o Options) *cutter {
	return &cutter{levels: levels(o), patch: o.PatchSize, merge: o.MergeSize, frames: o.TemporalPatchSize, stride: w * channels}
}

// band writes the patches of one row of blocks, whose first sample is src[0], to
// the front of dst and returns the rest of dst.
func (c *cutter) band(dst []float32, src []uint8) []float32 {
	width := c.patch * channels
	for left := 0; left < c.stride; left += c.merge * width {
		for i := range c.merge * c.merge {
			dst = c.cut(dst, src[i/c.merge*c.patch*c.stride+left+i%c.merge*width:])
		}
	}
	return dst
}

// cut writes the patch whose first sample is src[0] to the front of dst and
// returns the rest of dst.
func (c *cutter) cut(dst []float32, src []uint8) []float32 {
	plane := c.patch * c.patch
	volume := plane * c.frames
	c.levels.Patch(dst, volume, src, c.stride, c.patch)
	for ch := range channels {
		v := dst[ch*volume:][:volume]
		for f := 1; f < c.frames; f++ {
			copy(v[f*plane:], v[:plane])
		}
	}
	return dst[channels*volume:]
}

// levels returns the float32 that each of the 256 levels of each channel is
// normalised to (5.4), with the roundings of the rule.
func levels(o Options) *pixel.Levels {
	l := &pixel.Levels{Linear: o.Rule == Torchvision}
	for c := range channels {
		mean, std := float32(o.Mean[c]), float32(o.Std[c])
		l.Mean[c], l.Std[c] = mean*255, std*255
		for v := range 256 {
			if o.Rule == Pillow {
				unit := float32(float64(v) * (1.0 / 255))
				l.Table[c][v] = float32(unit-mean) / std
			} else {
				l.Table[c][v] = float32(float32(v)-l.Mean[c]) / l.Std[c]
			}
		}
	}
	return l
}
