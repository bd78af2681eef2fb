package router

import (
	"fmt"
	"math"
	"slices"

	"mole/expert"
)

// Distance measures how far an image is from the known screens: the mean of a
// Mahalanobis distance, in the last hidden state where the rung has one, else
// in the frozen features, and of the cosine distance to the class prototypes of
// the features. Each is divided by what is typical of a known screen, so that
// about 1 is ordinary.
type Distance struct {
	Space       Space          `json:"space"` // what Mahalanobis measures
	Mahalanobis *Mahalanobis   `json:"mahalanobis"`
	Prototypes  *PrototypeHead `json:"prototypes,omitempty"` // nil without frozen features
	Typical     []float64      `json:"typical"`              // medians on validation data, of each of the two
}

// Space names a vector of Evidence.
type Space string

// The spaces that distances are measured in.
const (
	HiddenSpace Space = "hidden"
	PooledSpace Space = "pooled"
)

// of returns the vector of the evidence that lies in the space.
func (s Space) of(e Evidence) []float64 {
	if s == HiddenSpace {
		return e.Hidden
	}
	return e.Pooled
}

// vectors returns the vectors of known images in the space.
func (s Space) vectors(known []Known) Examples {
	var e Examples
	for _, k := range known {
		e.X = append(e.X, s.of(k.Evidence))
		e.Class = append(e.Class, k.Class)
	}
	return e
}

// spaceOf returns the space for Mahalanobis distances between known images,
// "" if they have no vectors.
func spaceOf(known []Known) Space {
	switch {
	case len(known) == 0:
		return ""
	case len(known[0].Hidden) > 0:
		return HiddenSpace
	case len(known[0].Pooled) > 0:
		return PooledSpace
	}
	return ""
}

// fitDistance returns the statistics of known images, at least one, without
// what is typical of them.
func fitDistance(t expert.Table, f Features, space Space, known []Known) (*Distance, error) {
	d := &Distance{Space: space}
	var err error
	if d.Mahalanobis, err = fitMahalanobis(space.vectors(known), len(t)); err != nil {
		return nil, err
	}
	if len(known[0].Pooled) > 0 {
		d.Prototypes = prototypes(t, f, PooledSpace.vectors(known))
	}
	return d, nil
}

// parts returns the distances of an image, each in its own unit.
func (d *Distance) parts(e Evidence) ([]float64, error) {
	x := d.Space.of(e)
	if len(x) == 0 {
		return nil, fmt.Errorf("no %s vector to measure the distance of", d.Space)
	}
	m, err := d.Mahalanobis.distance(x)
	if err != nil {
		return nil, err
	}
	if d.Prototypes == nil {
		return []float64{m}, nil
	}
	p, err := d.Prototypes.distance(e.Pooled)
	return []float64{m, p}, err
}

// allParts returns the parts of the distances of several images.
func (d *Distance) allParts(known []Known) ([][]float64, error) {
	out := make([][]float64, len(known))
	for i, k := range known {
		var err error
		if out[i], err = d.parts(k.Evidence); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// setTypical sets what is typical from the parts of held-out known images.
func (d *Distance) setTypical(parts [][]float64) {
	d.Typical = nil
	for i := range parts[0] {
		column := make([]float64, len(parts))
		for j := range parts {
			column[j] = parts[j][i]
		}
		slices.Sort(column)
		// Of images that all sit on their means 0 is typical; any unit will do.
		if m := column[len(column)/2]; m > 1e-9 {
			d.Typical = append(d.Typical, m)
		} else {
			d.Typical = append(d.Typical, 1)
		}
	}
}

// join returns the one distance that the parts make.
func (d *Distance) join(parts []float64) float64 {
	sum := 0.0
	for i, p := range parts {
		sum += p / d.Typical[i]
	}
	return sum / float64(len(parts))
}

// Of returns the distance of an image, 0 or more, or an error if the evidence
// lacks a vector, or has one of another width.
func (d *Distance) Of(e Evidence) (float64, error) {
	parts, err := d.parts(e)
	if err != nil {
		return 0, err
	}
	v := d.join(parts)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("distance in the %s vector is not finite", d.Space)
	}
	return v, nil
}

// check refuses statistics that Of could not work with.
func (d *Distance) check(experts []string) error {
	if d.Space != HiddenSpace && d.Space != PooledSpace {
		return fmt.Errorf("space %q, want %q or %q", d.Space, HiddenSpace, PooledSpace)
	}
	if d.Mahalanobis == nil {
		return fmt.Errorf("mahalanobis is missing")
	}
	if err := d.Mahalanobis.check(); err != nil {
		return fmt.Errorf("mahalanobis: %w", err)
	}
	want := 1
	if d.Prototypes != nil {
		want = 2
		if err := d.Prototypes.check(experts); err != nil {
			return fmt.Errorf("prototypes: %w", err)
		}
	}
	if len(d.Typical) != want {
		return fmt.Errorf("typical: %d numbers, want %d", len(d.Typical), want)
	}
	return checkPositive("typical", d.Typical...)
}

// folds is into how many parts validation data is cut when it has to serve
// both for the statistics and for what is typical.
const folds = 5

// heldOut returns the parts of the distance of each known image, measured with
// statistics of images of other folds. Folds are dealt out class by class in
// the order of the images.
func heldOut(t expert.Table, f Features, space Space, known []Known) ([][]float64, error) {
	fold, count := make([]int, len(known)), make([]int, len(t))
	for i, k := range known {
		fold[i] = count[k.Class] % folds
		count[k.Class]++
	}
	out := make([][]float64, len(known))
	for n := range folds {
		var others []Known
		for i, k := range known {
			if fold[i] != n {
				others = append(others, k)
			}
		}
		if len(others) == 0 {
			others = known // one image of each class: there is nothing to hold out
		}
		d, err := fitDistance(t, f, space, others)
		if err != nil {
			return nil, err
		}
		for i, k := range known {
			if fold[i] != n {
				continue
			}
			if out[i], err = d.parts(k.Evidence); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
