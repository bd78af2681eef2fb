package eval

import (
	"cmp"
	"slices"
	"sort"
)

// Outside says how well screens of no expert are told from known ones.
type Outside struct {
	Total    int
	Unsure   Interval // share of outside images that came out as unsure: the higher, the better
	AUROC    AUROC
	Accepted []Outcome // outside images that were given to an expert, the most confident first
}

// AUROC is, for one way to order images, the probability that a random outside
// image looks stranger than a random known one, ties counting half: 0.5 is
// chance, 1 is perfect.
type AUROC struct {
	Confidence float64 `json:"confidence"` // low is strange
	Distance   float64 `json:"distance"`   // high is strange
	Both       float64 `json:"both"`       // rare among the known by either
}

// measureOutside compares outside images with known ones; there is at least one
// of each.
func measureOutside(known, outside []Outcome) *Outside {
	o := &Outside{Total: len(outside)}
	unsure := 0
	for _, v := range outside {
		if v.Decision.Unsure {
			unsure++
		} else {
			o.Accepted = append(o.Accepted, v)
		}
	}
	slices.SortStableFunc(o.Accepted, func(a, b Outcome) int {
		return cmp.Compare(b.Decision.Confidence, a.Decision.Confidence)
	})
	o.Unsure = Wilson(unsure, len(outside))
	doubt := func(v *Outcome) float64 { return -v.Decision.Confidence }
	distance := func(v *Outcome) float64 { return v.Decision.Distance }
	doubts, distances := strangeness(known, doubt), strangeness(known, distance)
	o.AUROC.Confidence = Auroc(doubts, strangeness(outside, doubt))
	o.AUROC.Distance = Auroc(distances, strangeness(outside, distance))
	slices.Sort(doubts)
	slices.Sort(distances)
	// The router rejects what either signal finds rare among known screens; so
	// the rarer of the two shares orders the images as it does.
	both := func(v *Outcome) float64 { return -min(atLeast(doubts, doubt(v)), atLeast(distances, distance(v))) }
	o.AUROC.Both = Auroc(strangeness(known, both), strangeness(outside, both))
	return o
}

// strangeness returns one number for each outcome.
func strangeness(s []Outcome, of func(*Outcome) float64) []float64 {
	v := make([]float64, len(s))
	for i := range s {
		v[i] = of(&s[i])
	}
	return v
}

// atLeast returns the share of ascending numbers that are at least v.
func atLeast(sorted []float64, v float64) float64 {
	return float64(len(sorted)-sort.SearchFloat64s(sorted, v)) / float64(len(sorted))
}

// Auroc returns the probability that a random element of high is greater than a
// random one of low, ties counting half: Mann and Whitney's statistic, in
// n·log n. Both must have elements, none of them NaN.
func Auroc(low, high []float64) float64 {
	sorted := slices.Clone(low)
	slices.Sort(sorted)
	wins := 0 // in halves
	for _, v := range high {
		below := sort.SearchFloat64s(sorted, v)
		notAbove := sort.Search(len(sorted), func(i int) bool { return sorted[i] > v })
		wins += below + notAbove
	}
	return float64(wins) / 2 / float64(len(low)) / float64(len(high))
}
