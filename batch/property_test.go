package batch_test

import (
	"testing"

	"mole/batch"
	"mole/vision"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// drawExample draws an example of text and images from the pool, whose images
// are therefore shared by several examples.
func drawExample(t *rapid.T, pool []*vision.Patches) batch.Example {
	var e batch.Example
	for range rapid.IntRange(1, 4).Draw(t, "parts") {
		if rapid.Bool().Draw(t, "image") {
			image := rapid.SampledFrom(pool).Draw(t, "which")
			e.Images = append(e.Images, image)
			e.Tokens = append(e.Tokens, tokens(-image.Grid.Tokens(layout.Merge))...)
			continue
		}
		e.Tokens = append(e.Tokens, rapid.SliceOfN(rapid.Int32Range(0, pad-1), 1, 6).Draw(t, "text")...)
	}
	for i, id := range e.Tokens {
		label := int32(batch.Ignore)
		if i > 0 && rapid.Bool().Draw(t, "supervised") {
			label = id
		}
		e.Labels = append(e.Labels, label)
	}
	e.Weight = rapid.SampledFrom([]float32{0, 1, 0.25}).Draw(t, "weight")
	return e
}

// join appends next to b as a packed batch should hold it: every row moved up,
// and features found by the image that they belong to.
func join(b, next *batch.Batch) *batch.Batch {
	rows := int32(len(b.Tokens))
	b.Tokens = append(b.Tokens, next.Tokens...)
	b.Pos = append(b.Pos, next.Pos...)
	for _, s := range next.Segments {
		b.Segments = append(b.Segments, batch.Segment{Start: s.Start + rows, Parent: s.Parent})
	}
	for _, l := range next.Labels {
		b.Labels = append(b.Labels, batch.Label{Row: l.Row + rows, Target: l.Target, Weight: l.Weight})
	}
	for _, end := range next.Ends {
		b.Ends = append(b.Ends, end+rows)
	}
	moved := map[int32]int32{}
	feature := int32(0)
	for _, image := range next.Images {
		first := firstFeature(b, image)
		for k := range int32(image.Grid.Tokens(layout.Merge)) {
			moved[feature+k] = first + k
		}
		feature += int32(image.Grid.Tokens(layout.Merge))
	}
	for _, v := range next.Visual {
		b.Visual = append(b.Visual, batch.Visual{Row: v.Row + rows, Feature: moved[v.Feature]})
	}
	b.Merge = max(b.Merge, next.Merge)
	return b
}

// firstFeature returns the number of the first feature of image in b, where it
// enters the image if it is new.
func firstFeature(b *batch.Batch, image *vision.Patches) int32 {
	first := 0
	for _, known := range b.Images {
		if known == image {
			return int32(first)
		}
		first += known.Grid.Tokens(layout.Merge)
	}
	b.Images = append(b.Images, image)
	return int32(first)
}

// TestPackedIsConcatenation checks that a packed batch holds exactly what its
// examples give when each is packed alone.
func TestPackedIsConcatenation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool := []*vision.Patches{still(2, 2), still(2, 2), still(4, 6), still(8, 2), still(2, 6)}
		var examples []batch.Example
		want := &batch.Batch{}
		for range rapid.IntRange(1, 5).Draw(t, "examples") {
			e := drawExample(t, pool)
			alone, err := batch.Pack(layout, []batch.Example{e})
			if err != nil {
				t.Fatal(err)
			}
			examples = append(examples, e)
			want = join(want, alone)
		}
		got, err := batch.Pack(layout, examples)
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Validate(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("batch (-want +got):\n%s", diff)
		}
	})
}
