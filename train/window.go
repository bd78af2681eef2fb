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
		if !(e.Weight > 0) || math.IsInf(float64(e.Weight), 0) {
			return nil, fmt.Errorf("example %d: weight %v, want a positive number", index, e.Weight)
		}
		w.index, w.examples, w.labels = append(w.index, index), append(w.examples, e), append(w.labels, n)
	}
	return w, nil
}

// normalise turns the weights of the examples into weights of labels that add
// up to 1 over the window, by the given rule.
func (w *window) normalise(rule Normalise) {
	share := func(int) float64 { return 1 } // of one label of example i
	if rule == SampleMean {
		share = func(i int) float64 { return 1 / float64(w.labels[i]) }
	}
	sum := 0.0
	for i, e := range w.examples {
		sum += float64(e.Weight) * share(i) * float64(w.labels[i])
	}
	for i := range w.examples {
		e := &w.examples[i]
		e.Weight = float32(float64(e.Weight) * share(i) / sum)
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
