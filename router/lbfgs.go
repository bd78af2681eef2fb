package router

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// lbfgs minimises a strictly convex smooth function by the L-BFGS method with a
// backtracking line search (Nocedal and Wright, Numerical Optimization, 7.2 and
// 3.1). It has no random part and does not depend on time.
type lbfgs struct {
	value     func(x, grad []float64) float64 // the function; sets grad
	tolerance float64                         // largest element of the gradient at the end
	steps     int                             // at most

	ds, dg [][]float64 // the newest differences of x and of the gradient
}

// memory is the number of differences that lbfgs keeps.
const memory = 10

// minimise moves x to the minimum.
func (l *lbfgs) minimise(x []float64) {
	grad, next, nextGrad := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
	value := l.value(x, grad)
	l.ds, l.dg = nil, nil
	for range l.steps {
		if floats.Norm(grad, math.Inf(1)) <= l.tolerance {
			return
		}
		dir := l.direction(grad)
		slope := floats.Dot(dir, grad)
		step := 1.0
		if l.ds == nil {
			step = math.Min(1, 1/floats.Norm(grad, 2))
		}
		nextValue, ok := l.search(next, nextGrad, x, dir, value, slope, step)
		if !ok {
			return // as low as rounding allows
		}
		l.remember(x, next, grad, nextGrad)
		copy(x, next)
		copy(grad, nextGrad)
		value = nextValue
	}
}

// search halves the step from x along dir until the value falls by a share of
// what the slope promises, and sets next and its gradient.
func (l *lbfgs) search(next, grad, x, dir []float64, value, slope, step float64) (float64, bool) {
	for range 40 {
		floats.AddScaledTo(next, x, step, dir)
		if v := l.value(next, grad); v <= value+1e-4*step*slope && v < value {
			return v, true
		}
		step /= 2
	}
	return value, false
}

// direction returns minus the gradient times the estimate of the inverse
// Hessian, by the two loops of the method.
func (l *lbfgs) direction(grad []float64) []float64 {
	q := slices.Clone(grad)
	floats.Scale(-1, q)
	if l.ds == nil {
		return q
	}
	alpha := make([]float64, len(l.ds))
	for i := len(l.ds) - 1; i >= 0; i-- {
		alpha[i] = floats.Dot(l.ds[i], q) / floats.Dot(l.ds[i], l.dg[i])
		floats.AddScaled(q, -alpha[i], l.dg[i])
	}
	s, y := l.ds[len(l.ds)-1], l.dg[len(l.dg)-1]
	floats.Scale(floats.Dot(s, y)/floats.Dot(y, y), q)
	for i := range l.ds {
		beta := floats.Dot(l.dg[i], q) / floats.Dot(l.ds[i], l.dg[i])
		floats.AddScaled(q, alpha[i]-beta, l.ds[i])
	}
	return q
}

// remember keeps the differences of one step, unless rounding has eaten the
// curvature that a convex function must show along it.
func (l *lbfgs) remember(x, next, grad, nextGrad []float64) {
	s, y := make([]float64, len(x)), make([]float64, len(x))
	floats.SubTo(s, next, x)
	floats.SubTo(y, nextGrad, grad)
	if floats.Dot(s, y) <= 1e-12*floats.Norm(s, 2)*floats.Norm(y, 2) {
		return
	}
	if len(l.ds) == memory {
		l.ds, l.dg = l.ds[1:], l.dg[1:]
	}
	l.ds, l.dg = append(l.ds, s), append(l.dg, y)
}
