package train

import (
	"fmt"
	"math"
)

// Shape names how the learning rate falls after the warm-up.
type Shape string

// The shapes of a schedule.
const (
	Cosine   Shape = "cosine"   // half a cosine from the peak to 0; "" means this
	Linear   Shape = "linear"   // straight from the peak to 0
	Constant Shape = "constant" // the peak
)

// Schedule gives each step its learning rate. In the first Warmup steps it
// rises in a straight line from 0, which the first step has, so that the first
// step after them has the peak. The formulas are those of the library
// transformers.
type Schedule struct {
	Shape  Shape
	Peak   float64
	Warmup int // steps
	Steps  int // of the whole run; from there on Cosine and Linear are 0
}

// Rate returns the learning rate of a step, counted from 0.
func (s Schedule) Rate(step int) float64 {
	if step < s.Warmup {
		return s.Peak * (float64(step) / float64(s.Warmup))
	}
	decay := float64(max(1, s.Steps-s.Warmup))
	switch s.Shape {
	case Cosine, "":
		progress := min(1, float64(step-s.Warmup)/decay)
		return s.Peak * (0.5 * (1 + math.Cos(math.Pi*progress)))
	case Linear:
		return s.Peak * max(0, float64(s.Steps-step)/decay)
	case Constant:
		return s.Peak
	}
	panic(fmt.Sprintf("train: schedule %q", s.Shape))
}

// check returns an error if the shape is not known or a number out of range.
func (s Schedule) check() error {
	switch s.Shape {
	case Cosine, Linear, Constant, "":
	default:
		return fmt.Errorf("schedule %q, want %q, %q or %q", s.Shape, Cosine, Linear, Constant)
	}
	if !(s.Peak > 0) || math.IsInf(s.Peak, 0) {
		return fmt.Errorf("learning rate %v, want a positive number", s.Peak)
	}
	if s.Warmup > s.Steps {
		return fmt.Errorf("%d steps of warm-up, want at most the %d of the run", s.Warmup, s.Steps)
	}
	return nil
}
