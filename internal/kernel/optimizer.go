package kernel

import "math"

// SumSquares returns Σ x², summed in float64 in the order of x.
func SumSquares(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return s
}

// AdamW holds the settings of one step of Adam with decoupled weight decay.
//
// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization",
// 2019, algorithm 2.
type AdamW struct {
	Rate, Beta1, Beta2, Eps, Decay float64
	Step                           int     // from 1
	Scale                          float64 // of the gradient
}

// Apply takes the step on w, with its moments m and v and its gradient grad,
// all of one length. Each element is computed in float64 and rounded once, in
// w, m and v each; w is computed from the moments before they are rounded.
func (a *AdamW) Apply(w, m, v, grad []float32) {
	correct1 := 1 / (1 - math.Pow(a.Beta1, float64(a.Step)))
	correct2 := 1 / (1 - math.Pow(a.Beta2, float64(a.Step)))
	m, v, grad = m[:len(w)], v[:len(w)], grad[:len(w)]
	for i, x := range w {
		g := a.Scale * float64(grad[i])
		first := a.Beta1*float64(m[i]) + (1-a.Beta1)*g
		second := a.Beta2*float64(v[i]) + (1-a.Beta2)*g*g
		m[i], v[i] = float32(first), float32(second)
		step := a.Rate * first * correct1 / (math.Sqrt(second*correct2) + a.Eps)
		w[i] = float32(float64(x) - a.Rate*a.Decay*float64(x) - step)
	}
}
