package batch

import (
	"fmt"
	"slices"

	"mole/vision"
)

// unit is a part of an example that is placed, and shared, as a whole: a token
// of text, or an image with its run of placeholders.
type unit struct {
	token int32
	image *vision.Patches // nil for text
}

// merged returns the merged grid of an image that fits the layout.
func (l Layout) merged(im *vision.Patches) vision.Grid {
	return vision.Grid{T: 1, H: im.Grid.H / l.Merge, W: im.Grid.W / l.Merge}
}

// rows returns the number of tokens of u.
func (l Layout) rows(u unit) int32 {
	if u.image == nil {
		return 1
	}
	return int32(l.merged(u.image).Patches())
}

// steps returns by how much what follows u has a larger position than u
// (specification qwen3-vl 4.4): 1 for text, the longer side for an image.
func (l Layout) steps(u unit) int32 {
	if u.image == nil {
		return 1
	}
	c := l.merged(u.image)
	return int32(max(c.H, c.W))
}

// units calls f with each unit of e and the index of its first token. The run
// of an image is as long as its grid says, so that images may follow one
// another without a token between them.
func (l Layout) units(e Example, f func(at int, u unit)) error {
	images := 0
	for i := 0; i < len(e.Tokens); {
		u := unit{token: e.Tokens[i]}
		switch u.token {
		case l.VideoToken:
			return fmt.Errorf("token %d: video placeholder %d; videos are not supported", i, u.token)
		case l.ImageToken:
			if images == len(e.Images) {
				return fmt.Errorf("token %d: placeholder of an image beyond the %d given", i, images)
			}
			if err := l.checkRun(e, i, images); err != nil {
				return err
			}
			u.image = e.Images[images]
			images++
		}
		f(i, u)
		i += int(l.rows(u))
	}
	if images < len(e.Images) {
		return fmt.Errorf("token %d, the end: no placeholders for image %d of %d", len(e.Tokens), images, len(e.Images))
	}
	return nil
}

// checkRun returns an error unless the image whose run begins at token at is a
// still image of whole cells, and the run long enough for it.
func (l Layout) checkRun(e Example, at, image int) error {
	if e.Images[image] == nil {
		return fmt.Errorf("token %d: image %d is nil", at, image)
	}
	g := e.Images[image].Grid
	if err := checkGrid(g, l.Merge); err != nil {
		return fmt.Errorf("token %d: image %d: %w", at, image, err)
	}
	c := l.merged(e.Images[image])
	rest := e.Tokens[at:]
	if c.H <= len(rest)/c.W { // as H·W <= len(rest), but cannot overflow
		rest = rest[:c.Patches()]
	}
	run := slices.IndexFunc(rest, func(id int32) bool { return id != l.ImageToken })
	if run < 0 {
		run = len(rest)
	}
	if c.H > run/c.W {
		return fmt.Errorf("token %d: image %d: %d placeholders, want %d×%d for %d by %d patches", at, image, run, c.H, c.W, g.H, g.W)
	}
	return nil
}

// checkGrid returns an error unless g is a still image of whole cells.
func checkGrid(g vision.Grid, merge int) error {
	if g.T != 1 {
		return fmt.Errorf("grid of %d frames, want 1", g.T)
	}
	if g.H < 1 || g.W < 1 || g.H%merge != 0 || g.W%merge != 0 {
		return fmt.Errorf("grid of %d by %d patches, want positive multiples of the merge size %d", g.H, g.W, merge)
	}
	return nil
}

// place appends u at position count (specification qwen3-vl 4.4). Text is at
// the same position on all three axes. An image stays at one time and spans its
// merged rows and columns.
func (p *packer) place(u unit, count int32) {
	b := &p.batch
	row := int32(len(b.Tokens))
	if u.image == nil {
		b.Tokens = append(b.Tokens, u.token)
		b.Pos = append(b.Pos, [3]int32{count, count, count})
		return
	}
	first := p.enter(u.image)
	wide := int32(p.layout.merged(u.image).W)
	for k := range p.layout.rows(u) {
		b.Tokens = append(b.Tokens, u.token)
		b.Pos = append(b.Pos, [3]int32{count, count + k/wide, count + k%wide})
		b.Visual = append(b.Visual, Visual{Row: row + k, Feature: first + k})
	}
}

// enter returns the number of the first feature of image, which it lists if it
// is new.
func (p *packer) enter(image *vision.Patches) int32 {
	first, ok := p.first[image]
	if !ok {
		first = p.features
		p.first[image] = first
		p.features += int32(p.layout.merged(image).Patches())
		p.batch.Images, p.batch.Merge = append(p.batch.Images, image), p.layout.Merge
	}
	return first
}
