// Package router decides which expert a screenshot belongs to, from what a
// network says about it, and how sure that is. It holds the arithmetic behind
// every rung of the router: a LoRA adapter that scores the labels, a linear
// head on frozen vision features, and prototypes of the same features.
//
// The network itself is not in here. Whoever runs it hands over Evidence, plain
// numbers about one image; a Calibration, fitted on validation data, turns them
// into a Decision: probabilities over the table of experts, and whether to
// answer "unsure" (specification mole, 6.5; DESIGN 9). Two signals may say so:
// the calibrated probability, and the distance from all known screens.
//
// Everything is computed in float64 in a fixed order, so that equal input gives
// equal bytes, at any number of workers.
package router

import (
	"fmt"
	"slices"
)

// Rung is a way of routing: how dear it is, and how much it can learn.
type Rung string

// The rungs, from the dearest to the cheapest.
const (
	LoRA      Rung = "lora"      // an adapter on the base model, softmax over the labels
	Linear    Rung = "linear"    // logistic regression on frozen vision features: LinearHead
	Prototype Rung = "prototype" // the nearest class mean of the same features: PrototypeHead
)

// Auto stands for the rung with the least loss on validation data, of equals
// the cheapest one. No bundle has it: training decides.
const Auto Rung = "auto"

// Rungs returns all rungs, in the order of their constants.
func Rungs() []Rung { return []Rung{LoRA, Linear, Prototype} }

// ParseRung returns the rung of that name.
func ParseRung(s string) (Rung, error) {
	r := Rung(s)
	if !slices.Contains(Rungs(), r) {
		return "", fmt.Errorf("rung %q, want lora, linear or prototype", s)
	}
	return r, nil
}

// Evidence is what is known about one image.
type Evidence struct {
	Logits []float64 // one per expert of the table, before temperature
	Hidden []float64 // last hidden state at the row of the answer; nil for rungs without
	Pooled []float64 // frozen vision features of a Features set; nil if unknown
}

// Decision is the router's answer for one image.
type Decision struct {
	Expert     string    // the best expert, also of an unsure decision; "" if the evidence is unusable
	Label      int       // its label; -1 if the evidence is unusable
	Probs      []float64 // one per expert of the table, sum 1
	Confidence float64   // the largest of Probs, 0 if the evidence is unusable
	Unsure     bool      // the answer is not to be relied on
	Reason     string    // why it is unsure: "confidence 0.41 below 0.62", "distance 8.1 above 5.3"
	Distance   float64   // from the known screens; about 1 for a typical one, 0 if it is not measured
}

// Known is the evidence of an image whose expert is known.
type Known struct {
	Evidence
	Class int // index in the table
}

// Examples are feature vectors of one width and the classes they belong to.
type Examples struct {
	X     [][]float64 // [n][width]
	Class []int       // [n], index in the table
}

// check refuses examples that are not n vectors of width finite numbers with
// n classes below k. A width of 0 stands for that of the first vector.
func (e Examples) check(what string, width, k int) error {
	if len(e.X) != len(e.Class) {
		return fmt.Errorf("%s: %d vectors but %d classes", what, len(e.X), len(e.Class))
	}
	for i, x := range e.X {
		if width == 0 {
			width = len(x)
		}
		switch {
		case len(x) != width || width == 0:
			return fmt.Errorf("%s: vector %d has %d features, want %d", what, i, len(x), width)
		case !finite(x):
			return fmt.Errorf("%s: vector %d holds a number that is not finite", what, i)
		case e.Class[i] < 0 || e.Class[i] >= k:
			return fmt.Errorf("%s: vector %d has class %d, want 0 to %d", what, i, e.Class[i], k-1)
		}
	}
	return nil
}
