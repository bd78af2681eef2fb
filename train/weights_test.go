package train_test

import (
	"fmt"
	"math"
	"testing"

	"mole/batch"
	"mole/train"
)

// weighted are examples whose tokens count differently: 0, 0.5, 2, 0, … of them
// all, and whose labels are in turn of two parts.
type weighted struct{ examples }

// Example implements train.Examples.
func (w weighted) Example(i int) (batch.Example, error) {
	e, err := w.examples.Example(i)
	for k := range e.Tokens {
		e.Weights = append(e.Weights, []float32{0, 0.5, 2}[(i+k)%3])
		e.Parts = append(e.Parts, []batch.Part{batch.CallBase, batch.CallArg}[k%2])
	}
	return e, err
}

// oracle computes in float64 what the test network does before its first step:
// the loss of each label, and what it adds to the gradient of b, its only one
// while b is 0.
type oracle struct {
	embed, head, a []float32
	step           batch.Losses
	mass, loss     float64
	gradient       [vocab * rank]float64
}

// add takes the labels of an example into account; scale multiplies their weights.
func (o *oracle) add(e batch.Example, scale float64) {
	for i, label := range e.Labels {
		if label == batch.Ignore {
			continue
		}
		x := o.embed[int(e.Tokens[i-1])*width:][:width]
		logits, sum := make([]float64, vocab), 0.0
		for v := range logits {
			logits[v] = dot(o.head[v*width:], x)
			sum += math.Exp(logits[v])
		}
		ce, weight := math.Log(sum)-logits[label], scale*float64(e.Weights[i])
		o.mass += weight
		o.loss += weight * ce
		o.step[e.Parts[i]].Sum += ce
		o.step[e.Parts[i]].Count++
		for v := range logits {
			d := math.Exp(logits[v]) / sum
			if v == int(label) {
				d--
			}
			for r := range rank {
				o.gradient[v*rank+r] += weight * d * 2 * dot(o.a[r*width:], x)
			}
		}
	}
}

// norm returns the norm of the gradient.
func (o *oracle) norm() float64 {
	sum := 0.0
	for _, g := range o.gradient {
		sum += g * g
	}
	return math.Sqrt(sum) / (o.mass + 1e-8)
}

// dot returns the product of x with the beginning of row.
func dot(row, x []float32) (sum float64) {
	for i := range x {
		sum += float64(row[i]) * float64(x[i])
	}
	return sum
}

// scaleOf returns what the weights of an example's tokens are multiplied by.
func scaleOf(e batch.Example, rule train.Normalise) float64 {
	mass := 0.0
	for i, label := range e.Labels {
		if label != batch.Ignore {
			mass += float64(e.Weights[i])
		}
	}
	if rule == train.TokenMean || mass == 0 {
		return 1
	}
	return 1 / mass
}

// TestWeighted compares the first step of a run whose tokens have weights with
// Σ w·ce / (Σ w + 1e-8) and its gradient in float64, however many passes the step takes.
func TestWeighted(t *testing.T) {
	for _, rule := range []train.Normalise{train.TokenMean, train.SampleMean} {
		for _, tokens := range []int{1, 10, 1000} { // one example a pass, some, all
			t.Run(fmt.Sprint(rule, tokens), func(t *testing.T) {
				r := trainer(t, 1)
				n := r.Network.(*network)
				r.Examples, r.Options.Normalise, r.Options.PassTokens = weighted{examples(9)}, rule, tokens
				r.Options.BatchExamples, r.Options.Steps, r.Options.Warmup = 9, 1, -1
				o := &oracle{embed: floats(n.dev, n.embed), head: floats(n.dev, n.head), a: floats(n.dev, n.a.Weight)}
				for i := range 9 {
					e, err := r.Examples.Example(i)
					checkErr(t, err, "")
					o.add(e, scaleOf(e, rule))
				}
				got := finish(t, r)[0]
				near(t, "loss", got.Loss, o.loss/(o.mass+1e-8), 1e-6)
				near(t, "gradient norm", got.GradNorm, o.norm(), 1e-6)
				for name, want := range o.step.Means() {
					near(t, "loss/"+name, got.Parts.Means()[name], want, 1e-6)
				}
			})
		}
	}
}

// light are examples whose tokens all weigh the same.
type light struct {
	examples
	weight float32
}

// Example implements train.Examples.
func (l light) Example(i int) (batch.Example, error) {
	e, err := l.examples.Example(i)
	for range e.Tokens {
		e.Weights = append(e.Weights, l.weight)
	}
	return e, err
}

// TestEqualWeights checks that equal weights change next to nothing, that weights
// of 0 teach nothing, and that weights for other tokens than there are end a run.
func TestEqualWeights(t *testing.T) {
	plain := finish(t, trainer(t, 1))
	r := trainer(t, 1)
	r.Examples = light{examples(20), 3}
	for i, got := range finish(t, r) {
		near(t, "loss", got.Loss, plain[i].Loss, 1e-5)
		near(t, "gradient norm", got.GradNorm, plain[i].GradNorm, 1e-4)
	}
	r = trainer(t, 1)
	r.Examples = light{examples(20), 0}
	for _, rule := range []train.Normalise{train.TokenMean, train.SampleMean} {
		r.Options.Normalise = rule
		for _, got := range finish(t, r) {
			if got.Loss != 0 || got.GradNorm != 0 || got.Skipped != "" {
				t.Errorf("weights 0: got %+v, want a step without loss and gradient", got)
			}
		}
	}
	r.Examples = broken{batch.Example{Tokens: []int32{1, 2}, Labels: []int32{batch.Ignore, 2}, Weights: []float32{1}}}
	_, err := r.Run(t.Context())
	checkErr(t, err, "step 0: example 0: 1 weights of tokens, want 2, one for each")
	r.Examples = light{examples(20), -1}
	_, err = r.Run(t.Context())
	checkErr(t, err, "step 0: example 2: token 0: weight -1, want a finite number, at least 0")
}
