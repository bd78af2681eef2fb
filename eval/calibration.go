package eval

import (
	"cmp"
	"math"
	"slices"
)

// Bins is the number of bins of a calibration error.
const Bins = 15

// Calibration says whether a confidence means what it says: of the decisions
// with confidence 0.8, eight of ten should be right.
type Calibration struct {
	ECE      float64 // mean |accuracy − confidence| over Equal, weighted by count
	ECEMass  float64 // the same over Mass
	Brier    float64 // mean (confidence − right)² of the best expert
	Equal    []Bin   // bins of equal width that hold images, ascending
	Mass     []Bin   // bins of about as many images each, ascending
	Accuracy float64 // of all, for reference
}

// Bin is the decisions whose confidence lies in a range.
type Bin struct {
	Low        float64 `json:"low"`  // of the range; the first bin of equal width begins at 0
	High       float64 `json:"high"` // included
	Count      int     `json:"count"`
	Confidence float64 `json:"confidence"` // mean
	Accuracy   float64 `json:"accuracy"`
}

// calibration returns how well the confidence of at least one outcome is
// calibrated.
func calibration(known []Outcome) Calibration {
	s := byConfidence(known)
	c := Calibration{Equal: equalWidth(s), Mass: equalMass(s)}
	for _, o := range s {
		miss := o.Decision.Confidence
		if o.right() {
			miss--
			c.Accuracy++
		}
		c.Brier += miss * miss
	}
	n := float64(len(s))
	c.Accuracy /= n
	c.Brier /= n
	c.ECE, c.ECEMass = binError(c.Equal, n), binError(c.Mass, n)
	return c
}

// byConfidence returns pointers to the outcomes, the least confident first.
func byConfidence(known []Outcome) []*Outcome {
	s := make([]*Outcome, len(known))
	for i := range known {
		s[i] = &known[i]
	}
	slices.SortStableFunc(s, func(a, b *Outcome) int { return cmp.Compare(a.Decision.Confidence, b.Decision.Confidence) })
	return s
}

// equalWidth cuts sorted outcomes into bins (i/Bins, (i+1)/Bins].
func equalWidth(s []*Outcome) []Bin {
	groups := make([][]*Outcome, Bins)
	for _, o := range s {
		i := int(math.Ceil(o.Decision.Confidence*Bins)) - 1
		i = min(max(i, 0), Bins-1)
		groups[i] = append(groups[i], o)
	}
	var bins []Bin
	for i, g := range groups {
		if len(g) > 0 {
			bins = append(bins, newBin(g, float64(i)/Bins, float64(i+1)/Bins))
		}
	}
	return bins
}

// equalMass cuts sorted outcomes into bins of about n/Bins; equal confidences
// stay together.
func equalMass(s []*Outcome) []Bin {
	var bins []Bin
	for from, i := 0, 1; from < len(s); i++ {
		to := max(from, i*len(s)/Bins)
		for to > from && to < len(s) && s[to].Decision.Confidence == s[to-1].Decision.Confidence {
			to++
		}
		if to > from {
			bins = append(bins, newBin(s[from:to], s[from].Decision.Confidence, s[to-1].Decision.Confidence))
		}
		from = to
	}
	return bins
}

// newBin returns the bin of at least one outcome.
func newBin(g []*Outcome, low, high float64) Bin {
	b := Bin{Low: low, High: high, Count: len(g)}
	for _, o := range g {
		b.Confidence += o.Decision.Confidence
		if o.right() {
			b.Accuracy++
		}
	}
	b.Confidence /= float64(len(g))
	b.Accuracy /= float64(len(g))
	return b
}

// binError returns the expected calibration error over bins of n outcomes.
func binError(bins []Bin, n float64) float64 {
	sum := 0.0
	for _, b := range bins {
		sum += float64(b.Count) / n * math.Abs(b.Accuracy-b.Confidence)
	}
	return sum
}

// Risk is the error among the decisions that are accepted, as the share of
// accepted decisions grows, the most confident first.
type Risk struct {
	Curve []RiskPoint // by rising coverage; one point for each distinct confidence
	AURC  float64     // mean of the risk over all images as they come in; 0 is best
}

// RiskPoint is one confidence to accept from.
type RiskPoint struct {
	Confidence float64 `json:"confidence"` // decisions at least this confident are accepted
	Coverage   float64 `json:"coverage"`   // share of them
	Risk       float64 `json:"risk"`       // errors among them
}

// riskCoverage returns the curve of at least one outcome. Images of equal
// confidence come in together.
func riskCoverage(known []Outcome) Risk {
	s := byConfidence(known)
	slices.Reverse(s)
	var r Risk
	errors, from := 0, 0
	n := float64(len(s))
	for i, o := range s {
		if !o.right() {
			errors++
		}
		if i+1 < len(s) && s[i+1].Decision.Confidence == o.Decision.Confidence {
			continue
		}
		risk := float64(errors) / float64(i+1)
		r.Curve = append(r.Curve, RiskPoint{o.Decision.Confidence, float64(i+1) / n, risk})
		r.AURC += risk * float64(i+1-from) / n
		from = i + 1
	}
	return r
}
