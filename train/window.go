package train

import (
	"fmt"
	"math"

	"mole/batch"
)

// window is the examples of one step, with the weight that each of their labels
// has in the loss of the step.
type window struct {
	index    []int           // number of each in Examples
	examples []batch.Example // Weight: of each label in the sum
	labels   []int           // supervised tokens of each
}

// gather returns the examples of a step, with the weights that they came with
// (1 where it was 0).
func gather(ex Examples, o *order, step, count int) (*window, error) {
	w := &window{}
	for i := range count {
		index := o.at(step*count + i)
		e, err := ex.Example(index)
		if err != nil {
			return nil, fmt.Errorf("example %d: %w", index, err)
		}
		n := 0
		for _, label := range e.Labels {
			if label != batch.Ignore {
				n++
			}
		}
		if n == 0 {
			return nil, fmt.Errorf("example %d: no supervised token", index)
		}
		if e.Weight == 0 {
			e.Weight = 1
		}
		if err := checkWeights(e); err != nil {
			return nil, fmt.Errorf("example %d: %w", index, err)
		}
		w.index, w.examples, w.labels = append(w.index, index), append(w.examples, e), append(w.labels, n)
	}
	return w, nil
}

// checkWeights returns an error unless the loss of e can be a part of a mean.
func checkWeights(e batch.Example) error {
	if !(e.Weight > 0) || math.IsInf(float64(e.Weight), 0) {
		return fmt.Errorf("weight %v, want a positive number", e.Weight)
	}
	if e.Weights != nil && len(e.Weights) != len(e.Labels) {
		return fmt.Errorf("%d weights of tokens, want %d, one for each", len(e.Weights), len(e.Labels))
	}
	for i, v := range e.Weights {
		if !(v >= 0) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("token %d: weight %v, want a finite number, at least 0", i, v)
		}
	}
	return nil
}

// mass returns what the labels of example i count together, the weight of the
// example left out.
func (w *window) mass(i int) float64 {
	e := &w.examples[i]
	if e.Weights == nil {
		return float64(w.labels[i])
	}
	sum := 0.0
	for k, label := range e.Labels {
		if label != batch.Ignore {
			sum += float64(e.Weights[k])
		}
	}
	return sum
}

// leastMass is added to what the labels of a window count together where tokens
// have weights: all of them may be 0 (specification mole, 8.6).
const leastMass = 1e-8

// normalise turns the weights of the examples into such that those of all labels
// add up to 1 over the window, by the given rule; where tokens have weights of
// their own, to a little less.
func (w *window) normalise(rule Normalise) {
	sum, shares := 0.0, make([]float64, len(w.examples)) // of one label of each example
	weighted := false
	for i, e := range w.examples {
		mass := w.mass(i)
		shares[i] = 1
		if rule == SampleMean && mass > 0 {
			shares[i] = 1 / mass
		}
		sum += float64(e.Weight) * shares[i] * mass
		weighted = weighted || e.Weights != nil
	}
	if weighted {
		sum += leastMass
	}
	for i := range w.examples {
		e := &w.examples[i]
		e.Weight = float32(float64(e.Weight) * shares[i] / sum)
	}
}

// supervised returns the number of labels.
func (w *window) supervised() int {
	n := 0
	for _, labels := range w.labels {
		n += labels
	}
	return n
}

// cut returns the examples that go into the next pass, as many as have together
// at most the given number of tokens but at least one, and the rest. Tokens
// that examples share count once, as the pass computes them once.
func (w *window) cut(l batch.Layout, tokens int) (pass, rest *window) {
	n := batch.TakeShared(l, w.examples, tokens)
	return &window{w.index[:n], w.examples[:n], w.labels[:n]}, &window{w.index[n:], w.examples[n:], w.labels[n:]}
}

// exampleOf returns the number in Examples of the example that label i, counted
// over the window, belongs to.
func (w *window) exampleOf(i int) int {
	for k, n := range w.labels {
		if i -= n; i < 0 {
			return w.index[k]
		}
	}
	panic(fmt.Sprintf("train: label beyond the %d of the window", w.supervised()))
}
