package parity

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"

	"mole/vision"
)

// checkProcessor checks image files: the decoded bytes, the grid, and the
// resized bytes and normalised samples under both rules.
func (r *run) checkProcessor() {
	r.provenance("settings")
	list := r.meta.objects("images")
	if len(list) == 0 {
		r.fail(fmt.Errorf("%s: images: none", metaFile))
	}
	for _, m := range list {
		if r.failed() {
			return
		}
		r.checkImage(m)
	}
}

// pictures are the pictures that one file holds, depending on who opens it.
type pictures struct {
	opened *vision.Image // composited over white, as stored
	rgb    *vision.Image // alpha dropped, as stored
	turn   turning       // from stored to upright
	inner  bool          // palette with a transparent entry, which one loader composites
	lossy  bool          // rgb is our own reading of a JPEG file
}

// decodingOf reproduces what Pillow makes of a file that is opened: 16-bit grey
// clips, and nothing is turned.
func decodingOf(dropAlpha bool) vision.Decoding {
	return vision.Decoding{DropAlpha: dropAlpha, IgnoreOrientation: true, ClipGray16: true}
}

// checkImage checks one file.
func (r *run) checkImage(m *record) {
	file := m.text("file")
	data := r.readFile(file)
	height, width := m.integer("height", 1, math.MaxInt32), m.integer("width", 1, math.MaxInt32)
	mode, palette := m.text("mode"), m.text("pillow_mode") == "P"
	o := vision.DefaultOptions()
	o.MinPixels, o.MaxPixels = m.integer("min_pixels", 1, math.MaxInt32), m.integer("max_pixels", 1, math.MaxInt32)
	rgb := m.text("rgb_sha256")
	if r.failed() {
		return
	}
	p, err := r.openPictures(file, data)
	if err != nil {
		r.fail(fmt.Errorf("%s (%s): %w", file, mode, err))
		return
	}
	p.inner = palette
	r.exact("size", file, differences([]int{p.rgb.H, p.rgb.W}, []int{height, width}))
	if p.lossy && digestOf(p.rgb) != rgb {
		// What is left of its keys is listed as not checked.
		r.out.leave("rgb bytes", NotChecked, "JPEG without .decoded.png: decoders round differently", file)
		return
	}
	r.exact("rgb bytes", file, unequal(digestOf(p.rgb), rgb))
	if m.has("white_sha256") {
		r.exact("rgb on white", file, unequal(digestOf(p.opened), m.text("white_sha256")))
	}
	if _, _, err := vision.TargetSize(height, height, o); err != nil {
		r.fail(m.errorf("%w", err)) // the limits, as a square is no reason to refuse
	}
	if m.has("refused") {
		m.text("refused")
		_, _, err := vision.TargetSize(p.rgb.H, p.rgb.W, o)
		r.exact("refused", file, unequal(true, err != nil))
		return
	}
	r.checkRules(m, file, p, o)
}

// openPictures decodes a file. A lossy file may have its pixels beside it, as
// the reference decoded them: these are then what everything else starts from,
// and our own decoder is compared with them.
func (r *run) openPictures(file string, data []byte) (pictures, error) {
	stored, err := vision.Decode(data, decodingOf(true))
	if err != nil {
		return pictures{}, err
	}
	upright, err := vision.Decode(data, vision.Decoding{DropAlpha: true, ClipGray16: true})
	if err != nil {
		return pictures{}, err
	}
	p := pictures{rgb: stored}
	if p.turn, err = findTurning(stored, upright); err != nil {
		return pictures{}, err
	}
	exact, err := fs.ReadFile(r.files, strings.TrimSuffix(file, path.Ext(file))+".decoded.png")
	if errors.Is(err, fs.ErrNotExist) {
		p.lossy = bytes.HasPrefix(data, []byte{0xff, 0xd8, 0xff})
		p.opened, err = vision.Decode(data, decodingOf(false))
		return p, err
	}
	if err != nil {
		return pictures{}, err
	}
	if p.rgb, err = vision.Decode(exact, decodingOf(true)); err != nil {
		return pictures{}, err
	}
	p.opened = p.rgb
	r.add("lossy decoder", lossyLevels, file, meanLevels(stored, p.rgb))
	return p, nil
}

// lossyLevels is how far, on average, our decoder of lossy files may be from
// the reference's, in levels of 255. JPEG leaves the rounding of the inverse
// cosine transform open; two decoders that keep to the standard are within half
// a level of each other.
const lossyLevels = 0.5

// meanLevels returns the mean absolute difference of two images in levels, NaN
// if their sizes differ.
func meanLevels(a, b *vision.Image) float64 {
	if a.W != b.W || a.H != b.H {
		return math.NaN()
	}
	sum := 0
	for i, v := range a.RGB {
		sum += max(int(v), int(b.RGB[i])) - min(int(v), int(b.RGB[i]))
	}
	return float64(sum) / float64(len(a.RGB))
}

// digestOf returns the SHA-256 of the raster.
func digestOf(im *vision.Image) string {
	sum := sha256.Sum256(im.RGB)
	return hex.EncodeToString(sum[:])
}

// rules maps the keys of case.json to the rules of resizing.
var rules = map[string]vision.Rule{"pil": vision.Pillow, "torchvision": vision.Torchvision}

// checkRules checks what the two processors make of one file.
func (r *run) checkRules(m *record, file string, p pictures, o vision.Options) {
	grid, stride := m.integers("grid_thw"), m.integer("stride", 1, math.MaxInt32)
	made := map[string]resized{}
	for _, key := range sortedKeys(rules) {
		want := m.object(key)
		o.Rule = rules[key]
		got, err := resize(p.opened, o)
		if err != nil {
			r.fail(fmt.Errorf("%s: %w", file, err))
		}
		if r.failed() {
			return
		}
		made[key] = got
		r.exact("grid", file+" "+key, differences(got.grid(), grid))
		r.exact("resized bytes", file+" "+key, unequal(digestOf(got.image), want.text("u8_sha256")))
		r.exact("samples", file+" "+key, sampleDifferences(got.patches.Pixels, stride, want.numbers("sample")))
		r.checkFromPath(want, file+" "+key, p, o, grid)
	}
	r.checkBackends(m.object("backend_difference"), file, made["pil"], made["torchvision"])
	if want := max(1, len(made["pil"].patches.Pixels)/128); !r.failed() {
		r.exact("samples", file+" stride", unequal(stride, want))
	}
}

// resized is an image on its way to the network.
type resized struct {
	image   *vision.Image
	patches *vision.Patches
}

func resize(im *vision.Image, o vision.Options) (resized, error) {
	h, w, err := vision.TargetSize(im.H, im.W, o)
	if err != nil {
		return resized{}, err
	}
	out := resized{image: vision.Resize(im, w, h, o.Rule)}
	out.patches, err = vision.Patchify(out.image, o)
	return out, err
}

func (s resized) grid() []int32 {
	g := s.patches.Grid
	return []int32{int32(g.T), int32(g.H), int32(g.W)}
}

// sampleDifferences compares every stride-th sample with the recorded ones,
// whose nine digits determine a float32.
func sampleDifferences(pixels []float32, stride int, want []float64) float64 {
	var got, rounded []float32
	for i := 0; i < len(pixels); i += stride {
		got = append(got, pixels[i])
	}
	for _, x := range want {
		rounded = append(rounded, float32(x))
	}
	return differences(got, rounded)
}

// checkFromPath checks what a processor makes of the file's path: it then
// turns the image upright and drops alpha, but for a transparent palette entry,
// which the Pillow processor composites.
func (r *run) checkFromPath(m *record, name string, p pictures, o vision.Options, grid []int32) {
	for _, key := range []string{"from_path_largest", "from_path_error"} {
		if m.has(key) { // a defect of the library, which is not reproduced
			m.raw(key)
			r.out.leave("provenance", Provenance, "", name+" "+key)
		}
	}
	if m.has("from_path_grid_thw") {
		grid = m.integers("from_path_grid_thw")
	}
	if !m.has("from_path_u8_sha256") {
		return
	}
	im := p.rgb
	if p.inner && o.Rule == vision.Pillow {
		im = p.opened
	}
	got, err := resize(p.turn.apply(im), o)
	if err != nil {
		r.fail(fmt.Errorf("%s: %w", name, err))
		return
	}
	r.exact("grid", name+" by path", differences(got.grid(), grid))
	r.exact("resized bytes", name+" by path", unequal(digestOf(got.image), m.text("from_path_u8_sha256")))
}

// checkBackends compares what the two rules differ by.
func (r *run) checkBackends(m *record, file string, a, b resized) {
	largest, differ := 0, 0
	for i, v := range a.image.RGB {
		if d := max(v, b.image.RGB[i]) - min(v, b.image.RGB[i]); d > 0 {
			largest = max(largest, int(d))
			differ++
		}
	}
	var far float32
	for i, x := range a.patches.Pixels {
		far = max(far, x-b.patches.Pixels[i], b.patches.Pixels[i]-x)
	}
	got := []float64{float64(largest), float64(differ) / float64(len(a.image.RGB)), float64(far)}
	want := []float64{m.number("largest_level"), m.number("share"), m.number("largest_float")}
	r.exact("rules apart", file, differences(got, want))
}
