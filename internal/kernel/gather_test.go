package kernel_test

import (
	"math"
	"slices"
	"testing"

	"mole/internal/kernel"
)

func TestGather(t *testing.T) {
	src := []float32{1, 2, 3, 4, 5, 6} // three rows of two
	tests := []struct {
		name    string
		rows    []int32
		weights []float32
		want    []float32
	}{
		{"one", []int32{1}, nil, []float32{3, 4}},
		{"none", []int32{-1}, nil, []float32{0, 0}},
		{"sum", []int32{0, 2}, nil, []float32{6, 8}},
		{"sum without one", []int32{0, -7, 2}, nil, []float32{6, 8}},
		{"only negative", []int32{-1, -1}, nil, []float32{0, 0}},
		{"weighted", []int32{2}, []float32{0.5}, []float32{2.5, 3}},
		{"weighted sum", []int32{0, 1, -1, 0}, []float32{1, 2, 100, -3}, []float32{4, 4}},
	}
	for _, tt := range tests {
		got := []float32{float32(math.NaN()), float32(math.NaN())}
		kernel.Gather(got, src, tt.rows, tt.weights)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		half := make([]uint16, len(src))
		for i, v := range src {
			half[i] = kernel.BF16FromF32(v)
		}
		kernel.GatherBF16(got, half, tt.rows, tt.weights)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s of BF16: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestGatherRounding adds numbers that float32 could not, in any order.
func TestGatherRounding(t *testing.T) {
	got := make([]float32, 1)
	kernel.Gather(got, []float32{0x1p30, 1, -0x1p30}, []int32{0, 1, 2}, nil)
	if got[0] != 1 {
		t.Errorf("got %v, want 1", got[0])
	}
}

func TestAdd(t *testing.T) {
	a, b := []float32{1, 2, 3}, []float32{10, 20, 30}
	kernel.Add(a, a, b)
	if want := []float32{11, 22, 33}; !slices.Equal(a, want) {
		t.Errorf("got %v, want %v", a, want)
	}
	kernel.Fill(a, -1)
	if want := []float32{-1, -1, -1}; !slices.Equal(a, want) {
		t.Errorf("got %v, want %v", a, want)
	}
}
