package batch_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"mole/batch"
	"mole/vision"

	"github.com/google/go-cmp/cmp"
)

const (
	pad   = 61 // image placeholder
	video = 63
)

var layout = batch.Layout{ImageToken: pad, VideoToken: video, Merge: 2}

// still returns an image of h by w patches without pixels, which packing does
// not look at.
func still(h, w int) *vision.Patches {
	return &vision.Patches{Grid: vision.Grid{T: 1, H: h, W: w}}
}

// tokens lays out runs: n > 0 stands for n text tokens, n < 0 for −n
// placeholders.
func tokens(runs ...int) []int32 {
	var ids []int32
	for _, n := range runs {
		id := int32(7)
		if n < 0 {
			n, id = -n, pad
		}
		ids = append(ids, slices.Repeat([]int32{id}, n)...)
	}
	return ids
}

// pack packs examples that must fit.
func pack(t *testing.T, ex ...batch.Example) *batch.Batch {
	t.Helper()
	b, err := batch.Pack(layout, ex)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Validate(); err != nil {
		t.Fatal(err)
	}
	return b
}

// axis returns one of the three positions of every row.
func axis(b *batch.Batch, k int) []int32 {
	var out []int32
	for _, p := range b.Pos {
		out = append(out, p[k])
	}
	return out
}

func TestPositions(t *testing.T) {
	tests := []struct {
		name    string
		tokens  []int32
		images  []*vision.Patches
		t, h, w []int32
		next    int32
	}{
		{
			"text", tokens(4), nil,
			[]int32{0, 1, 2, 3},
			[]int32{0, 1, 2, 3},
			[]int32{0, 1, 2, 3}, 4,
		},
		{ // examples A to C of specification qwen3-vl 4.4
			"A, wide", tokens(4, -6, 5), []*vision.Patches{still(4, 6)},
			[]int32{0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 7, 8, 9, 10, 11},
			[]int32{0, 1, 2, 3, 4, 4, 4, 5, 5, 5, 7, 8, 9, 10, 11},
			[]int32{0, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9, 10, 11}, 12,
		},
		{
			"B, tall", tokens(4, -6, 5), []*vision.Patches{still(6, 4)},
			[]int32{0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 7, 8, 9, 10, 11},
			[]int32{0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 8, 9, 10, 11},
			[]int32{0, 1, 2, 3, 4, 5, 4, 5, 4, 5, 7, 8, 9, 10, 11}, 12,
		},
		{
			"C, two", tokens(4, -4, 2, -6, 3), []*vision.Patches{still(4, 4), still(4, 6)},
			[]int32{0, 1, 2, 3, 4, 4, 4, 4, 6, 7, 8, 8, 8, 8, 8, 8, 11, 12, 13},
			[]int32{0, 1, 2, 3, 4, 4, 5, 5, 6, 7, 8, 8, 8, 9, 9, 9, 11, 12, 13},
			[]int32{0, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 10, 8, 9, 10, 11, 12, 13}, 14,
		},
		{
			"adjacent, at both ends", tokens(-2, -1), []*vision.Patches{still(2, 4), still(2, 2)},
			[]int32{0, 0, 2},
			[]int32{0, 0, 2},
			[]int32{0, 1, 2}, 3,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := pack(t, batch.Example{Tokens: tt.tokens, Images: tt.images})
			for k, want := range [][]int32{tt.t, tt.h, tt.w} {
				if got := axis(b, k); !slices.Equal(got, want) {
					t.Errorf("axis %d: got %v, want %v", k, got, want)
				}
			}
			if got := b.Next(0); got != tt.next {
				t.Errorf("next position: got %d, want %d", got, tt.next)
			}
		})
	}
}

func TestPack(t *testing.T) {
	x, y := still(2, 4), still(2, 2)
	off := int32(batch.Ignore)
	got := pack(t,
		batch.Example{Tokens: []int32{5, pad, pad, 6}, Labels: []int32{off, off, off, 6}, Images: []*vision.Patches{x}},
		batch.Example{Tokens: []int32{5, 6}},
		batch.Example{
			Tokens: []int32{pad, pad, pad, 8, 9, pad, pad},
			Labels: []int32{off, off, off, 8, 9, off, off},
			Images: []*vision.Patches{x, y, x}, Weight: 0.5,
		},
	)
	want := &batch.Batch{
		Tokens: []int32{5, pad, pad, 6, 5, 6, pad, pad, pad, 8, 9, pad, pad},
		Pos: [][3]int32{
			{0, 0, 0}, {1, 1, 1}, {1, 1, 2}, {3, 3, 3},
			{0, 0, 0}, {1, 1, 1},
			{0, 0, 0}, {0, 0, 1}, {2, 2, 2}, {3, 3, 3}, {4, 4, 4}, {5, 5, 5}, {5, 5, 6},
		},
		Segments: []batch.Segment{{Start: 0, Parent: -1}, {Start: 4, Parent: -1}, {Start: 6, Parent: -1}},
		Labels:   []batch.Label{{Row: 2, Target: 6, Weight: 1}, {Row: 8, Target: 8, Weight: 0.5}, {Row: 9, Target: 9, Weight: 0.5}},
		Ends:     []int32{3, 5, 12},
		Images:   []*vision.Patches{x, y},
		Merge:    2,
		Visual: []batch.Visual{
			{Row: 1, Feature: 0}, {Row: 2, Feature: 1},
			{Row: 6, Feature: 0}, {Row: 7, Feature: 1}, {Row: 8, Feature: 2},
			{Row: 11, Feature: 0}, {Row: 12, Feature: 1},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
}

func TestPackErrors(t *testing.T) {
	good := batch.Example{Tokens: []int32{1, 2}}
	off := int32(batch.Ignore)
	nan := float32(math.NaN())
	tests := []struct {
		name    string
		example batch.Example
		want    string
	}{
		{"empty", batch.Example{}, "no tokens"},
		{"few labels", batch.Example{Tokens: tokens(3), Labels: []int32{off}}, "1 labels, want 3"},
		{"first token", batch.Example{Tokens: tokens(2), Labels: []int32{7, 7}}, "token 0: supervised"},
		{"other label", batch.Example{Tokens: tokens(2), Labels: []int32{off, 8}}, "token 1: label 8, want 7"},
		{"negative label", batch.Example{Tokens: tokens(2), Labels: []int32{off, -1}}, "token 1: label -1, want 7"},
		{"negative id", batch.Example{Tokens: []int32{1, 2, -3}}, "token 2: id -3 is negative"},
		{"negative weight", batch.Example{Tokens: tokens(1), Weight: -1}, "weight -1"},
		{"no weight", batch.Example{Tokens: tokens(1), Weight: nan}, "weight NaN"},
		{"few weights", batch.Example{Tokens: tokens(2), Weights: []float32{1}}, "1 weights, want 2, one for each token"},
		{"negative weight of a token", batch.Example{Tokens: tokens(2), Weights: []float32{1, -1}}, "token 1: weight -1, want a finite number"},
		{"no weight of a token", batch.Example{Tokens: tokens(2), Weights: []float32{1, nan}}, "token 1: weight NaN"},
		{"few parts", batch.Example{Tokens: tokens(2), Parts: []batch.Part{batch.CallArg}}, "1 parts, want 2, one for each token"},
		{"unknown part", batch.Example{Tokens: tokens(2), Parts: []batch.Part{0, 99}}, "token 1: part 99, want one below 6"},
		{"video", batch.Example{Tokens: []int32{1, video}}, "token 1: video placeholder 63"},
		{"no image", batch.Example{Tokens: tokens(2, -1)}, "token 2: placeholder of an image beyond the 0 given"},
		{"nil image", batch.Example{Tokens: tokens(-1), Images: []*vision.Patches{nil}}, "token 0: image 0 is nil"},
		{"left over", batch.Example{Tokens: tokens(-1, 1), Images: []*vision.Patches{still(2, 2), still(2, 2)}}, "token 2, the end: no placeholders for image 1 of 2"},
		{"short run", batch.Example{Tokens: tokens(1, -5, 1), Images: []*vision.Patches{still(4, 6)}}, "token 1: image 0: 5 placeholders, want 2×3"},
		{"cut off", batch.Example{Tokens: tokens(1, -5), Images: []*vision.Patches{still(4, 6)}}, "token 1: image 0: 5 placeholders, want 2×3"},
		{"long run", batch.Example{Tokens: tokens(1, -7), Images: []*vision.Patches{still(4, 6)}}, "token 7: placeholder of an image beyond the 1 given"},
		{"odd rows", batch.Example{Tokens: tokens(-1), Images: []*vision.Patches{still(3, 2)}}, "token 0: image 0: grid of 3 by 2 patches"},
		{"odd columns", batch.Example{Tokens: tokens(-1), Images: []*vision.Patches{still(2, 5)}}, "grid of 2 by 5 patches"},
		{"no rows", batch.Example{Tokens: tokens(-1), Images: []*vision.Patches{still(0, 2)}}, "grid of 0 by 2 patches"},
		{"huge", batch.Example{Tokens: tokens(-9), Images: []*vision.Patches{still(1<<62, 1<<62)}}, "9 placeholders, want"},
		{"frames", batch.Example{Tokens: tokens(-2), Images: []*vision.Patches{{Grid: vision.Grid{T: 2, H: 2, W: 2}}}}, "grid of 2 frames, want 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := batch.Pack(layout, []batch.Example{good, tt.example})
			checkErr(t, err, tt.want)
			checkErr(t, err, "example 1: ")
		})
	}
}

func TestPackLayoutErrors(t *testing.T) {
	_, err := batch.Pack(layout, nil)
	checkErr(t, err, "no examples")
	_, err = batch.Pack(batch.Layout{}, []batch.Example{{Tokens: tokens(1)}})
	checkErr(t, err, "merge size 0")
}

// checkErr fails the test unless err contains want.
func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
}

func TestTake(t *testing.T) {
	ex := []batch.Example{{Tokens: tokens(3)}, {Tokens: tokens(4)}, {Tokens: tokens(1)}}
	tests := []struct{ budget, want int }{{-1, 1}, {0, 1}, {3, 1}, {6, 1}, {7, 2}, {8, 3}, {99, 3}}
	for _, tt := range tests {
		if got := batch.Take(ex, tt.budget); got != tt.want {
			t.Errorf("budget %d: got %d, want %d", tt.budget, got, tt.want)
		}
	}
	if got := batch.Take(nil, 9); got != 0 {
		t.Errorf("no examples: got %d, want 0", got)
	}
}
