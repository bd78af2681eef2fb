package vision_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"mole/vision"
)

const goldenDir = "testdata/golden"

// golden is what testdata/golden/make.py recorded of the reference.
type golden struct {
	Decoded []struct {
		File          string
		Width, Height int
		Stored        string `json:"stored_sha256"` // alpha dropped, as stored
		White         string `json:"white_sha256"`  // on white, upright
	}
	Resized []struct {
		From, To            [2]int // width, height
		Pillow, Torchvision string
	}
	Patches []struct {
		PatchSize           int `json:"patch_size"`
		TemporalPatchSize   int `json:"temporal_patch_size"`
		MergeSize           int `json:"merge_size"`
		MinPixels           int `json:"min_pixels"`
		MaxPixels           int `json:"max_pixels"`
		Mean, Std           [3]float64
		From                [2]int
		Grid                []int
		Pillow, Torchvision string
	}
}

func readGolden(t *testing.T) golden {
	t.Helper()
	var g golden
	if err := json.Unmarshal(read(t, goldenDir, "golden.json"), &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Decoded) == 0 || len(g.Resized) == 0 || len(g.Patches) == 0 {
		t.Fatal("golden.json is not complete")
	}
	return g
}

func TestDecodeExact(t *testing.T) {
	for _, f := range readGolden(t).Decoded {
		if strings.HasSuffix(f.File, ".jpg") {
			continue // see TestJPEG
		}
		t.Run(f.File, func(t *testing.T) {
			data := read(t, goldenDir, f.File)
			im := decode(t, data, vision.Decoding{})
			if im.W != f.Width || im.H != f.Height {
				t.Errorf("got %dx%d pixels, want %dx%d", im.W, im.H, f.Width, f.Height)
			}
			wantSum(t, "on white", im.RGB, f.White)
			im = decode(t, data, vision.Decoding{DropAlpha: true, IgnoreOrientation: true})
			wantSum(t, "as stored", im.RGB, f.Stored)
		})
	}
}

// TestJPEG compares with the pixels of libjpeg-turbo, which rounds its inverse
// cosine transform differently: samples are off by one here and there, and
// colours, which amplify that, by up to three.
func TestJPEG(t *testing.T) {
	files := []string{"processor/420-161x243.jpg", "processor/gray-160x240.jpg", "processor/cmyk-80x120.jpg"}
	for _, f := range readGolden(t).Decoded {
		if strings.HasSuffix(f.File, ".jpg") {
			files = append(files, "golden/"+f.File)
		}
	}
	for _, f := range files {
		t.Run(f, func(t *testing.T) {
			got := decode(t, read(t, "testdata", f), vision.Decoding{})
			want := decode(t, read(t, "testdata", strings.TrimSuffix(f, ".jpg")+".decoded.png"), vision.Decoding{})
			largest, mean := difference(t, got, want)
			if largest > 3 || mean > 0.06 {
				t.Errorf("got a difference of %d levels at most, %.4f on average, want 3 and 0.06", largest, mean)
			}
		})
	}
}

// difference returns the largest and the mean difference of two images of one size.
func difference(t *testing.T, a, b *vision.Image) (largest int, mean float64) {
	t.Helper()
	if a.W != b.W || a.H != b.H {
		t.Fatalf("got %dx%d pixels, want %dx%d", a.W, a.H, b.W, b.H)
	}
	var total int
	for i, v := range a.RGB {
		d := max(int(v)-int(b.RGB[i]), int(b.RGB[i])-int(v))
		largest = max(largest, d)
		total += d
	}
	return largest, float64(total) / float64(len(a.RGB))
}

func TestResizeExact(t *testing.T) {
	for i, r := range readGolden(t).Resized {
		t.Run(fmt.Sprintf("%dx%d-%dx%d", r.From[0], r.From[1], r.To[0], r.To[1]), func(t *testing.T) {
			im := noise(uint64(i), r.From[0], r.From[1])
			if i%2 == 1 {
				for j, v := range im.RGB {
					im.RGB[j] = v >> 7 * 255 // hard edges
				}
			}
			wantSum(t, "pillow", vision.Resize(im, r.To[0], r.To[1], vision.Pillow).RGB, r.Pillow)
			wantSum(t, "torchvision", vision.Resize(im, r.To[0], r.To[1], vision.Torchvision).RGB, r.Torchvision)
		})
	}
}

// noise returns an image of the top bytes of splitmix64 started at seed.
func noise(seed uint64, w, h int) *vision.Image {
	im := &vision.Image{W: w, H: h, RGB: make([]uint8, w*h*3)}
	for i := range im.RGB {
		seed += 0x9E3779B97F4A7C15
		z := (seed ^ seed>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		im.RGB[i] = uint8((z ^ z>>31) >> 56)
	}
	return im
}

// TestPatchifyExact compares all patches, resized ones, under settings that are
// not those of Qwen3-VL.
func TestPatchifyExact(t *testing.T) {
	for i, p := range readGolden(t).Patches {
		o := vision.Options{
			PatchSize: p.PatchSize, TemporalPatchSize: p.TemporalPatchSize, MergeSize: p.MergeSize,
			MinPixels: p.MinPixels, MaxPixels: p.MaxPixels, Mean: p.Mean, Std: p.Std,
		}
		for rule, want := range map[vision.Rule]string{vision.Pillow: p.Pillow, vision.Torchvision: p.Torchvision} {
			o.Rule = rule
			got, err := vision.Patchify(resize(t, noise(uint64(100+i), p.From[0], p.From[1]), o), o)
			if err != nil {
				t.Fatal(err)
			}
			wantGrid(t, got.Grid, p.Grid)
			wantSum(t, fmt.Sprintf("settings %d, %v", i, rule), littleEndian(got.Pixels), want)
		}
	}
}

func littleEndian(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
