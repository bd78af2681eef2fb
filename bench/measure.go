package bench

import (
	"context"
	"slices"
	"time"
)

// work does a piece of work and returns how much it was, in any unit.
type work func() (amount float64)

// outcome is what came of measuring a thing and its yardstick in turns:
// medians of both rates, per second, and of their ratios. Without a yardstick
// yard and ratio are 0.
type outcome struct{ value, yard, ratio float64 }

// beside measures a thing with its yardstick before and after it, as often as
// the options say. What else the machine does then slows both alike.
func (s *session) beside(ctx context.Context, measured work, yard yardstick) (outcome, error) {
	if yard == nil {
		yard = func() float64 { return 0 }
	}
	var values, yards []float64
	measured()
	before := yard()
	for range s.Rounds {
		if err := ctx.Err(); err != nil {
			return outcome{}, err
		}
		value := s.rate(measured)
		after := yard()
		values, yards = append(values, value), append(yards, (before+after)/2)
		before = after
	}
	return summarise(values, yards), nil
}

// summarise returns the outcome of rounds in turns.
func summarise(values, yards []float64) outcome {
	o := outcome{value: median(values), yard: median(yards)}
	if o.yard > 0 {
		o.ratio = median(ratios(values, yards))
	}
	return o
}

// ratios returns a[i]/b[i].
func ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

// rate returns the amount of work per second over at least the time of a turn.
func (s *session) rate(w work) float64 { return s.rateOver(s.Slice, w) }

// rateOver returns the amount of work per second over at least some time.
func (s *session) rateOver(least time.Duration, w work) float64 {
	now := wallTime
	if s.CPUTime {
		now = cpuTime
	}
	amount := 0.0
	for start := now(); ; {
		amount += w()
		if t := now() - start; t >= least {
			return amount / max(t, time.Nanosecond).Seconds()
		}
	}
}

// begin is when the program began.
var begin = time.Now()

// wallTime returns the time since the program began.
func wallTime() time.Duration { return time.Since(begin) }

// median returns the middle of v, the mean of the two for an even number, 0 of
// nothing.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
