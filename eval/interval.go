package eval

import "math"

// Interval is a share with its 95 % confidence interval, all 0 to 1.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Wilson returns the share k of n with Wilson's score interval (1927), which
// stays inside 0 to 1 and is honest for few images and for shares near 1. For
// n = 0 nothing is known: 0, from 0 to 1.
func Wilson(k, n int) Interval {
	if n == 0 {
		return Interval{0, 0, 1}
	}
	const z = 1.959963984540054 // 97.5 % quantile of the normal distribution
	p, m := float64(k)/float64(n), float64(n)
	centre := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	// Rounding must not push the interval off the share.
	return Interval{p, max(0, min(p, centre-half)), min(1, max(p, centre+half))}
}
