package devicetest

import "math"

// bound is a value and how far from it a device may be.
type bound struct{ want, tol float64 }

// How tolerances are made. u is the largest relative error of rounding to F32.
// A sum of n products in F32, in any order, is off by at most n·u times the sum
// of the absolute products. Rounding errors are as often up as down, so for
// long sums n may be replaced by λ√n: with λ = 8 the bound fails once in 10¹³
// sums (Higham and Mary, "A New Approach to Probabilistic Rounding Error
// Analysis", 2019, theorem 2.4). The roundings before and after the sum, and
// an elementary function of 4 units in the last place, are covered by 16 more.
// Numbers below the normal range may become 0.
const (
	u         = 0x1p-24
	around    = 16
	underflow = 0x1p-126
)

// slack returns the tolerance of a result that is computed from a sum of n
// terms, where mag is the sum of the absolute values of everything that is
// added up on the way to the result.
func slack(n int, mag float64) float64 {
	terms := min(float64(n), 8*math.Sqrt(float64(n)))
	return (terms+around)*u*mag + underflow
}

// exact returns bounds without tolerance.
func exact(values []float64) []bound {
	list := make([]bound, len(values))
	for i, v := range values {
		list[i].want = v
	}
	return list
}

// slope returns f'(0) by the central difference of fourth order. For a
// function whose fifth derivative is of the order of its value the error of
// the formula and that of rounding are both about 1e-12 of it.
func slope(f func(h float64) float64) float64 {
	const h = 0x1p-9
	return (8*(f(h)-f(-h)) - (f(2*h) - f(-2*h))) / (12 * h)
}

// partial returns the slope of f in element i of x, which f reads. The step is
// in units of unit.
func partial(x []float64, i int, unit float64, f func() float64) float64 {
	old := x[i]
	defer func() { x[i] = old }()
	return slope(func(h float64) float64 {
		x[i] = old + h*unit
		return f()
	}) / unit
}

// dot returns Σ a·b, and the same of the absolute values.
func dot(a, b []float64) (sum, mag float64) {
	for i, v := range a {
		sum += v * b[i]
		mag += math.Abs(v * b[i])
	}
	return sum, mag
}
