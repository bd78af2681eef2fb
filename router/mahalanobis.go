package router

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Mahalanobis measures how far a vector is from the nearest class mean, in
// units of the spread that the classes have in common. Each element is divided
// by its deviation first, so that elements of different units count alike. The
// spread is the pooled covariance of the classes, shrunk towards a multiple of the identity as Ledoit and
// Wolf (2004) derive it, and kept as its largest principal axes and one
// variance for all other directions, so that it stays small for wide vectors.
type Mahalanobis struct {
	Scale    Matrix    `json:"scale"`    // [1, width], above 0; vectors are divided by it first
	Means    Matrix    `json:"means"`    // [classes with examples, width], divided by Scale
	Axes     Matrix    `json:"axes"`     // [axes, width], orthonormal
	Variance []float64 `json:"variance"` // [axes], above 0
	Rest     float64   `json:"rest"`     // variance along every other direction, above 0
}

const (
	maxAxes      = 64   // principal axes that are kept
	maxPoints    = 256  // examples that the covariance is taken from, evenly spread
	minShrinkage = 0.01 // so that no direction has variance 0
)

// fitMahalanobis returns the statistics of examples of k classes, at least one
// example in all.
func fitMahalanobis(e Examples, k int) (*Mahalanobis, error) {
	means, _ := classMeans(e, k)
	width := len(e.X[0])
	scale := withinScale(e, means)
	z := centred(e, means)
	for _, row := range z {
		floats.Div(row, scale)
	}
	values, axes, err := principalAxes(z, width)
	if err != nil {
		return nil, err
	}
	share, mean := shrinkage(z, values, width)
	total := floats.Sum(values)
	m := &Mahalanobis{Rest: mean}
	if width > len(axes) {
		m.Rest = (1-share)*math.Max(0, total-floats.Sum(values[:len(axes)]))/float64(width-len(axes)) + share*mean
	}
	for _, v := range values[:len(axes)] {
		m.Variance = append(m.Variance, (1-share)*v+share*mean)
	}
	means = slices.DeleteFunc(means, func(m []float64) bool { return m == nil })
	for _, mean := range means {
		floats.Div(mean, scale)
	}
	m.Scale = newMatrix([][]float64{scale}, width)
	m.Means, m.Axes = newMatrix(means, width), newMatrix(axes, width)
	return m, nil
}

// centred returns at most maxPoints of the examples, each less the mean of its
// class.
func centred(e Examples, means [][]float64) [][]float64 {
	n := min(len(e.X), maxPoints)
	z := make([][]float64, n)
	for i := range z {
		at := i * len(e.X) / n
		z[i] = slices.Clone(e.X[at])
		floats.Sub(z[i], means[e.Class[at]])
	}
	return z
}

// principalAxes returns the eigenvalues of the covariance ZᵀZ/n, largest first,
// and the unit eigenvectors of the first of them, at most maxAxes. Of ZᵀZ and
// ZZᵀ, which share them, it takes the smaller one apart.
func principalAxes(z [][]float64, width int) (values []float64, axes [][]float64, err error) {
	n := len(z)
	data := mat.NewDense(n, width, nil)
	for i, row := range z {
		data.SetRow(i, row)
	}
	byRow := n < width
	var product mat.SymDense
	if byRow {
		product.SymOuterK(1/float64(n), data)
	} else {
		product.SymOuterK(1/float64(n), data.T())
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(&product, true) {
		return nil, nil, fmt.Errorf("covariance of %d vectors of %d features has no eigenvalues", n, width)
	}
	values = eigen.Values(nil)
	slices.Reverse(values)
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	for r := range min(maxAxes, len(values)) {
		if values[r] <= 1e-10*values[0] {
			break
		}
		axis := mat.Col(nil, len(values)-1-r, &vectors)
		if byRow {
			axis = back(axis, z)
		}
		axes = append(axes, axis)
	}
	for i, v := range values {
		values[i] = math.Max(0, v) // rounding
	}
	return values, axes, nil
}

// back turns an eigenvector of ZZᵀ into the unit one of ZᵀZ.
func back(u []float64, z [][]float64) []float64 {
	axis := make([]float64, len(z[0]))
	for i, row := range z {
		floats.AddScaled(axis, u[i], row)
	}
	floats.Scale(1/norm(axis), axis)
	return axis
}

// shrinkage returns how much of the covariance to replace by a multiple of the
// identity, 0 to 1, and that multiple, the mean variance of a direction:
//
//	share = min(1, (Σ‖z‖⁴/n − ‖S‖²) / n / (‖S‖² − width·mean²))
//
// with the Frobenius norm of the covariance S taken from its eigenvalues.
func shrinkage(z [][]float64, values []float64, width int) (share, mean float64) {
	n := float64(len(z))
	mean = floats.Sum(values) / float64(width)
	if mean <= 0 {
		return 1, 1 // no spread at all: plain distance
	}
	square, fourth := floats.Dot(values, values), 0.0
	for _, row := range z {
		s := floats.Dot(row, row)
		fourth += s * s / n
	}
	noise := math.Max(0, fourth-square) / n
	signal := square - float64(width)*mean*mean
	if noise >= signal {
		return 1, mean
	}
	return math.Max(minShrinkage, noise/signal), mean
}

// distance returns the distance of x from the nearest mean, divided by the root
// of the width: about 1 for a vector like those that m was fitted on.
func (m *Mahalanobis) distance(x []float64) (float64, error) {
	if len(x) != m.Means.Columns {
		return 0, fmt.Errorf("%d numbers, the known screens have %d", len(x), m.Means.Columns)
	}
	best := math.Inf(1)
	y, z := make([]float64, len(x)), make([]float64, len(x))
	for j, v := range x {
		y[j] = v / float64(m.Scale.Data[j])
	}
	for c := range m.Means.Rows {
		for j, v := range m.Means.Row(c) {
			z[j] = y[j] - float64(v)
		}
		best = math.Min(best, m.square(z))
	}
	return math.Sqrt(best / float64(len(x))), nil
}

// square returns zᵀΣ⁻¹z.
func (m *Mahalanobis) square(z []float64) float64 {
	rest, sum := floats.Dot(z, z), 0.0
	for r, v := range m.Variance {
		p := dot(m.Axes.Row(r), z)
		rest -= p * p
		sum += p * p / v
	}
	return sum + math.Max(0, rest)/m.Rest
}

// check refuses statistics that distance could not work with.
func (m *Mahalanobis) check() error {
	width := m.Means.Columns
	if width < 1 || m.Means.Rows < 1 {
		return fmt.Errorf("means: %d×%d numbers, want at least one mean", m.Means.Rows, width)
	}
	if err := m.Means.check("means", m.Means.Rows, width); err != nil {
		return err
	}
	if err := m.Scale.checkPositive("scale", 1, width); err != nil {
		return err
	}
	if len(m.Variance) == 0 && len(m.Axes.Data) == 0 {
		return checkPositive("rest", m.Rest)
	}
	if err := m.Axes.check("axes", len(m.Variance), width); err != nil {
		return err
	}
	return checkPositive("rest and variance", append([]float64{m.Rest}, m.Variance...)...)
}
