// Package eval judges a router by its decisions about images whose expert is
// known, and about screens of no expert at all: accuracy with its interval, per
// class, calibration, risk against coverage, unknown screens, every error, and
// the comparison of two routers on the same images (specification mole, 9).
// Report is the result in the form that other programs read (4.15); it is also
// written as lines for a terminal and as one self-contained HTML page.
//
// Nothing in here runs a network: decisions come in as [Outcome] values.
// Everything is computed in a fixed order, so equal outcomes give equal bytes.
package eval

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"mole/expert"
	"mole/router"
)

// Outcome is what a router decided about one image.
type Outcome struct {
	ID       string // of the sample
	Image    string // reference to the picture, for people and for the gallery
	Expected string // name of the right expert; "" for a screen of no expert
	Decision router.Decision
}

// right reports whether the best expert is the expected one, sure or not.
func (o *Outcome) right() bool { return o.Expected != "" && o.Decision.Expert == o.Expected }

// Metrics says how good a router's decisions are. Shares are 0 to 1. Whether a
// decision was unsure matters for Accepted only: accuracy counts every image.
type Metrics struct {
	Total, Correct int
	Accuracy       Interval
	Macro          float64 // mean accuracy of the classes that have images
	Classes        []Class // one per expert, in the order of the table
	Confusion      [][]int // [expected][predicted], in the order of the table
	Unusable       int     // images that got no answer at all; they are in no column of Confusion
	NLL            float64 // mean negative log-likelihood of the right expert, nats; a probability counts as 1e-12 at least
	Confidence     float64 // mean
	Calibration    Calibration
	Risk           Risk
	Accepted       Accepted
	Outside        *Outside  // nil without outside images
	Errors         []Outcome // every wrong one, the most confident first
}

// Class is the result of one expert's images.
type Class struct {
	Name           string
	Total, Correct int
	Predicted      int // images, right or wrong, that were given to this expert
	Accuracy       Interval
}

// Accepted is what happens if unsure decisions are left to a person.
type Accepted struct {
	Total, Errors int      // decisions that were sure, and the wrong ones of them
	FalseAlarms   int      // known screens that came out as unsure
	FalseAlarm    Interval // their share
}

// Measure returns the metrics of decisions about images of the experts of t and
// about outside images, of which there may be none. Every known outcome must
// name an expert of t; every decision needs one probability per expert.
func Measure(t expert.Table, known, outside []Outcome) (*Metrics, error) {
	if len(known) == 0 {
		return nil, fmt.Errorf("no images to measure")
	}
	expected, err := check(t, known, outside)
	if err != nil {
		return nil, err
	}
	m := &Metrics{Total: len(known), Confusion: make([][]int, len(t))}
	for i, e := range t {
		m.Classes = append(m.Classes, Class{Name: e.Name})
		m.Confusion[i] = make([]int, len(t))
	}
	for i := range known {
		m.count(t, &known[i], expected[i])
	}
	m.finish()
	m.Calibration = calibration(known)
	m.Risk = riskCoverage(known)
	if len(outside) > 0 {
		m.Outside = measureOutside(known, outside)
	}
	slices.SortStableFunc(m.Errors, func(a, b Outcome) int {
		return cmp.Compare(b.Decision.Confidence, a.Decision.Confidence)
	})
	return m, nil
}

// check returns the index of the expected expert of every known outcome.
func check(t expert.Table, known, outside []Outcome) ([]int, error) {
	index := map[string]int{}
	for i, e := range t {
		index[e.Name] = i
	}
	expected := make([]int, len(known))
	for i := range known {
		c, ok := index[known[i].Expected]
		if !ok {
			return nil, fmt.Errorf("image %s: expected expert %q is not in the table", known[i].ID, known[i].Expected)
		}
		expected[i] = c
	}
	for _, set := range [][]Outcome{known, outside} {
		for i := range set {
			d := &set[i].Decision
			if _, ok := index[d.Expert]; !ok && d.Expert != "" {
				return nil, fmt.Errorf("image %s: decision for expert %q, which is not in the table", set[i].ID, d.Expert)
			}
			if len(d.Probs) != len(t) || !sound(d) {
				return nil, fmt.Errorf("image %s: probabilities %v, confidence %v and distance %v, want %d finite probabilities",
					set[i].ID, d.Probs, d.Confidence, d.Distance, len(t))
			}
		}
	}
	return expected, nil
}

// sound reports whether the numbers of a decision are finite.
func sound(d *router.Decision) bool {
	for _, v := range append([]float64{d.Confidence, d.Distance}, d.Probs...) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// count adds one known outcome.
func (m *Metrics) count(t expert.Table, o *Outcome, class int) {
	d := &o.Decision
	c := &m.Classes[class]
	c.Total++
	m.Confidence += d.Confidence
	m.NLL -= math.Log(math.Max(1e-12, d.Probs[class]))
	predicted := slices.IndexFunc(t, func(e expert.Expert) bool { return e.Name == d.Expert })
	if predicted >= 0 {
		m.Confusion[class][predicted]++
		m.Classes[predicted].Predicted++
	} else {
		m.Unusable++
	}
	if predicted == class {
		c.Correct++
		m.Correct++
	} else {
		m.Errors = append(m.Errors, *o)
	}
	switch {
	case d.Unsure:
		m.Accepted.FalseAlarms++
	case predicted == class:
		m.Accepted.Total++
	default:
		m.Accepted.Total++
		m.Accepted.Errors++
	}
}

// finish turns counts into shares.
func (m *Metrics) finish() {
	m.Accuracy = Wilson(m.Correct, m.Total)
	m.NLL /= float64(m.Total)
	m.Confidence /= float64(m.Total)
	m.Accepted.FalseAlarm = Wilson(m.Accepted.FalseAlarms, m.Total)
	classes := 0
	for i := range m.Classes {
		c := &m.Classes[i]
		c.Accuracy = Wilson(c.Correct, c.Total)
		if c.Total > 0 {
			classes++
			m.Macro += c.Accuracy.Value
		}
	}
	m.Macro /= float64(classes)
}
