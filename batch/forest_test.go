package batch_test

import (
	"math"
	"slices"
	"testing"

	"mole/batch"
	"mole/vision"
)

// tree returns a batch of two roots: system prompt and image, which two
// instructions and, below the first, two answers continue; and a lone sequence.
//
//	0: 1 2 [image 2×1]   ── 1: 3 4 ── 2: 5
//	                                └─ 3: 6 7
//	                     └─ 4: 8
//	5: 9
func tree() *batch.Batch {
	return &batch.Batch{
		Tokens: []int32{1, 2, pad, pad, 3, 4, 5, 6, 7, 8, 9},
		Pos: [][3]int32{
			{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {2, 3, 2},
			{4, 4, 4}, {5, 5, 5}, {6, 6, 6}, {6, 6, 6}, {7, 7, 7}, {4, 4, 4}, {0, 0, 0},
		},
		Segments: []batch.Segment{{0, -1}, {4, 0}, {6, 1}, {7, 1}, {9, 0}, {10, -1}},
		Labels:   []batch.Label{{5, 5, 1}, {5, 6, 1}, {7, 7, 1}},
		Images:   []*vision.Patches{still(4, 2)},
		Merge:    2,
		Visual:   []batch.Visual{{2, 0}, {3, 1}},
	}
}

func TestForest(t *testing.T) {
	b := tree()
	if err := b.Validate(); err != nil {
		t.Fatal(err)
	}
	ancestors := [][]int32{nil, {0}, {0, 1}, {0, 1}, {0}, nil}
	next := []int32{4, 6, 7, 8, 5, 1}
	for i := range b.Segments {
		if got := b.Ancestors(i); !slices.Equal(got, ancestors[i]) {
			t.Errorf("ancestors of %d: got %v, want %v", i, got, ancestors[i])
		}
		if got := b.Next(i); got != next[i] {
			t.Errorf("next after %d: got %d, want %d", i, got, next[i])
		}
	}
}

// TestForestPath packs each path of the tree alone: positions must be those of
// the path.
func TestForestPath(t *testing.T) {
	b := tree()
	for i := range b.Segments {
		e := batch.Example{}
		var pos [][3]int32
		for _, s := range append(b.Ancestors(i), int32(i)) {
			lo, hi := b.Segments[s].Start, b.End(int(s))
			e.Tokens = append(e.Tokens, b.Tokens[lo:hi]...)
			pos = append(pos, b.Pos[lo:hi]...)
		}
		if slices.Contains(e.Tokens, pad) {
			e.Images = b.Images
		}
		alone := pack(t, e)
		if !slices.Equal(pos, alone.Pos) {
			t.Errorf("path to %d: got %v, want %v", i, pos, alone.Pos)
		}
		if got, want := b.Next(i), alone.Next(0); got != want {
			t.Errorf("next after %d: got %d, want %d", i, got, want)
		}
	}
}

func TestValidateErrors(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(b *batch.Batch)
		want  string
	}{
		{"empty", func(b *batch.Batch) { *b = batch.Batch{} }, "0 tokens"},
		{"few positions", func(b *batch.Batch) { b.Pos = b.Pos[:3] }, "3 positions, want 11"},
		{"negative token", func(b *batch.Batch) { b.Tokens[3] = -1 }, "row 3: token -1"},
		{"negative position", func(b *batch.Batch) { b.Pos[2][1] = -1 }, "row 2: position [2 -1 2]"},
		{"no segments", func(b *batch.Batch) { b.Segments = nil }, "no segment starts at row 0"},
		{"late start", func(b *batch.Batch) { b.Segments[0].Start = 1 }, "no segment starts at row 0"},
		{"empty segment", func(b *batch.Batch) { b.Segments[2].Start = 7 }, "segment 2: rows 7 to 7"},
		{"descending", func(b *batch.Batch) { b.Segments[3].Start = 5 }, "segment 2: rows 6 to 5"},
		{"beyond the end", func(b *batch.Batch) { b.Segments[5].Start = 11 }, "segment 5: rows 11 to 11"},
		{"far beyond", func(b *batch.Batch) { b.Segments[5].Start = 20 }, "segment 4: rows 9 to 20 of 11"},
		{"own parent", func(b *batch.Batch) { b.Segments[2].Parent = 2 }, "segment 2: parent 2"},
		{"no such parent", func(b *batch.Batch) { b.Segments[2].Parent = -2 }, "segment 2: parent -2"},
		{"label row", func(b *batch.Batch) { b.Labels[1].Row = 11 }, "label 1: row 11 of 11"},
		{"negative row", func(b *batch.Batch) { b.Labels[1].Row = -1 }, "label 1: row -1"},
		{"target", func(b *batch.Batch) { b.Labels[0].Target = -100 }, "label 0: target -100"},
		{"weight", func(b *batch.Batch) { b.Labels[0].Weight = float32(math.Inf(1)) }, "label 0: weight +Inf"},
		{"row twice", func(b *batch.Batch) { b.Visual[1].Row = 2 }, "visual 1: row 2 after row 2"},
		{"visual row", func(b *batch.Batch) { b.Visual[1].Row = 11 }, "visual 1: row 11"},
		{"feature", func(b *batch.Batch) { b.Visual[1].Feature = 2 }, "visual 1: feature 2 of 2"},
		{"negative feature", func(b *batch.Batch) { b.Visual[1].Feature = -1 }, "visual 1: feature -1"},
		{"no images", func(b *batch.Batch) { b.Images = nil }, "visual 0: feature 0 of 0"},
		{"nil image", func(b *batch.Batch) { b.Images[0] = nil }, "image 0 is nil"},
		{"no merge", func(b *batch.Batch) { b.Merge = 0 }, "merge size 0"},
		{"odd grid", func(b *batch.Batch) { b.Merge = 3 }, "image 0: grid of 4 by 2"},
		{"huge grid", func(b *batch.Batch) { b.Images[0] = still(1<<62, 1<<62) }, "image 0: 2305843009213693952 by 2305843009213693952 cells"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := tree()
			tt.spoil(b)
			checkErr(t, b.Validate(), tt.want)
		})
	}
}
