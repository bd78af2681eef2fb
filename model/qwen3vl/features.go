package qwen3vl

import (
	"fmt"

	"mole/tensor"
	"mole/vision"
)

// Encode runs the vision tower over images and returns what it makes of each,
// for Patches.Features. With a frozen tower that is worth keeping: it serves
// every epoch, every adapter of the text model, and every later request.
func (n *Net) Encode(images []*vision.Patches) ([]*vision.Features, error) {
	n.arena.Reset()
	n.pass = nil
	for i, im := range images {
		if err := n.checkPixels(im); err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
	}
	if len(images) == 0 {
		return nil, nil
	}
	t := n.towerForward(images, false)
	out := make([]*vision.Features, len(images))
	at := 0
	for i, im := range images {
		end := at + im.Grid.Tokens(n.config.Vision.Merge)
		f := &vision.Features{}
		var err error
		if f.Tokens, err = n.readFloats(t.feats.Rows(at, end)); err != nil {
			return nil, err
		}
		for _, d := range t.deep {
			rows, err := n.readFloats(d.Rows(at, end))
			if err != nil {
				return nil, err
			}
			f.Deep = append(f.Deep, rows)
		}
		out[i], at = f, end
	}
	return out, nil
}

// checkImage refuses an image that the network cannot take.
func (n *Net) checkImage(im *vision.Patches, merge int) error {
	v := &n.config.Vision
	if merge != v.Merge {
		return fmt.Errorf("merged by %d, want %d", merge, v.Merge)
	}
	if !n.known(im) {
		return n.checkPixels(im)
	}
	want := im.Grid.Tokens(v.Merge) * n.config.Text.Hidden
	if len(im.Features.Tokens) != want || len(im.Features.Deep) != len(n.deep) {
		return fmt.Errorf("%d elements and %d deep-stack features, want %d and %d",
			len(im.Features.Tokens), len(im.Features.Deep), want, len(n.deep))
	}
	for k, d := range im.Features.Deep {
		if len(d) != want {
			return fmt.Errorf("deep-stack feature %d: %d elements, want %d", k, len(d), want)
		}
	}
	return nil
}

// checkPixels refuses an image whose samples do not fit grid and network.
func (n *Net) checkPixels(im *vision.Patches) error {
	g, v := im.Grid, &n.config.Vision
	if g.T < 1 || g.H < 1 || g.W < 1 || g.H%v.Merge != 0 || g.W%v.Merge != 0 || len(im.Pixels) != g.Patches()*v.PatchWidth() {
		return fmt.Errorf("%d samples for a grid of %d×%d×%d patches, want patches of %d merged by %d",
			len(im.Pixels), g.T, g.H, g.W, v.PatchWidth(), v.Merge)
	}
	return nil
}

// known reports whether the tower need not run for im.
func (n *Net) known(im *vision.Patches) bool { return im.Features != nil && !n.towerAdapted() }

// see returns the features of images: those that are known, and those that
// the tower makes of the rest. With keep, none is known.
func (n *Net) see(images []*vision.Patches, keep bool) *tower {
	var rest []*vision.Patches
	for _, im := range images {
		if !n.known(im) {
			rest = append(rest, im)
		}
	}
	if len(rest) == len(images) {
		return n.towerForward(images, keep)
	}
	t := &tower{dDeep: make([]tensor.Tensor, len(n.deep))}
	var made *tower
	if len(rest) > 0 {
		made = n.towerForward(rest, false)
	}
	rows := n.seenRows(images)
	t.feats = n.join(images, rows, made, tokenPart)
	for k := range n.deep {
		t.deep = append(t.deep, n.join(images, rows, made, k))
	}
	return t
}

// seenRows returns for each merged cell of images its row among the cells that
// the tower ran, or −1 where the image is known.
func (n *Net) seenRows(images []*vision.Patches) []int32 {
	var rows []int32
	next := int32(0)
	for _, im := range images {
		for range im.Grid.Tokens(n.config.Vision.Merge) {
			if n.known(im) {
				rows = append(rows, -1)
				continue
			}
			rows = append(rows, next)
			next++
		}
	}
	return rows
}

// tokenPart names the tokens among the parts of features; parts from 0 are
// those of the deep stack.
const tokenPart = -1

// join returns one part of the features [N, C] of all images: rows of what the
// tower made, if it ran, and what was known.
func (n *Net) join(images []*vision.Patches, rows []int32, made *tower, part int) tensor.Tensor {
	all := n.arena.F32(len(rows), n.config.Text.Hidden)
	if made != nil {
		from := made.feats
		if part != tokenPart {
			from = made.deep[part]
		}
		n.dev.Gather(all, from, n.ints(rows), tensor.Tensor{})
	}
	at := 0
	for _, im := range images {
		end := at + im.Grid.Tokens(n.config.Vision.Merge)
		if n.known(im) {
			known := im.Features.Tokens
			if part != tokenPart {
				known = im.Features.Deep[part]
			}
			n.dev.Write(all.Rows(at, end), elementBytes(known))
		}
		at = end
	}
	return all
}
