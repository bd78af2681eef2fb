package router

import (
	"fmt"

	"gonum.org/v1/gonum/floats"

	"mole/expert"
)

// PrototypeHead is the prototype rung: the cosine between the standardised
// features of an image and the mean of each class. Features are standardised by
// their deviation inside the classes, which weighs those that tell classes
// apart. It is also how every rung measures how far an image is from the known
// screens in its features. Make one with FitPrototype or ParsePrototype. It is
// safe for concurrent use.
type PrototypeHead struct {
	Version  int      `json:"version"`  // headVersion
	Rung     Rung     `json:"rung"`     // Prototype
	Experts  []string `json:"experts"`  // in the order of the table
	Features Features `json:"features"` // what it reads
	Mean     Matrix   `json:"mean"`     // [1, width] of the training data
	Scale    Matrix   `json:"scale"`    // [1, width], deviation of the training data from the means of its classes
	Means    Matrix   `json:"means"`    // [experts, width], of unit length: means of the standardised features
}

// FitPrototype fits the prototype rung for the experts of t, each of which
// needs an example in train. There is nothing to choose, so it needs no
// validation data.
func FitPrototype(t expert.Table, f Features, train Examples) (*PrototypeHead, error) {
	if err := checkFit(t, f, train, train); err != nil {
		return nil, fmt.Errorf("fit prototypes: %w", err)
	}
	return prototypes(t, f, train), nil
}

// prototypes is FitPrototype on checked examples. An expert without any has no
// direction: every cosine with it is 0.
func prototypes(t expert.Table, f Features, train Examples) *PrototypeHead {
	s := standardise(train)
	means, _ := classMeans(train, len(t))
	s.scale = withinScale(train, means)
	for c, m := range means {
		if m == nil {
			means[c] = make([]float64, len(s.mean))
			continue
		}
		floats.Sub(m, s.mean)
		floats.Div(m, s.scale)
		if length := norm(m); length > 0 {
			floats.Scale(1/length, m)
		}
	}
	width := len(s.mean)
	return &PrototypeHead{
		Version: headVersion, Rung: Prototype, Experts: t.Names(), Features: f,
		Mean:  newMatrix([][]float64{s.mean}, width),
		Scale: newMatrix([][]float64{s.scale}, width),
		Means: newMatrix(means, width),
	}
}

// Logits returns the cosines of a feature vector, -1 to 1, one per expert, or
// an error if its width is not the head's. A calibration makes probabilities of
// them.
func (h *PrototypeHead) Logits(x []float64) ([]float64, error) {
	if len(x) != h.Mean.Columns {
		return nil, fmt.Errorf("%d features, the prototypes have %d", len(x), h.Mean.Columns)
	}
	z := make([]float64, len(x))
	for j, v := range x {
		z[j] = (v - float64(h.Mean.Data[j])) / float64(h.Scale.Data[j])
	}
	length := norm(z)
	out := make([]float64, h.Means.Rows)
	for c := range out {
		if length > 0 {
			out[c] = dot(h.Means.Row(c), z) / length
		}
	}
	return out, nil
}

// distance returns 1 less the largest cosine, 0 to 2.
func (h *PrototypeHead) distance(x []float64) (float64, error) {
	cosines, err := h.Logits(x)
	if err != nil {
		return 0, err
	}
	return 1 - cosines[argmax(cosines)], nil
}
