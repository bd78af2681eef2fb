package batch

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Ancestors returns the indices of the segments that segment i continues,
// directly or not, the root first. They ascend.
func (b *Batch) Ancestors(i int) []int32 {
	var up []int32
	for s := b.Segments[i].Parent; s != NoParent; s = b.Segments[s].Parent {
		up = append(up, s)
	}
	slices.Reverse(up)
	return up
}

// Next returns the position, the same on all three axes, of the token that is
// generated next on the path that ends in the given segment: one more than the
// largest position on it (specification qwen3-vl 4.4, where the difference to
// the number of tokens is called rope_delta).
func (b *Batch) Next(segment int) int32 {
	largest := int32(-1)
	for _, s := range append(b.Ancestors(segment), int32(segment)) {
		for _, pos := range b.Pos[b.Segments[s].Start:b.End(int(s))] {
			largest = max(largest, pos[0], pos[1], pos[2])
		}
	}
	return largest + 1
}

// Validate returns an error unless b is what its comments promise: segments
// that cover the rows in order and come after their parents, numbers of rows
// and features in range, each row with one token, one position and at most one
// feature. What only the network knows (the vocabulary, the merge size) is left
// to it.
func (b *Batch) Validate() error {
	for _, check := range []func() error{b.checkTokens, b.checkSegments, b.checkLabels, b.checkVisual} {
		if err := check(); err != nil {
			return fmt.Errorf("batch: %w", err)
		}
	}
	return nil
}

// checkTokens checks that rows can be counted in 32 bits and have a token and a
// position each.
func (b *Batch) checkTokens() error {
	n := len(b.Tokens)
	if n == 0 || n > math.MaxInt32 {
		return fmt.Errorf("%d tokens, want 1 to %d", n, math.MaxInt32)
	}
	if len(b.Pos) != n {
		return fmt.Errorf("%d positions, want %d, one for each token", len(b.Pos), n)
	}
	for i, id := range b.Tokens {
		if id < 0 {
			return fmt.Errorf("row %d: token %d is negative", i, id)
		}
		if p := b.Pos[i]; min(p[0], p[1], p[2]) < 0 {
			return fmt.Errorf("row %d: position %v is negative", i, p)
		}
	}
	return nil
}

// checkSegments checks that segments ascend without gap and form a forest.
func (b *Batch) checkSegments() error {
	if len(b.Segments) == 0 || b.Segments[0].Start != 0 {
		return errors.New("no segment starts at row 0")
	}
	for i, s := range b.Segments {
		if end := b.End(i); s.Start >= end || int(end) > len(b.Tokens) {
			return fmt.Errorf("segment %d: rows %d to %d of %d, want at least one", i, s.Start, end, len(b.Tokens))
		}
		if s.Parent < NoParent || int(s.Parent) >= i {
			return fmt.Errorf("segment %d: parent %d, want an earlier segment or %d", i, s.Parent, NoParent)
		}
	}
	return nil
}

// checkLabels checks the ranges of rows, targets and weights.
func (b *Batch) checkLabels() error {
	for i, l := range b.Labels {
		if l.Row < 0 || int(l.Row) >= len(b.Tokens) {
			return fmt.Errorf("label %d: row %d of %d", i, l.Row, len(b.Tokens))
		}
		if l.Target < 0 {
			return fmt.Errorf("label %d: target %d is negative", i, l.Target)
		}
		if !isWeight(l.Weight) {
			return fmt.Errorf("label %d: weight %v, want a finite number, at least 0", i, l.Weight)
		}
	}
	return nil
}

// checkVisual checks that rows ascend and that the images have the features.
func (b *Batch) checkVisual() error {
	features, err := b.countFeatures()
	if err != nil {
		return err
	}
	last := int32(-1)
	for i, v := range b.Visual {
		if v.Row <= last || int(v.Row) >= len(b.Tokens) {
			return fmt.Errorf("visual %d: row %d after row %d of %d, want ascending rows", i, v.Row, last, len(b.Tokens))
		}
		if v.Feature < 0 || int(v.Feature) >= features {
			return fmt.Errorf("visual %d: feature %d of %d", i, v.Feature, features)
		}
		last = v.Row
	}
	return nil
}

// countFeatures returns the number of merged cells of all images.
func (b *Batch) countFeatures() (int, error) {
	if len(b.Images) > 0 && b.Merge < 1 {
		return 0, fmt.Errorf("merge size %d, want at least 1", b.Merge)
	}
	n := 0
	for i, image := range b.Images {
		if image == nil {
			return 0, fmt.Errorf("image %d is nil", i)
		}
		if err := checkGrid(image.Grid, b.Merge); err != nil {
			return 0, fmt.Errorf("image %d: %w", i, err)
		}
		h, w := image.Grid.H/b.Merge, image.Grid.W/b.Merge
		if h > (math.MaxInt32-n)/w {
			return 0, fmt.Errorf("image %d: %d by %d cells after %d, want at most %d features", i, h, w, n, math.MaxInt32)
		}
		n += h * w
	}
	return n, nil
}
