package parity

import (
	"fmt"

	"mole/batch"
	"mole/model/qwen3vl"
	"mole/vision"
)

// sample is one sequence of a case.
type sample struct {
	ids, labels []int32
	pictures    []picture
	grids       []vision.Grid
	images      []*vision.Patches // one per grid
}

// picture is an image that is made by formula: the same picture is the same
// image in all samples of a case.
type picture struct {
	name string
	h, w int // in patches
}

// rows returns the rows whose next token is supervised, and those tokens. A
// label at the first token has no row and does not count, as in the reference.
func (s *sample) rows() (rows, targets []int32) {
	for i, label := range s.labels {
		if i > 0 && label != batch.Ignore {
			rows, targets = append(rows, int32(i-1)), append(targets, label)
		}
	}
	return rows, targets
}

// example returns s without its labels.
func (s *sample) example() batch.Example { return batch.Example{Tokens: s.ids, Images: s.images} }

// readSample reads ids, labels, images and grids, and checks that they fit
// each other and the network.
func (r *run) readSample(m *record, c *qwen3vl.Config) *sample {
	s := &sample{ids: m.integers("ids"), labels: m.integers("labels")}
	var pictures [][]any
	var grids [][]int
	m.read("images", &pictures, "a list of [name, rows, columns]")
	m.read("grids", &grids, "a list of [1, rows, columns]")
	if r.failed() {
		return s
	}
	if len(s.ids) == 0 || len(s.labels) != len(s.ids) {
		r.fail(m.errorf("ids: %d of them and %d labels, want as many of each, at least 1", len(s.ids), len(s.labels)))
	}
	for i, v := range pictures {
		p, err := parsePicture(v)
		if err != nil {
			r.fail(m.errorf("images: %d: %w", i, err))
		}
		s.pictures = append(s.pictures, p)
	}
	cells := 0
	for i, g := range grids {
		grid, err := parseGrid(g, c.Vision.Merge)
		if err != nil {
			r.fail(m.errorf("grids: %d: %w", i, err))
			return s
		}
		s.grids = append(s.grids, grid)
		cells += grid.Tokens(c.Vision.Merge)
	}
	if n := count(s.ids, c.ImageToken); n != cells {
		r.fail(m.errorf("ids: %d image tokens, want %d for grids %v", n, cells, grids))
	}
	r.checkVocabulary(m, s, c)
	if n := activations(c, len(s.ids), cells*c.Vision.Merge*c.Vision.Merge); n > maxActivations {
		r.fail(m.errorf("ids: a pass over %d tokens of this network computes %d numbers, want at most %d", len(s.ids), n, maxActivations))
	}
	return s
}

// maxActivations limits what a pass may compute: 4 GiB of float32.
const maxActivations = 1 << 30

// activations estimates how many numbers a pass over one sample computes.
func activations(c *qwen3vl.Config, tokens, patches int) int {
	t, v := &c.Text, &c.Vision
	layer := 4*t.Hidden + 3*t.Intermediate + 3*t.Heads*t.HeadDim
	block := 8*v.Hidden + 2*v.Intermediate
	return tokens*(t.Vocab+t.Layers*layer) + patches*(v.PatchWidth()+v.Depth*block)
}

// checkVocabulary checks that ids and labels are tokens of the network.
func (r *run) checkVocabulary(m *record, s *sample, c *qwen3vl.Config) {
	for i, id := range s.ids {
		if id < 0 || int(id) >= c.Text.Vocab {
			r.fail(m.errorf("ids: token %d is %d, outside the vocabulary of %d", i, id, c.Text.Vocab))
		}
	}
	_, targets := s.rows()
	for i, id := range targets {
		if id < 0 || int(id) >= c.Text.Vocab {
			r.fail(m.errorf("labels: supervised token %d is %d, outside the vocabulary of %d", i, id, c.Text.Vocab))
		}
	}
}

// count returns how often x occurs.
func count[T comparable](list []T, x T) int {
	n := 0
	for _, e := range list {
		if e == x {
			n++
		}
	}
	return n
}

// maxSide is the largest extent of an image in patches: far beyond any real
// one, small enough that no product of extents overflows.
const maxSide = 1 << 14

// parsePicture reads [name, rows, columns].
func parsePicture(v []any) (picture, error) {
	if len(v) == 3 {
		name, ok := v[0].(string)
		h, okH := v[1].(float64)
		w, okW := v[2].(float64)
		if ok && okH && okW && h == float64(int(h)) && w == float64(int(w)) {
			return picture{name, int(h), int(w)}, nil
		}
	}
	return picture{}, fmt.Errorf("%v, want [name, rows, columns]", v)
}

// parseGrid reads [1, rows, columns].
func parseGrid(g []int, merge int) (vision.Grid, error) {
	if len(g) != 3 || g[0] != 1 {
		return vision.Grid{}, fmt.Errorf("%v, want [1, rows, columns]", g)
	}
	for _, n := range g[1:] {
		if n < 1 || n > maxSide || n%merge != 0 {
			return vision.Grid{}, fmt.Errorf("%v, want multiples of %d up to %d", g, merge, maxSide)
		}
	}
	return vision.Grid{T: 1, H: g[1], W: g[2]}, nil
}

// gallery draws the pictures of a case, each once.
type gallery struct {
	seed   uint64
	config *qwen3vl.Config
	drawn  map[picture]*vision.Patches
	pixels int // of all of them
}

func newGallery(seed uint64, c *qwen3vl.Config) *gallery {
	return &gallery{seed: seed, config: c, drawn: map[picture]*vision.Patches{}}
}

// hang gives s the images that its list names.
func (g *gallery) hang(s *sample) error {
	if len(s.pictures) != len(s.grids) {
		return fmt.Errorf("%d images for %d grids", len(s.pictures), len(s.grids))
	}
	for i, p := range s.pictures {
		if grid := (vision.Grid{T: 1, H: p.h, W: p.w}); grid != s.grids[i] {
			return fmt.Errorf("image %d: %q of %d by %d patches for grid %v", i, p.name, p.h, p.w, s.grids[i])
		}
		image, err := g.draw(p)
		if err != nil {
			return fmt.Errorf("image %d: %w", i, err)
		}
		s.images = append(s.images, image)
	}
	return nil
}

// draw makes a picture: sample i of its raster is the upper byte of word i of
// its stream. What the network sees of it is made by package vision.
func (g *gallery) draw(p picture) (*vision.Patches, error) {
	if done := g.drawn[p]; done != nil {
		return done, nil
	}
	v := &g.config.Vision
	if v.Channels != 3 || v.Temporal != 2 || v.Merge != 2 {
		return nil, fmt.Errorf("%q: %s: in_channels %d, temporal_patch_size %d, spatial_merge_size %d: images are drawn for 3, 2 and 2",
			p.name, configFile, v.Channels, v.Temporal, v.Merge)
	}
	o := vision.DefaultOptions()
	o.PatchSize, o.TemporalPatchSize, o.MergeSize = v.Patch, v.Temporal, v.Merge
	raster := &vision.Image{W: p.w * v.Patch, H: p.h * v.Patch}
	if g.pixels += raster.W * raster.H; g.pixels > maxPixels {
		return nil, fmt.Errorf("%q: %d pixels in all images, want at most %d", p.name, g.pixels, maxPixels)
	}
	raster.RGB = make([]uint8, 3*raster.W*raster.H)
	s := newStream("image/"+p.name, g.seed)
	for i := range raster.RGB {
		raster.RGB[i] = uint8(s.word(i) >> 56)
	}
	patches, err := vision.Patchify(raster, o)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", p.name, err)
	}
	g.drawn[p] = patches
	return patches, nil
}

// maxPixels limits the pictures of a case, which asks for them in a few bytes,
// together: to the largest that the released image processor makes of one.
const maxPixels = 1 << 24

// sineImages cuts the pixel matrix of the sine rule into the images of s.
func sineImages(s *sample, c *qwen3vl.Config) error {
	total := 0
	for _, g := range s.grids {
		total += g.Patches()
	}
	if width := c.Vision.PatchWidth(); width != sinePatchWidth || total != 0 && total != sinePatches {
		return fmt.Errorf("%d patches of %d samples, want %d of %d, or none", total, width, sinePatches, sinePatchWidth)
	}
	at := 0
	for _, g := range s.grids {
		p := &vision.Patches{Grid: g, Pixels: make([]float32, g.Patches()*sinePatchWidth)}
		for i := range p.Pixels {
			p.Pixels[i] = float32(sinePixel(at))
			at++
		}
		s.images = append(s.images, p)
	}
	return nil
}
