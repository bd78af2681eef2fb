package vision_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mole/vision"
)

// processed is what one image processor of the reference made of a file.
type processed struct {
	Resized      string    `json:"u8_sha256"`
	FromPath     string    `json:"from_path_u8_sha256"`
	FromPathGrid []int     `json:"from_path_grid_thw"`
	Sample       []float32 `json:"sample"`
}

// recorded is one image of the recorded case "processor".
type recorded struct {
	File        string    `json:"file"`
	Mode        string    `json:"mode"`
	MinPixels   int       `json:"min_pixels"`
	MaxPixels   int       `json:"max_pixels"`
	RGB         string    `json:"rgb_sha256"`
	White       string    `json:"white_sha256"`
	Grid        []int     `json:"grid_thw"`
	Stride      int       `json:"stride"`
	Pillow      processed `json:"pil"`
	Torchvision processed `json:"torchvision"`
	Refused     string    `json:"refused"`
}

// The reference given an opened image: composited, not turned.
var opened = vision.Decoding{IgnoreOrientation: true, ClipGray16: true}

func TestProcessorCase(t *testing.T) {
	const dir = "testdata/processor"
	var c struct{ Images []recorded }
	if err := json.Unmarshal(read(t, dir, "case.json"), &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Images) < 20 {
		t.Fatalf("got %d images, want the recorded ones", len(c.Images))
	}
	for _, r := range c.Images {
		t.Run(r.File, func(t *testing.T) { r.check(t, dir) })
	}
}

func (r recorded) check(t *testing.T, dir string) {
	data := read(t, dir, r.File)
	if r.Refused != "" {
		_, err := vision.Process(data, vision.Decoding{}, r.options(vision.Torchvision))
		wantError(t, err, "more than 200 times")
		return
	}
	dropped := opened
	dropped.DropAlpha = true
	pixels := decode(t, r.exactFile(t, dir), opened)
	wantSum(t, "decoded, alpha dropped", decode(t, r.exactFile(t, dir), dropped).RGB, r.RGB)
	if r.White != "" {
		wantSum(t, "decoded, on white", pixels.RGB, r.White)
	}
	r.checkRule(t, pixels, vision.Torchvision, r.Torchvision)
	r.checkRule(t, pixels, vision.Pillow, r.Pillow)
	r.checkFromPath(t, dir)
}

// exactFile returns the file, or for a JPEG the PNG with the pixels that
// libjpeg-turbo made of it.
func (r recorded) exactFile(t *testing.T, dir string) []byte {
	if name, ok := strings.CutSuffix(r.File, ".jpg"); ok {
		return read(t, dir, name+".decoded.png")
	}
	return read(t, dir, r.File)
}

func (r recorded) options(rule vision.Rule) vision.Options {
	o := vision.DefaultOptions()
	o.MinPixels, o.MaxPixels, o.Rule = r.MinPixels, r.MaxPixels, rule
	return o
}

// checkRule compares resized bytes, grid and a sample of the patches.
func (r recorded) checkRule(t *testing.T, im *vision.Image, rule vision.Rule, want processed) {
	o := r.options(rule)
	resized := resize(t, im, o)
	wantSum(t, "resized by "+rule.String(), resized.RGB, want.Resized)
	p, err := vision.Patchify(resized, o)
	if err != nil {
		t.Fatal(err)
	}
	wantGrid(t, p.Grid, r.Grid)
	for i, w := range want.Sample {
		// The record has nine digits, which tell float32 values apart.
		if got := p.Pixels[i*r.Stride]; got != w {
			t.Fatalf("%v: pixel %d is %v, want %v", rule, i*r.Stride, got, w)
		}
	}
}

// checkFromPath checks what the reference's own loader gives: turned, alpha
// dropped; only its Pillow processor keeps the transparent entry of a palette.
func (r recorded) checkFromPath(t *testing.T, dir string) {
	for rule, want := range map[vision.Rule]processed{vision.Torchvision: r.Torchvision, vision.Pillow: r.Pillow} {
		if want.FromPath == "" || strings.HasSuffix(r.File, ".jpg") {
			continue // a defect of the reference, or a turned JPEG: see TestOrientJPEG
		}
		d := vision.Decoding{ClipGray16: true, DropAlpha: rule == vision.Torchvision || r.Mode != "palettea"}
		im := resize(t, decode(t, read(t, dir, r.File), d), r.options(rule))
		wantSum(t, "from path by "+rule.String(), im.RGB, want.FromPath)
	}
}

// wayFiles are pictures that are resized along both axes, along none, and with
// alpha.
var wayFiles = []string{"rgba-150x220.png", "256x256.png", "100x30.png", "853x1155.png", "28x28.png", "gray16-80x64.png", "palette-97x131.png"}

// TestProcess checks that the steps together give what they give one by one,
// with memory that held another picture before.
func TestProcess(t *testing.T) {
	for _, rule := range []vision.Rule{vision.Torchvision, vision.Pillow} {
		o := vision.DefaultOptions()
		o.Rule, o.MaxPixels = rule, 300*300
		p := vision.Processor{Options: o}
		for _, name := range wayFiles {
			data := read(t, "testdata/processor", name)
			im := resize(t, decode(t, data, vision.Decoding{}), o)
			want, err := vision.Patchify(im, o)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Process(data)
			if err != nil {
				t.Fatal(err)
			}
			samePatches(t, name, got, want)
			if got, err = vision.Process(data, vision.Decoding{}, o); err != nil {
				t.Fatal(err)
			}
			samePatches(t, name, got, want)
		}
	}
}

func samePatches(t *testing.T, what string, got, want *vision.Patches) {
	t.Helper()
	if got.Grid != want.Grid || len(got.Pixels) != len(want.Pixels) {
		t.Fatalf("%s: got %v with %d samples, want %v with %d", what, got.Grid, len(got.Pixels), want.Grid, len(want.Pixels))
	}
	for i, w := range want.Pixels {
		if math.Float32bits(got.Pixels[i]) != math.Float32bits(w) {
			t.Fatalf("%s: sample %d is %v, want %v", what, i, got.Pixels[i], w)
		}
	}
}

// TestRead does the same for the way to the resized picture, on several
// goroutines that share memory.
func TestRead(t *testing.T) {
	o := vision.DefaultOptions()
	for _, name := range wayFiles {
		data := read(t, "testdata/processor", name)
		stored := decode(t, data, vision.Decoding{})
		want := resize(t, stored, o)
		for range 4 {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got, err := vision.Read(data, vision.Decoding{}, o)
				if err != nil {
					t.Fatal(err)
				}
				if got.W != want.W || got.H != want.H || !bytes.Equal(got.RGB, want.RGB) || !slices.Equal(got.Colours, vision.Colours(stored)) {
					t.Error("got another picture than step by step")
				}
			})
		}
	}
	if _, err := vision.Read([]byte("GIF89a"), vision.Decoding{}, o); err == nil {
		t.Error("got no error for a GIF")
	}
}

func decode(t *testing.T, data []byte, d vision.Decoding) *vision.Image {
	t.Helper()
	im, err := vision.Decode(data, d)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func resize(t *testing.T, im *vision.Image, o vision.Options) *vision.Image {
	t.Helper()
	h, w, err := vision.TargetSize(im.H, im.W, o)
	if err != nil {
		t.Fatal(err)
	}
	return vision.Resize(im, w, h, o.Rule)
}

func read(t testing.TB, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func wantSum(t *testing.T, what string, b []uint8, want string) {
	t.Helper()
	if got := sum(b); got != want {
		t.Errorf("%s: got SHA-256 %.12s, want %.12s", what, got, want)
	}
}

func wantGrid(t *testing.T, got vision.Grid, want []int) {
	t.Helper()
	if len(want) != 3 || got != (vision.Grid{T: want[0], H: want[1], W: want[2]}) {
		t.Errorf("got grid %v, want %v", got, want)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
}
