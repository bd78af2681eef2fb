package router

import (
	"math"
	"slices"
	"testing"
)

// Deviations are evened out inside each kind of features, and no kind has a say
// in another's.
func TestEven(t *testing.T) {
	colours := make([]float64, colourBins)
	for i := range colours {
		colours[i] = 0.01
	}
	colours[7] = 0.16
	spread := math.Sqrt((float64(colourBins-1)*0.01*0.01 + 0.16*0.16) / float64(colourBins))
	root := math.Sqrt(5.0) // of the mean square of 1 and 3
	tests := []struct {
		name     string
		features Features
		scale    []float64
		want     map[int]float64
	}{
		{"one kind", Pooled, []float64{1, 3}, map[int]float64{0: math.Sqrt(root), 1: math.Sqrt(3 * root)}},
		{"two kinds", PooledColour, slices.Concat([]float64{1, 3}, colours), map[int]float64{
			0: math.Sqrt(root), 1: math.Sqrt(3 * root), 2: math.Sqrt(0.01 * spread), 2 + 7: math.Sqrt(0.16 * spread),
		}},
		{"colours only", PooledColour, slices.Clone(colours), map[int]float64{0: math.Sqrt(0.01 * spread), 7: math.Sqrt(0.16 * spread)}},
		{"all alike stay", Pooled, []float64{2, 2, 2}, map[int]float64{0: 2, 1: 2, 2: 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.features.even(test.scale)
			for at, want := range test.want {
				if got := test.scale[at]; math.Abs(got-want) > 1e-12 {
					t.Errorf("scale %d: got %v, want %v", at, got, want)
				}
			}
		})
	}
}
