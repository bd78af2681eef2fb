package router

import (
	"fmt"
	"math"
	"sync"

	"gonum.org/v1/gonum/floats"

	"mole/expert"
)

// LinearHead is the linear rung: multinomial logistic regression on the frozen
// features of an image. Make one with FitLinear or ParseLinear. It is safe for
// concurrent use.
type LinearHead struct {
	Version  int       `json:"version"`  // headVersion
	Rung     Rung      `json:"rung"`     // Linear
	Experts  []string  `json:"experts"`  // in the order of the table
	Features Features  `json:"features"` // what it reads
	Weight   Matrix    `json:"weight"`   // [experts, width], standardisation included
	Bias     []float64 `json:"bias"`     // [experts]
	L2       float64   `json:"l2"`       // weight of the penalty that validation chose
}

// headVersion is the version of the layout of LinearHead and PrototypeHead.
const headVersion = 1

// penalties are the weights of the L2 penalty that FitLinear tries, strongest
// first, on standardised features.
var penalties = []float64{10, 3, 1, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4}

// patience is how many penalties in a row may do worse on val before weaker
// ones are not tried any more.
const patience = 2

// FitLinear fits the linear rung for the experts of t. Features are
// standardised with the statistics of train, half way (see even). The loss is the mean negative
// log-likelihood plus L2/2·‖W‖² over the weights, not the biases; of a row of
// penalties the one with the least loss on val is taken, of equals the
// strongest. Every expert needs an example in train, and val needs one at all.
func FitLinear(t expert.Table, f Features, train, val Examples) (*LinearHead, error) {
	if err := checkFit(t, f, train, val); err != nil {
		return nil, fmt.Errorf("fit linear head: %w", err)
	}
	s := standardise(train)
	f.even(s.scale)
	r := newRegression(train, s, len(t))
	w := make([]float64, len(t)*(len(s.mean)+1))
	var best *LinearHead
	bestLoss, worse := math.Inf(1), 0
	for _, l2 := range penalties {
		r.l2 = l2
		(&lbfgs{value: r.value, tolerance: 1e-4, steps: 100}).minimise(w) // from the stronger one's minimum
		h := r.head(t, f, w)
		loss := meanLoss(h, val)
		if loss >= bestLoss {
			if worse++; worse == patience {
				break
			}
			continue
		}
		best, bestLoss, worse = h, loss, 0
	}
	if best == nil {
		return nil, fmt.Errorf("fit linear head: loss on validation data is not finite: features out of range")
	}
	return best, nil
}

// checkFit refuses examples that a head cannot be fitted on.
func checkFit(t expert.Table, f Features, train, val Examples) error {
	if _, err := ParseFeatures(string(f)); err != nil {
		return err
	}
	if len(t) == 0 {
		return fmt.Errorf("the table has no expert")
	}
	if err := train.check("training data", 0, len(t)); err != nil {
		return err
	}
	seen := make([]bool, len(t))
	for _, c := range train.Class {
		seen[c] = true
	}
	for c, ok := range seen {
		if !ok {
			return fmt.Errorf("training data: no example of expert %q", t[c].Name)
		}
	}
	if len(val.X) == 0 {
		return fmt.Errorf("validation data: no examples")
	}
	return val.check("validation data", len(train.X[0]), len(t))
}

// Logits returns one logit per expert for a feature vector, or an error if its
// width is not the head's.
func (h *LinearHead) Logits(x []float64) ([]float64, error) {
	if len(x) != h.Weight.Columns {
		return nil, fmt.Errorf("%d features, the linear head reads %d", len(x), h.Weight.Columns)
	}
	out := make([]float64, h.Weight.Rows)
	for c := range out {
		out[c] = dot(h.Weight.Row(c), x) + h.Bias[c]
	}
	return out, nil
}

// meanLoss returns the mean negative log-likelihood of checked examples, +Inf
// if a logit overflows.
func meanLoss(h *LinearHead, e Examples) float64 {
	sum := 0.0
	for i, x := range e.X {
		logits, err := h.Logits(x)
		if err != nil || !finite(logits) {
			return math.Inf(1)
		}
		sum += logSum(logits) - logits[e.Class[i]]
	}
	return sum / float64(len(e.X))
}

// scaling standardises features: z = (x − mean) / scale.
type scaling struct{ mean, scale []float64 }

// standardise returns mean and deviation of each feature. The deviations get a
// floor of a hundredth of the mean one, so that what hardly ever varies in
// training does not explode when it does.
func standardise(e Examples) scaling {
	width, n := len(e.X[0]), float64(len(e.X))
	s := scaling{make([]float64, width), make([]float64, width)}
	for _, x := range e.X {
		floats.Add(s.mean, x)
	}
	floats.Scale(1/n, s.mean)
	for _, x := range e.X {
		for j, v := range x {
			d := v - s.mean[j]
			s.scale[j] += d * d
		}
	}
	total := 0.0
	for j, v := range s.scale {
		s.scale[j] = math.Sqrt(v / n)
		total += s.scale[j]
	}
	floor := 0.01 * total / float64(width)
	if floor == 0 {
		floor = 1 // no feature varies
	}
	for j := range s.scale {
		s.scale[j] += floor
	}
	return s
}

// withinScale returns the deviation of each feature from the mean of its class,
// with the floor of standardise. Memory is a copy of e.
func withinScale(e Examples, means [][]float64) []float64 {
	within := Examples{Class: e.Class}
	for i, x := range e.X {
		d := make([]float64, len(x))
		floats.SubTo(d, x, means[e.Class[i]])
		within.X = append(within.X, d)
	}
	return standardise(within).scale
}

// parts is into how many parts the sum over examples is cut, whatever the
// number of workers, so that its rounding does not depend on them.
const parts = 16

// regression is the loss of a linear head on training data, as a function of
// its parameters: weights [k, width] of the standardised features, then biases
// [k].
type regression struct {
	data    Examples
	scaling scaling
	k       int
	l2      float64

	folded []float64        // [k, width] weights of the raw features
	bias   []float64        // [k] biases of the raw features
	grads  [parts][]float64 // gradients with respect to folded and bias
	losses [parts]float64   // summed losses
	probs  [parts][]float64 // room for one row each
}

// newRegression returns the loss of a head for k classes.
func newRegression(e Examples, s scaling, k int) *regression {
	width := len(s.mean)
	r := &regression{data: e, scaling: s, k: k, folded: make([]float64, k*width), bias: make([]float64, k)}
	for p := range parts {
		r.grads[p] = make([]float64, k*(width+1))
		r.probs[p] = make([]float64, k)
	}
	return r
}

// fold sets the parameters for raw features that equal w for standardised ones.
func (r *regression) fold(w []float64) {
	width := len(r.scaling.mean)
	copy(r.bias, w[r.k*width:])
	for c := range r.k {
		for j := range width {
			v := w[c*width+j] / r.scaling.scale[j]
			r.folded[c*width+j] = v
			r.bias[c] -= v * r.scaling.mean[j]
		}
	}
}

// value returns the loss at w and sets its gradient.
func (r *regression) value(w, grad []float64) float64 {
	r.fold(w)
	var wait sync.WaitGroup
	for p := range parts {
		wait.Go(func() { r.part(p) })
	}
	wait.Wait()
	clear(grad)
	loss := 0.0
	for p := range parts {
		floats.Add(grad, r.grads[p])
		loss += r.losses[p]
	}
	n, weights := float64(len(r.data.X)), r.k*len(r.scaling.mean)
	floats.Scale(1/n, grad)
	r.unfold(grad)
	floats.AddScaled(grad[:weights], r.l2, w[:weights])
	return loss/n + r.l2/2*floats.Dot(w[:weights], w[:weights])
}

// unfold turns a gradient with respect to the folded parameters into one with
// respect to those of standardised features.
func (r *regression) unfold(grad []float64) {
	width := len(r.scaling.mean)
	for c := range r.k {
		slope := grad[r.k*width+c]
		for j := range width {
			g := &grad[c*width+j]
			*g = (*g - slope*r.scaling.mean[j]) / r.scaling.scale[j]
		}
	}
}

// part sums loss and gradient over part p of the examples.
func (r *regression) part(p int) {
	n, width := len(r.data.X), len(r.scaling.mean)
	grad, probs := r.grads[p], r.probs[p]
	clear(grad)
	loss := 0.0
	for i := p * n / parts; i < (p+1)*n/parts; i++ {
		x, class := r.data.X[i], r.data.Class[i]
		for c := range probs {
			probs[c] = floats.Dot(r.folded[c*width:(c+1)*width], x) + r.bias[c]
		}
		loss += logSum(probs) - probs[class]
		Softmax(probs, probs, 1)
		probs[class]--
		for c, g := range probs {
			floats.AddScaled(grad[c*width:(c+1)*width], g, x)
			grad[r.k*width+c] += g
		}
	}
	r.losses[p] = loss
}

// head returns the head with the parameters w.
func (r *regression) head(t expert.Table, f Features, w []float64) *LinearHead {
	r.fold(w)
	h := &LinearHead{Version: headVersion, Rung: Linear, Experts: t.Names(), Features: f, L2: r.l2}
	h.Weight = Matrix{Rows: r.k, Columns: len(r.scaling.mean), Data: make([]float32, len(r.folded))}
	for i, v := range r.folded {
		h.Weight.Data[i] = float32(v)
	}
	h.Bias = append(h.Bias, r.bias...)
	return h
}
