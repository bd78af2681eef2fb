package parity

import (
	"math"

	"mole/batch"
)

// checkWeights compares the filled weights with the values that the case
// gives of each: a fault in the rule shows here before it shows in a result.
func (r *run) checkWeights(n *network) {
	weights := r.meta.object("weights")
	if r.failed() {
		return
	}
	for _, t := range n.config.Tensors() {
		m := weights.object(t.Name)
		shape, first := m.integers("shape"), m.numbers("first")
		last, sum := m.number("last"), m.number("sum")
		if r.failed() {
			return
		}
		got, err := n.source.digest(t.Name)
		if err != nil {
			r.fail(err)
			return
		}
		wantShape := make([]int32, len(t.Shape))
		for i, e := range t.Shape {
			wantShape[i] = int32(e)
		}
		r.exact("weights.shape", t.Name, differences(shape, wantShape))
		r.checkValues(n, t.Name, append(first, last), append(got.first, got.last))
		// Σ|x| is the scale at which a float64 sum rounds; its order is not ours.
		r.add("weights.sum", weightSum, t.Name, ratio(math.Abs(got.sum-sum), got.size))
	}
}

// weightSum is how far sums of the same float64 numbers in another order may
// be off, relative to Σ|x|.
const weightSum = 1e-12

// sineUlps is how far two good implementations of the sine may be apart: tens of
// units in the last place of 1.
const sineUlps = 1e-14

// checkValues compares single values of a tensor: bit by bit, but for the
// sine rule, where that would ask for one particular implementation of sin.
func (r *run) checkValues(n *network, name string, want, got []float64) {
	if _, sine := n.fill.(sineFill); sine {
		r.add("weights", sineUlps, name, relative(got, want))
		return
	}
	r.exact("weights", name, differences(got, want))
}

// checkPositions compares positions and rope_delta of a packed sample.
func (r *run) checkPositions(quantity, name string, b *batch.Batch) {
	if r.failed() {
		return
	}
	want := r.integers(name, 3, len(b.Pos))
	var got []int64
	for axis := range 3 {
		for _, p := range b.Pos {
			got = append(got, int64(p[axis]))
		}
	}
	r.exact(quantity, name, differences(got, want))
}

// ropeDelta is the position of the next token minus the number of tokens, of
// a sample packed alone.
func ropeDelta(b *batch.Batch) int { return int(b.Next(0)) - len(b.Tokens) }
