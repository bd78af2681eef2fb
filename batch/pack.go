package batch

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"mole/vision"
)

// Layout holds what packing must know of the network.
type Layout struct {
	ImageToken int32 // placeholder of one merged cell of an image
	VideoToken int32 // placeholder of videos, which are refused
	Merge      int   // spatial merge size: Merge by Merge patches become one token
}

// Pack lays examples end to end, each a segment without parent, so that the
// batch computes for each what it would compute alone. An image that occurs
// several times, in one example or in many, is listed once. An example that
// does not fit its images or labels is an error that names it and the token.
func Pack(l Layout, ex []Example) (*Batch, error) {
	if len(ex) == 0 {
		return nil, errors.New("no examples")
	}
	if l.Merge < 1 {
		return nil, fmt.Errorf("merge size %d, want at least 1", l.Merge)
	}
	p := packer{layout: l, first: map[*vision.Patches]int32{}}
	for i, e := range ex {
		if err := p.add(e); err != nil {
			return nil, fmt.Errorf("example %d: %w", i, err)
		}
	}
	if len(p.batch.Images) > 0 {
		p.batch.Merge = l.Merge
	}
	return &p.batch, nil
}

// Take returns how many of the leading examples have together at most the
// given number of tokens, but at least one unless there is none.
func Take(ex []Example, tokens int) int {
	n := 0
	for _, e := range ex {
		tokens -= len(e.Tokens)
		if tokens < 0 && n > 0 {
			break
		}
		n++
	}
	return n
}

// packer is a batch that grows.
type packer struct {
	layout   Layout
	batch    Batch
	first    map[*vision.Patches]int32 // first feature of each image of batch
	features int32                     // of all images of batch
}

// add appends one example.
func (p *packer) add(e Example) error {
	if err := checkExample(e); err != nil {
		return err
	}
	b := &p.batch
	start := int32(len(b.Tokens))
	if len(e.Tokens) > math.MaxInt32-int(start) {
		return fmt.Errorf("%d tokens after %d, want at most %d in a batch", len(e.Tokens), start, math.MaxInt32)
	}
	b.Segments = append(b.Segments, Segment{Start: start, Parent: NoParent})
	b.Tokens = append(b.Tokens, e.Tokens...)
	if err := p.place(e, start); err != nil {
		return err
	}
	b.Labels = appendLabels(b.Labels, e, start)
	return nil
}

// checkExample checks what concerns neither images nor positions.
func checkExample(e Example) error {
	switch {
	case len(e.Tokens) == 0:
		return errors.New("no tokens")
	case e.Labels != nil && len(e.Labels) != len(e.Tokens):
		return fmt.Errorf("%d labels, want %d, one for each token", len(e.Labels), len(e.Tokens))
	case !(e.Weight >= 0) || math.IsInf(float64(e.Weight), 1): // NaN is not >= 0
		return fmt.Errorf("weight %v, want a finite number, at least 0", e.Weight)
	}
	for i, id := range e.Tokens {
		if id < 0 {
			return fmt.Errorf("token %d: id %d is negative", i, id)
		}
	}
	return checkLabels(e)
}

// checkLabels checks that every label is the token itself and has a row.
func checkLabels(e Example) error {
	for i, label := range e.Labels {
		if label == Ignore {
			continue
		}
		if label != e.Tokens[i] {
			return fmt.Errorf("token %d: label %d, want %d, the token itself, or %d", i, label, e.Tokens[i], Ignore)
		}
		if i == 0 {
			return errors.New("token 0: supervised, but no token before it could predict it")
		}
	}
	return nil
}

// appendLabels appends the labels of e, whose first token has row start: row
// i−1 predicts token i.
func appendLabels(labels []Label, e Example, start int32) []Label {
	weight := e.Weight
	if weight == 0 {
		weight = 1
	}
	for i, label := range e.Labels {
		if label != Ignore {
			labels = append(labels, Label{Row: start + int32(i) - 1, Target: label, Weight: weight})
		}
	}
	return labels
}

// place appends positions and visual rows of e, whose first token has row
// start (specification qwen3-vl 4.4). Text counts up on all three axes. An
// image stays at one time and spans its merged rows and columns; what follows
// it goes on after the longer side. Its run is as long as its grid says, so
// that images may follow one another without a token between them.
func (p *packer) place(e Example, start int32) error {
	count := int32(0)
	images := 0
	for i := 0; i < len(e.Tokens); {
		switch e.Tokens[i] {
		case p.layout.VideoToken:
			return fmt.Errorf("token %d: video placeholder %d; videos are not supported", i, e.Tokens[i])
		case p.layout.ImageToken:
			if images == len(e.Images) {
				return fmt.Errorf("token %d: placeholder of an image beyond the %d given", i, images)
			}
			cells, err := p.cells(e, i, images)
			if err != nil {
				return err
			}
			p.placeImage(e.Images[images], cells, start+int32(i), count)
			count += int32(max(cells.H, cells.W))
			i += cells.Patches()
			images++
		default:
			p.batch.Pos = append(p.batch.Pos, [3]int32{count, count, count})
			count++
			i++
		}
	}
	if images < len(e.Images) {
		return fmt.Errorf("token %d, the end: no placeholders for image %d of %d", len(e.Tokens), images, len(e.Images))
	}
	return nil
}

// cells returns the merged grid of an image whose run begins at token at, once
// it is sure that the run is long enough.
func (p *packer) cells(e Example, at, image int) (vision.Grid, error) {
	if e.Images[image] == nil {
		return vision.Grid{}, fmt.Errorf("token %d: image %d is nil", at, image)
	}
	g := e.Images[image].Grid
	if err := checkGrid(g, p.layout.Merge); err != nil {
		return vision.Grid{}, fmt.Errorf("token %d: image %d: %w", at, image, err)
	}
	c := vision.Grid{T: 1, H: g.H / p.layout.Merge, W: g.W / p.layout.Merge}
	rest := e.Tokens[at:]
	if c.H <= len(rest)/c.W { // as H·W <= len(rest), but cannot overflow
		rest = rest[:c.Patches()]
	}
	run := slices.IndexFunc(rest, func(id int32) bool { return id != p.layout.ImageToken })
	if run < 0 {
		run = len(rest)
	}
	if c.H > run/c.W {
		return vision.Grid{}, fmt.Errorf("token %d: image %d: %d placeholders, want %d×%d for %d by %d patches", at, image, run, c.H, c.W, g.H, g.W)
	}
	return c, nil
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

// placeImage appends the positions and the visual rows of an image of the
// given merged cells, whose run begins at row and at position count.
func (p *packer) placeImage(image *vision.Patches, cells vision.Grid, row, count int32) {
	b := &p.batch
	feature, ok := p.first[image]
	if !ok {
		feature = p.features
		p.first[image] = feature
		p.features += int32(cells.Patches())
		b.Images = append(b.Images, image)
	}
	for k := range int32(cells.Patches()) {
		r, c := k/int32(cells.W), k%int32(cells.W)
		b.Pos = append(b.Pos, [3]int32{count, count + r, count + c})
		b.Visual = append(b.Visual, Visual{Row: row + k, Feature: feature + k})
	}
}
