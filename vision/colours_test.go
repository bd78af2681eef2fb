package vision

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestColours(t *testing.T) {
	im := &Image{W: 2, H: 2, RGB: []uint8{0, 0, 0, 15, 15, 15, 255, 255, 255, 0, 16, 32}}
	want := map[int]float32{0: float32(math.Sqrt(0.5)), ColourBins - 1: 0.5, 1<<4 | 2: 0.5}
	got := Colours(im)
	if len(got) != ColourBins {
		t.Fatalf("got %d shares, want %d", len(got), ColourBins)
	}
	for i, v := range got {
		if v != want[i] {
			t.Errorf("colour %d: got %v, want %v", i, v, want[i])
		}
	}
	if got := Colours(&Image{}); got != nil {
		t.Errorf("empty picture: got %d shares, want none", len(got))
	}
}

// TestColoursCount compares with counting one pixel after the other, for runs of
// all lengths.
func TestColoursCount(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for pixels := 1; pixels < 60; pixels++ {
		im := newImage(pixels, 1)
		for i := range im.RGB {
			im.RGB[i] = uint8(r.IntN(2) * 37 * (1 + r.IntN(6)))
			if i >= channels && r.IntN(4) > 0 {
				im.RGB[i] = im.RGB[i-channels]
			}
		}
		want := make([]float32, ColourBins)
		for i := 0; i < len(im.RGB); i += channels {
			want[int(im.RGB[i]>>4)<<8|int(im.RGB[i+1]>>4)<<4|int(im.RGB[i+2]>>4)]++
		}
		for i, v := range want {
			want[i] = float32(math.Sqrt(float64(v) / float64(pixels)))
		}
		if got := Colours(im); !slices.Equal(got, want) {
			t.Fatalf("%d pixels: got other shares than pixel by pixel", pixels)
		}
	}
}
