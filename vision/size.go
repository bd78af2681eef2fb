package vision

import (
	"fmt"
	"math"
)

const (
	// maxAspect is the largest quotient of the sides of an image.
	maxAspect = 200
	// maxSide keeps products of two sides inside an int.
	maxSide = 1 << 30
	// maxTarget is the largest area after a resize, four times the released
	// limit. Without it the limits of a hostile configuration would decide how
	// much memory a small file takes.
	maxTarget = 1 << 26
)

// TargetSize returns the height and width, in pixels, that an image of h rows
// and w columns is resized to (5.2): both sides multiples of the patch size
// times the merge size, the area between the limits of o, the aspect ratio
// about kept. It is an error if one side is more than 200 times the other.
func TargetSize(h, w int, o Options) (int, int, error) {
	if err := o.check(); err != nil {
		return 0, 0, err
	}
	if min(h, w) < 1 || max(h, w) > maxSide {
		return 0, 0, fmt.Errorf("image of %dx%d pixels (width x height), want sides of 1 to %d", w, h, maxSide)
	}
	if float64(max(h, w))/float64(min(h, w)) > maxAspect {
		return 0, 0, fmt.Errorf("image of %dx%d pixels (width x height): one side is more than %d times the other", w, h, maxAspect)
	}
	th, tw := targetSize(h, w, o)
	if th > maxTarget || tw > maxTarget || th*tw > maxTarget {
		return 0, 0, fmt.Errorf("image of %dx%d pixels (width x height) would be resized to %dx%d, more than %d pixels", w, h, tw, th, maxTarget)
	}
	return th, tw, nil
}

// targetSize computes in float64 and rounds halves to even, as the reference does.
func targetSize(h, w int, o Options) (int, int) {
	f := float64(o.factor())
	fh, fw := float64(h), float64(w)
	th, tw := math.RoundToEven(fh/f)*f, math.RoundToEven(fw/f)*f
	switch area := th * tw; {
	case area > float64(o.MaxPixels):
		b := math.Sqrt(fh * fw / float64(o.MaxPixels))
		th = max(f, math.Floor(fh/b/f)*f)
		tw = max(f, math.Floor(fw/b/f)*f)
	case area < float64(o.MinPixels):
		b := math.Sqrt(float64(o.MinPixels) / (fh * fw))
		th = math.Ceil(fh*b/f) * f
		tw = math.Ceil(fw*b/f) * f
	}
	return int(th), int(tw)
}
