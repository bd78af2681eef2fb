package vision

import (
	"math"
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
