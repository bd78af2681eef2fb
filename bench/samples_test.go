package bench

import (
	"slices"
	"testing"

	"mole/batch"
	"mole/device"
	"mole/tensor"
)

// TestShapes checks numbers of tokens against those that the reference's script
// prints for the same flags: tokens and image_tokens.
func TestShapes(t *testing.T) {
	tests := []struct {
		step          Step
		tokens, image int
	}{
		{Step{Batch: 1}, 996, 972},
		{Step{Image: "512x384"}, 216, 192},
		{Step{Image: "288x224", Text: 40}, 103, 63},
		{Step{Image: "80x48", Text: 8}, 12, 4}, // halves are rounded to even
		{Step{Image: "736x512", Text: 632, SharedPrompt: 600}, 1000, 368},
	}
	for _, tt := range tests {
		s := tt.step.defaults()
		c, err := config("tiny", 1, 1, tokenEnd)
		if err != nil {
			t.Fatal(err)
		}
		examples, err := s.samples(c)
		if err != nil {
			t.Errorf("%v: %v", s, err)
			continue
		}
		if len(examples) != s.Batch {
			t.Errorf("%v: %d samples", s, len(examples))
		}
		for _, e := range examples {
			image := imageTokens(e)
			if len(e.Tokens) != tt.tokens || image != tt.image {
				t.Errorf("%v: got %d tokens, %d of the image, want %d and %d", s, len(e.Tokens), image, tt.tokens, tt.image)
			}
		}
	}
}

// imageTokens returns the number of placeholders.
func imageTokens(e batch.Example) int {
	n := 0
	for _, id := range e.Tokens {
		if id == imageToken {
			n++
		}
	}
	return n
}

// TestLabels checks that the last tokens are the labels.
func TestLabels(t *testing.T) {
	s := Step{Image: "64x64", Labels: 3}.defaults()
	c, err := config("tiny", 1, 1, tokenEnd)
	if err != nil {
		t.Fatal(err)
	}
	examples, err := s.samples(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range examples {
		for i, label := range e.Labels {
			want := int32(batch.Ignore)
			if i >= len(e.Tokens)-3 {
				want = e.Tokens[i]
			}
			if label != want {
				t.Errorf("label %d: got %d, want %d", i, label, want)
			}
		}
	}
}

// TestSharing checks how many tokens a network computes, and how many images,
// for each way of sharing.
func TestSharing(t *testing.T) {
	const image, text, lead = 4, 24, 4
	tests := []struct {
		name           string
		step           Step
		images, tokens int
	}{
		{"none", Step{}, 3, 3 * (image + text)},
		{"image", Step{SharedImage: true}, 1, image + lead + 2 + 3*(text-lead-2)},
		{"prompt", Step{SharedPrompt: 10}, 3, 10 + 1 + 3*(image+text-11)},
		{"both", Step{SharedPrompt: 10, SharedImage: true}, 1, image + 12 + 3*(text-12)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.step.Image, tt.step.Batch = "64x64", 3
			c, err := config("tiny", 1, 1, tokenEnd)
			if err != nil {
				t.Fatal(err)
			}
			examples, err := tt.step.defaults().samples(c)
			if err != nil {
				t.Fatal(err)
			}
			b, err := batch.Share(batch.Layout{ImageToken: imageToken, VideoToken: videoToken, Merge: 2}, examples)
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Images) != tt.images || len(b.Tokens) != tt.tokens {
				t.Errorf("got %d images and %d tokens, want %d and %d", len(b.Images), len(b.Tokens), tt.images, tt.tokens)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	c, err := config("2b", 4, 4, 151936)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Text.Sections, [3]int{24, 20, 20}; got != want {
		t.Errorf("got sections %v, want those of the released network, %v", got, want)
	}
	if want := []int{0, 1, 2}; !slices.Equal(c.Vision.DeepStack, want) {
		t.Errorf("got deep stack %v, want %v", c.Vision.DeepStack, want)
	}
	// Four layers of q, k, v, o, gate, up and down, and the head.
	layer := 2*2048*2048 + 2*2048*1024 + 3*2048*6144
	if got, want := weightBytes(c), float64(2*(4*layer+2048*151936)); got != want {
		t.Errorf("got %v bytes for a token, want %v", got, want)
	}
}

// TestPairFlops counts pairs in a tree of two branches.
func TestPairFlops(t *testing.T) {
	q := tensor.Tensor{Shape: tensor.Shape{9, 2, 8}}
	o := device.Attention{Segments: []device.Segment{
		{Start: 0, End: 4, Causal: true},
		{Start: 4, End: 6, Key: 4, Causal: true, Past: []device.Span{{Start: 0, End: 4}}},
		{Start: 6, End: 9, Key: 6},
	}}
	const pairs = 10 + (3 + 2*4) + 9
	if got, want := pairFlops(q, o), 2.0*pairs*2*8; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
