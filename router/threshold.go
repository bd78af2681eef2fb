package router

import (
	"cmp"
	"slices"
)

// scored is what thresholds are fitted on: one known image.
type scored struct {
	confidence float64
	distance   float64
	right      bool
}

// fitThresholds returns the least confidence and the greatest distance at which
// an answer is accepted, and what they would have done on s. 0 stands for no
// threshold.
//
// First the false alarms. For j = 1, 2, …, level j rejects what is no more
// confident than the j-th least confident known image or no nearer than the
// j-th farthest one. The strictest level that rejects at most a share
// MaxFalseAlarm of n+1 images (of the n and the next one) is taken: for one
// signal that is the split-conformal quantile, for two its union. If already
// level 1 rejects more, nothing is rejected. The image at the threshold itself
// is accepted, and with it every one that ties with it.
//
// Then the errors: if, with one error added for the image to come, their share
// among the accepted is above MaxError, the confidence asked for rises to the
// least one that keeps the rate, even against the false-alarm rate, for a wrong
// answer is worse than a question. Where there are too few images to keep it
// that way, the rate on s itself counts, and Fit says so.
func fitThresholds(s []scored, hasDistance bool, o Options) (minConfidence, maxDistance float64, f Fit) {
	f = Fit{Images: len(s), MaxError: o.MaxError, MaxFalseAlarm: o.MaxFalseAlarm}
	minConfidence, maxDistance = alarmThresholds(s, hasDistance, int(o.MaxFalseAlarm*float64(len(s)+1)+1e-9))
	if o.MaxError >= 0 {
		minConfidence = max(minConfidence, errorThreshold(s, minConfidence, maxDistance, o.MaxError))
	}
	for _, v := range s {
		switch {
		case !accepts(v, minConfidence, maxDistance):
			f.Rejected++
		case !v.right:
			f.Errors++
		}
	}
	accepted := f.Images - f.Rejected
	f.KeepsError = o.MaxError < 0 || accepted > 0 && float64(f.Errors+1) <= o.MaxError*float64(accepted+1)
	f.KeepsFalseAlarm = float64(f.Rejected) <= o.MaxFalseAlarm*float64(len(s)+1)
	return minConfidence, maxDistance, f
}

// accepts reports whether neither threshold rejects v.
func accepts(v scored, minConfidence, maxDistance float64) bool {
	return v.confidence >= minConfidence && (maxDistance == 0 || v.distance <= maxDistance)
}

// alarmThresholds returns the thresholds of the strictest level that rejects at
// most budget images.
func alarmThresholds(s []scored, hasDistance bool, budget int) (minConfidence, maxDistance float64) {
	byConfidence, byDistance := slices.Clone(s), slices.Clone(s)
	slices.SortFunc(byConfidence, func(a, b scored) int { return cmp.Compare(a.confidence, b.confidence) })
	slices.SortFunc(byDistance, func(a, b scored) int { return cmp.Compare(b.distance, a.distance) })
	for j := range min(budget, len(s)) {
		c, d := byConfidence[j].confidence, byDistance[j].distance
		rejected := 0
		for _, v := range s {
			if v.confidence <= c || hasDistance && v.distance >= d {
				rejected++
			}
		}
		if rejected > budget {
			break
		}
		minConfidence = c
		if hasDistance {
			maxDistance = d
		}
	}
	return minConfidence, maxDistance
}

// errorThreshold returns the least confidence, at or above minConfidence, from
// which on the error rate is kept; with one error added if any does, else
// without; else a confidence just above the last error.
func errorThreshold(s []scored, minConfidence, maxDistance, maxError float64) float64 {
	var in []scored
	for _, v := range s {
		if accepts(v, minConfidence, maxDistance) {
			in = append(in, v)
		}
	}
	slices.SortFunc(in, func(a, b scored) int { return cmp.Compare(b.confidence, a.confidence) })
	for _, added := range []int{1, 0} {
		if c, ok := leastKeeping(in, added, maxError); ok {
			return c
		}
	}
	return minConfidence
}

// leastKeeping returns the least confidence c of in, which is sorted by falling
// confidence, for which the errors at or above c, and those added, are at most
// a share maxError of the images at or above c, and those added.
func leastKeeping(in []scored, added int, maxError float64) (c float64, ok bool) {
	errors := added
	for i, v := range in {
		if !v.right {
			errors++
		}
		last := i+1 == len(in) || in[i+1].confidence < v.confidence // ties go together
		if last && float64(errors) <= maxError*float64(i+1+added) {
			c, ok = v.confidence, true
		}
	}
	return c, ok
}
