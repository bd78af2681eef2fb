package vision_test

import (
	"slices"
	"testing"

	"mole/vision"
)

func TestResizeSameSize(t *testing.T) {
	im := noise(1, 7, 5)
	if got := vision.Resize(im, 7, 5, vision.Torchvision); got != im {
		t.Errorf("got a copy, want the image itself")
	}
}

// TestResizeFlat checks that a flat image stays flat, in every size.
func TestResizeFlat(t *testing.T) {
	im := noise(1, 13, 11)
	for i := range im.RGB {
		im.RGB[i] = 200
	}
	for size := 1; size < 60; size++ {
		for _, rule := range []vision.Rule{vision.Torchvision, vision.Pillow} {
			out := vision.Resize(im, size, 60-size, rule)
			if i := slices.IndexFunc(out.RGB, func(v uint8) bool { return v != 200 }); i >= 0 {
				t.Fatalf("%v, %dx%d: sample %d is %d, want 200", rule, size, 60-size, i, out.RGB[i])
			}
		}
	}
}

func TestResizePanics(t *testing.T) {
	for _, tt := range []struct {
		im   vision.Image
		w, h int
	}{
		{vision.Image{}, 3, 3},
		{*noise(1, 3, 3), 0, 3},
		{*noise(1, 3, 3), 3, -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%dx%d to %dx%d: got no panic", tt.im.W, tt.im.H, tt.w, tt.h)
				}
			}()
			vision.Resize(&tt.im, tt.w, tt.h, vision.Pillow)
		}()
	}
}

func TestRule(t *testing.T) {
	for _, r := range []vision.Rule{vision.Torchvision, vision.Pillow} {
		if got, err := vision.ParseRule(r.String()); got != r || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, r)
		}
	}
	_, err := vision.ParseRule("PIL")
	wantError(t, err, `resize rule "PIL", want "torchvision" or "pillow"`)
	if got := vision.Rule(7).String(); got != "Rule(7)" {
		t.Errorf("got %q, want Rule(7)", got)
	}
}
