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
	p, merge := o.PatchSize, o.MergeSize
	out := &Patches{
		Grid:   Grid{T: 1, H: im.H / p, W: im.W / p},
		Pixels: make([]float32, len(im.RGB)*o.TemporalPatchSize),
	}
	c := cutter{levels: levels(o), patch: p, frames: o.TemporalPatchSize, stride: im.W * channels}
	rest := out.Pixels
	for row := 0; row < out.Grid.H; row += merge {
		for col := 0; col < out.Grid.W; col += merge {
			for i := range merge * merge {
				y, x := (row+i/merge)*p, (col+i%merge)*p
				rest = c.cut(rest, im.RGB[(y*im.W+x)*channels:])
			}
		}
	}
	return out, nil
}

// cutter writes patches of one image.
type cutter struct {
	levels *pixel.Levels
	patch  int // side in pixels
	frames int
	stride int // samples from one row of the image to the next
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
