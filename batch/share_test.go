package batch_test

import (
	"fmt"
	"slices"
	"testing"

	"mole/batch"
	"mole/vision"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// share shares examples that must fit.
func share(t *testing.T, ex ...batch.Example) *batch.Batch {
	t.Helper()
	b, err := batch.Share(layout, ex)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Validate(); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestShare(t *testing.T) {
	screen := still(2, 4)
	off := int32(batch.Ignore)
	got := share(t,
		batch.Example{
			Tokens: []int32{1, 2, pad, pad, 3, 5}, Labels: []int32{off, off, off, off, off, 5}, Images: []*vision.Patches{screen},
		},
		batch.Example{Tokens: []int32{9, 1}, Labels: []int32{off, 1}},
		batch.Example{
			Tokens: []int32{1, 2, pad, pad, 4}, Labels: []int32{off, off, off, off, 4}, Images: []*vision.Patches{screen}, Weight: 0.5,
		},
		batch.Example{
			Tokens: []int32{1, 2, pad, pad, 3, 6, 7}, Labels: []int32{off, off, off, off, off, 6, 7}, Images: []*vision.Patches{screen},
		},
	)
	want := &batch.Batch{
		Tokens: []int32{1, 2, pad, pad, 3, 5, 6, 7, 4, 9, 1},
		Pos: [][3]int32{
			{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {2, 2, 3},
			{4, 4, 4}, {5, 5, 5}, {5, 5, 5}, {6, 6, 6}, {4, 4, 4},
			{0, 0, 0}, {1, 1, 1},
		},
		Segments: []batch.Segment{{0, -1}, {2, 0}, {4, 1}, {5, 2}, {6, 2}, {8, 1}, {9, -1}},
		Labels:   []batch.Label{{4, 5, 1}, {9, 1, 1}, {3, 4, 0.5}, {4, 6, 1}, {6, 7, 1}},
		Ends:     []int32{5, 10, 8, 7},
		Images:   []*vision.Patches{screen},
		Merge:    2,
		Visual:   []batch.Visual{{2, 0}, {3, 1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
}

func TestShareSegments(t *testing.T) {
	x, y, wide := still(2, 4), still(2, 4), still(2, 6)
	images := func(list ...*vision.Patches) []*vision.Patches { return list }
	text := func(ids ...int32) batch.Example { return batch.Example{Tokens: ids} }
	look := func(im *vision.Patches, ids ...int32) batch.Example {
		return batch.Example{Tokens: append(tokens(1, -im.Grid.Tokens(2)), ids...), Images: images(im)}
	}
	tests := []struct {
		name   string
		ex     []batch.Example
		want   []batch.Segment
		tokens int
	}{
		{"one", []batch.Example{text(1, 2)}, []batch.Segment{{0, -1}}, 2},
		{"equal", []batch.Example{text(1, 2), text(1, 2)}, []batch.Segment{{0, -1}}, 2},
		{"longer", []batch.Example{text(1, 2), text(1, 2, 3)}, []batch.Segment{{0, -1}}, 3},
		{"shorter", []batch.Example{text(1, 2, 3), text(1)}, []batch.Segment{{0, -1}}, 3},
		{"nothing", []batch.Example{text(1, 2), text(2, 2)}, []batch.Segment{{0, -1}, {2, -1}}, 4},
		{"only the end", []batch.Example{text(1, 2, 2), text(3, 2, 2)}, []batch.Segment{{0, -1}, {3, -1}}, 6},
		{"back to the root", []batch.Example{text(1, 2), text(3), text(1, 4)}, []batch.Segment{{0, -1}, {1, 0}, {2, 0}, {3, -1}}, 4},
		{"image", []batch.Example{look(x, 3), look(x, 4)}, []batch.Segment{{0, -1}, {1, 0}, {3, 1}, {4, 1}}, 5},
		{"image at the end", []batch.Example{look(x), look(x)}, []batch.Segment{{0, -1}, {1, 0}}, 3},
		{"equal images", []batch.Example{look(x, 3), look(y, 3)}, []batch.Segment{{0, -1}, {1, 0}, {4, 0}}, 7},
		{"longer image", []batch.Example{look(x, 3), look(wide, 3)}, []batch.Segment{{0, -1}, {1, 0}, {4, 0}}, 8},
		{"image or text", []batch.Example{look(x), text(7, 7)}, []batch.Segment{{0, -1}, {1, 0}, {3, 0}}, 4},
		{
			"adjacent images",
			[]batch.Example{{Tokens: tokens(-4), Images: images(x, x)}, {Tokens: tokens(-4), Images: images(x, y)}},
			[]batch.Segment{{0, -1}, {2, 0}, {4, 0}}, 6,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := share(t, tt.ex...)
			if !slices.Equal(b.Segments, tt.want) || len(b.Tokens) != tt.tokens {
				t.Errorf("got %v of %d tokens, want %v of %d", b.Segments, len(b.Tokens), tt.want, tt.tokens)
			}
		})
	}
}

func TestShareErrors(t *testing.T) {
	_, err := batch.Share(layout, nil)
	checkErr(t, err, "no examples")
	_, err = batch.Share(batch.Layout{}, []batch.Example{{Tokens: tokens(1)}})
	checkErr(t, err, "merge size 0")
	for _, bad := range []batch.Example{
		{}, {Tokens: []int32{1, 2, -3}}, {Tokens: []int32{1, video}}, {Tokens: tokens(1, -1)},
		{Tokens: tokens(1, -1), Images: []*vision.Patches{nil}},
		{Tokens: tokens(1, -5), Images: []*vision.Patches{still(4, 6)}},
		{Tokens: tokens(2), Images: []*vision.Patches{still(2, 2)}},
	} {
		ex := []batch.Example{{Tokens: []int32{1, 2}}, bad}
		_, want := batch.Pack(layout, ex)
		if _, got := batch.Share(layout, ex); fmt.Sprint(got) != fmt.Sprint(want) || want == nil {
			t.Errorf("got error %v, want %v", got, want)
		}
		if got := batch.TakeShared(layout, ex, 100); got != 2 {
			t.Errorf("took %d examples, want 2, the refused one included", got)
		}
	}
}

func TestTakeShared(t *testing.T) {
	ex := []batch.Example{{Tokens: []int32{1, 2, 3}}, {Tokens: []int32{1, 2, 4}}, {Tokens: []int32{1, 2, 4}}, {Tokens: []int32{5}}}
	tests := []struct{ budget, want int }{{-1, 1}, {0, 1}, {3, 1}, {4, 3}, {5, 4}, {99, 4}}
	for _, tt := range tests {
		if got := batch.TakeShared(layout, ex, tt.budget); got != tt.want {
			t.Errorf("budget %d: got %d, want %d", tt.budget, got, tt.want)
		}
	}
	if got := batch.TakeShared(layout, nil, 9); got != 0 {
		t.Errorf("no examples: got %d, want 0", got)
	}
	if got := batch.TakeShared(batch.Layout{}, ex, 1); got != 4 {
		t.Errorf("no layout: got %d, want 4", got)
	}
}

// drawFamily draws examples of so few different parts that many begin alike.
func drawFamily(t *rapid.T) []batch.Example {
	pool := []*vision.Patches{still(2, 2), still(2, 4), still(2, 4)}
	var ex []batch.Example
	for range rapid.IntRange(1, 8).Draw(t, "examples") {
		var e batch.Example
		for range rapid.IntRange(1, 6).Draw(t, "parts") {
			part := rapid.IntRange(0, 2+len(pool)).Draw(t, "part")
			if part <= 2 {
				e.Tokens = append(e.Tokens, int32(part))
				continue
			}
			im := pool[part-3]
			e.Images, e.Tokens = append(e.Images, im), append(e.Tokens, tokens(-im.Grid.Tokens(2))...)
		}
		for i, id := range e.Tokens {
			if i == 0 || rapid.Bool().Draw(t, "ignored") {
				id = batch.Ignore
			}
			e.Labels = append(e.Labels, id)
		}
		e.Weight = rapid.SampledFrom([]float32{0, 1, 0.25}).Draw(t, "weight")
		if rapid.Bool().Draw(t, "token weights") {
			for range e.Tokens {
				e.Weights = append(e.Weights, rapid.SampledFrom([]float32{0, 1, 2.5}).Draw(t, "weight of a token"))
			}
		}
		ex = append(ex, e)
	}
	return ex
}

// seen returns, for row r of b, everything that the token at it depends on:
// each token that it attends to, with its position and what it shows.
func seen(b *batch.Batch, r int32) []string {
	s := len(b.Segments) - 1
	for b.Segments[s].Start > r {
		s--
	}
	var rows []int32
	for _, up := range b.Ancestors(s) {
		for i := b.Segments[up].Start; i < b.End(int(up)); i++ {
			rows = append(rows, i)
		}
	}
	for i := b.Segments[s].Start; i <= r; i++ {
		rows = append(rows, i)
	}
	var out []string
	for _, i := range rows {
		out = append(out, fmt.Sprint(b.Tokens[i], b.Pos[i], shown(b, i)))
	}
	return out
}

// shown returns the image and its cell at a row, or "".
func shown(b *batch.Batch, row int32) string {
	at := slices.IndexFunc(b.Visual, func(v batch.Visual) bool { return v.Row == row })
	if at < 0 {
		return ""
	}
	cell := int(b.Visual[at].Feature)
	for _, im := range b.Images {
		if n := im.Grid.Tokens(b.Merge); cell >= n {
			cell -= n
			continue
		}
		return fmt.Sprintf("%p %d", im, cell)
	}
	return "nothing"
}

// TestSharedIsPacked compares trees of random examples with the same examples
// packed: each label must depend on the same, and nothing may be laid twice.
func TestSharedIsPacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ex := drawFamily(t)
		packed, err := batch.Pack(layout, ex)
		if err != nil {
			t.Fatal(err)
		}
		b, err := batch.Share(layout, ex)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Validate(); err != nil {
			t.Fatal(err)
		}
		if len(b.Labels) != len(packed.Labels) {
			t.Fatalf("got %d labels, want %d", len(b.Labels), len(packed.Labels))
		}
		for i, want := range packed.Labels {
			got := b.Labels[i]
			if got.Target != want.Target || got.Weight != want.Weight || !slices.Equal(seen(b, got.Row), seen(packed, want.Row)) {
				t.Errorf("label %d: got %+v after %v, want %+v after %v", i, got, seen(b, got.Row), want, seen(packed, want.Row))
			}
		}
		checkTree(t, b, packed)
	})
}

// checkTree checks that the rows of b are those of packed, each different one
// once, that segments follow one another down each branch, and that none begins
// inside an image.
func checkTree(t *rapid.T, b, packed *batch.Batch) {
	want, got := map[string]bool{}, map[string]bool{}
	for r := range packed.Tokens {
		want[fmt.Sprint(seen(packed, int32(r)))] = true
	}
	for r := range b.Tokens {
		got[fmt.Sprint(seen(b, int32(r)))] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || len(b.Tokens) != len(want) {
		t.Errorf("%d rows, want %d different ones (-want +got):\n%s", len(b.Tokens), len(want), diff)
	}
	for i, s := range b.Segments {
		if line := append(b.Ancestors(max(i-1, 0)), int32(i-1)); s.Parent != batch.NoParent && !slices.Contains(line, s.Parent) {
			t.Errorf("segment %d continues %d, want one of %v", i, s.Parent, line)
		}
		// Only the first cell of an image has one position on all axes.
		if p := b.Pos[s.Start]; p[0] != p[1] || p[0] != p[2] {
			t.Errorf("segment %d begins at position %v, inside an image", i, p)
		}
	}
}

// TestTakeSharedFits checks that a pass is as long as its budget allows.
func TestTakeSharedFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ex := drawFamily(t)
		budget := rapid.IntRange(0, 20).Draw(t, "budget")
		n := batch.TakeShared(layout, ex, budget)
		for count := 2; count <= len(ex); count++ {
			b, err := batch.Share(layout, ex[:count])
			if err != nil {
				t.Fatal(err)
			}
			if fits := len(b.Tokens) <= budget; fits != (count <= n) {
				t.Errorf("took %d under %d tokens, but %d have %d", n, budget, count, len(b.Tokens))
			}
		}
	})
}
