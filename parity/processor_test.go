package parity

import (
	"bytes"
	"testing"

	"mole/vision"
)

// TestUndecodedJPEG checks that a JPEG file whose decoded pixels are not
// recorded is not held against the bytes of another decoder.
func TestUndecodedJPEG(t *testing.T) {
	files := load(t, "processor")
	delete(files, "exif6-120x200.decoded.png")
	r := check(t, files, Options{})
	if r.Err != nil || r.Status() != StatusNotChecked {
		t.Errorf("got %s (%v), want %s", r.Status(), r.Err, StatusNotChecked)
	}
}

func TestTurnings(t *testing.T) {
	stored := &vision.Image{W: 2, H: 3}
	for i := range 6 {
		stored.RGB = append(stored.RGB, uint8(i), uint8(10*i), 7)
	}
	seen := map[string]bool{}
	for i := range 8 {
		want := turning{swap: i&4 != 0, flipX: i&2 != 0, flipY: i&1 != 0}
		upright := want.apply(stored)
		got, err := findTurning(stored, upright)
		if err != nil || got != want {
			t.Errorf("got %v (%v), want %v", got, err, want)
		}
		seen[string(upright.RGB)] = true
	}
	if len(seen) != 8 {
		t.Errorf("got %d different images, want 8", len(seen))
	}
	other := &vision.Image{W: 2, H: 3, RGB: bytes.Repeat([]byte{1}, 18)}
	if _, err := findTurning(stored, other); err == nil {
		t.Error("another image: got no error")
	}
}
