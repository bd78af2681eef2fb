package vision_test

import (
	"testing"

	"mole/vision"
)

// TestPatchOrder follows sections 3.1 and 3.2: an image whose samples say where
// they are, so that the order can be read off the patches.
func TestPatchOrder(t *testing.T) {
	o := vision.DefaultOptions()
	o.PatchSize = 2
	const w, h = 12, 8 // grid 4x6
	im := &vision.Image{W: w, H: h, RGB: make([]uint8, w*h*3)}
	for i := range im.RGB {
		im.RGB[i] = uint8(i)
	}
	p, err := vision.Patchify(im, o)
	if err != nil {
		t.Fatal(err)
	}
	order := [][2]int{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {0, 4}, {0, 5}, {1, 4}, {1, 5}, {2, 0}}
	for i, at := range order {
		for k := range 24 { // channel, frame, row, column
			c, y, x := k/8, at[0]*2+k/2%2, at[1]*2+k%2
			want := (float32(im.RGB[(y*w+x)*3+c]) - 127.5) / 127.5
			if got := p.Pixels[i*24+k]; got != want {
				t.Fatalf("patch %d, sample %d: got %v, want %v", i, k, got, want)
			}
		}
	}
}

// TestLevels checks every level against the definition in float64: either rule
// is within 6e-8 of it, and the default one is its nearest float32.
func TestLevels(t *testing.T) {
	im := &vision.Image{W: 32, H: 32, RGB: make([]uint8, 32*32*3)}
	for i := range im.RGB {
		im.RGB[i] = uint8(i / 3)
	}
	o := vision.DefaultOptions()
	for _, rule := range []vision.Rule{vision.Torchvision, vision.Pillow} {
		o.Rule = rule
		p, err := vision.Patchify(im, o)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range p.Pixels[:256] { // the first plane: rows of 16, every other one
			level := float64((i/16*32 + i%16) % 256)
			exact := (level - 127.5) / 127.5
			if d := float64(got) - exact; d > 6e-8 || d < -6e-8 || rule == vision.Torchvision && got != float32(exact) {
				t.Errorf("%v: level %v is %v, want %v", rule, level, got, exact)
			}
		}
	}
}

func TestPatchifyErrors(t *testing.T) {
	good := vision.Image{W: 32, H: 64, RGB: make([]uint8, 32*64*3)}
	tests := []struct {
		name    string
		im      vision.Image
		patch   int
		wantErr string
	}{
		{"good", good, 16, ""},
		{"empty", vision.Image{}, 16, "0 samples as 0x0 pixels"},
		{"odd width", vision.Image{W: 33, H: 64, RGB: make([]uint8, 33*64*3)}, 16, "multiples of 32"},
		{"patches do not merge", good, 32, "multiples of 64"},
		{"samples missing", vision.Image{W: 32, H: 64, RGB: good.RGB[1:]}, 16, "6143 samples as 32x64 pixels"},
		{"no patch size", good, 0, "patch size 0, want 1 to 256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := vision.DefaultOptions()
			o.PatchSize = tt.patch
			_, err := vision.Patchify(&tt.im, o)
			if tt.wantErr == "" && err == nil {
				return
			}
			wantError(t, err, tt.wantErr)
		})
	}
}
