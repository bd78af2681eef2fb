package vision

import (
	"fmt"
	"math"
)

// Rule names one of the two image processors of the reference. They agree on
// sizes and differ by at most two levels in under one percent of the samples
// of a resized image (5.3), and by 6e-8 after normalisation (5.4). Training and
// serving must use the same one.
type Rule uint8

// The rules.
const (
	Torchvision Rule = iota // 16-bit weights; what the reference uses where torchvision is installed
	Pillow                  // 22-bit weights; what it uses otherwise
)

var ruleNames = [...]string{Torchvision: "torchvision", Pillow: "pillow"}

// String returns "torchvision" or "pillow".
func (r Rule) String() string {
	if int(r) < len(ruleNames) {
		return ruleNames[r]
	}
	return fmt.Sprintf("Rule(%d)", uint8(r))
}

// ParseRule returns the rule that [Rule.String] calls s.
func ParseRule(s string) (Rule, error) {
	for r, name := range ruleNames {
		if s == name {
			return Rule(r), nil
		}
	}
	return 0, fmt.Errorf("resize rule %q, want %q or %q", s, Torchvision, Pillow)
}

// Options says how an image becomes patches. The zero value is not usable:
// take DefaultOptions or ParseOptions.
type Options struct {
	PatchSize         int // side of a patch in pixels, 1 to 256
	TemporalPatchSize int // frames of a patch, 1 to 16; a still image repeats its one
	MergeSize         int // patches along a side of the block that becomes one token, 1 to 16
	MinPixels         int // area after the resize, at least about this
	MaxPixels         int // and at most this

	Mean, Std [channels]float64 // of each colour, where samples count from 0 to 1
	Rule      Rule              // which of the reference's roundings
}

// DefaultOptions returns the values released with Qwen3-VL (5.1).
func DefaultOptions() Options {
	half := [channels]float64{0.5, 0.5, 0.5}
	return Options{
		PatchSize:         16,
		TemporalPatchSize: 2,
		MergeSize:         2,
		MinPixels:         256 * 256,
		MaxPixels:         4096 * 4096,
		Mean:              half,
		Std:               half,
	}
}

// factor returns what both sides of a resized image are multiples of.
func (o Options) factor() int { return o.PatchSize * o.MergeSize }

// check returns an error that names the first field that is out of range.
func (o Options) check() error {
	for _, f := range []struct {
		name        string
		got, lo, hi int
	}{
		{"patch size", o.PatchSize, 1, 256},
		{"temporal patch size", o.TemporalPatchSize, 1, 16},
		{"merge size", o.MergeSize, 1, 16},
		{"smallest number of pixels", o.MinPixels, 1, maxTarget},
		{"largest number of pixels", o.MaxPixels, o.MinPixels, math.MaxInt},
		{"resize rule", int(o.Rule), 0, len(ruleNames) - 1},
	} {
		if f.got < f.lo || f.got > f.hi {
			return fmt.Errorf("%s %d, want %d to %d", f.name, f.got, f.lo, f.hi)
		}
	}
	for c := range channels {
		if !within(o.Mean[c], -maxColour, maxColour) || !within(o.Std[c], minStd, maxColour) {
			return fmt.Errorf("normalisation of channel %d by mean %v and standard deviation %v, want at most %v and %v to %v",
				c, o.Mean[c], o.Std[c], maxColour, minStd, maxColour)
		}
	}
	return nil
}

// Bounds of mean and standard deviation, far outside anything useful (samples
// count from 0 to 1), that keep the arithmetic away from infinities.
const (
	maxColour = 1000.0
	minStd    = 1e-6
)

// within reports whether v is in a range; NaN never is.
func within(v, lo, hi float64) bool { return lo <= v && v <= hi }
