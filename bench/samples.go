package bench

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"mole/batch"
	"mole/model/qwen3vl"
	"mole/vision"
)

// Step says which step of training is measured. The settings are those of the
// reference's script, with the same names and defaults, and three ways of
// sharing that the reference does not have. A number that is 0 means the
// default in its comment.
type Step struct {
	Layers, VisionLayers int    // 4, 4
	Vocab                int    // 151936
	Image                string // width and height in pixels, "1155x853"
	Text                 int    // text tokens of a sample, its labels included; 24
	Labels               int    // 2
	Batch                int    // samples; 4
	Steps                int    // of which the first does not count; 4
	Preset               string // where the adapter goes, "text"
	PassTokens           int    // tokens that the network takes at once; 4096

	Cached       bool // the images have been seen: their features are stored
	SharedImage  bool // all samples show the same image
	SharedPrompt int  // text tokens before the image that are the same in all samples
}

// defaults returns s with defaults filled in.
func (s Step) defaults() Step {
	setDefault(&s.Layers, 4)
	setDefault(&s.VisionLayers, 4)
	setDefault(&s.Vocab, 151936)
	setDefault(&s.Image, "1155x853")
	setDefault(&s.Text, 24)
	setDefault(&s.Labels, 2)
	setDefault(&s.Batch, 4)
	setDefault(&s.Steps, 4)
	setDefault(&s.Preset, "text")
	setDefault(&s.PassTokens, 4096)
	return s
}

// String names the step as figures are named.
func (s Step) String() string {
	text := fmt.Sprintf("%d+%d layers, %s+%d, batch %d", s.Layers, s.VisionLayers, s.Image, s.Text, s.Batch)
	if s.Cached {
		text += ", cached"
	}
	if s.SharedImage {
		text += ", shared image"
	}
	if s.SharedPrompt > 0 {
		text += fmt.Sprintf(", shared prompt %d", s.SharedPrompt)
	}
	return text
}

// grid returns the patches of the image: sides are rounded to whole cells, a
// half to the even one.
func (s Step) grid() (vision.Grid, error) {
	var w, h int
	if n, err := fmt.Sscanf(s.Image, "%dx%d", &w, &h); n != 2 || err != nil || w < 32 || h < 32 || w > 1<<14 || h > 1<<14 {
		return vision.Grid{}, fmt.Errorf("image %q: want WIDTHxHEIGHT, each 32 to %d", s.Image, 1<<14)
	}
	const cell = 32 // pixels on the side of a cell of two by two patches
	side := func(pixels int) int { return 2 * int(math.RoundToEven(float64(pixels)/cell)) }
	return vision.Grid{T: 1, H: side(h), W: side(w)}, nil
}

// Range of the ids of text, end excluded.
const (
	tokenStart = 10
	tokenEnd   = 500
)

// leadTokens is how many tokens stand before an image where none are shared.
const leadTokens = 4

// check returns an error if there are no such samples.
func (s Step) check() error {
	lead := max(s.SharedPrompt, leadTokens)
	switch {
	case s.Batch < 1 || s.Steps < 1 || s.Labels < 1 || s.PassTokens < 1 || s.SharedPrompt < 0:
		return errors.New("batch, steps, labels, pass tokens, shared prompt: want positive numbers")
	case s.Text < lead+2+s.Labels:
		return fmt.Errorf("%d text tokens, want at least %d: %d before the image, 2 around it, %d labels", s.Text, lead+2+s.Labels, lead, s.Labels)
	}
	return nil
}

// samples are the examples of a step: train.Examples.
type samples []batch.Example

// Len implements train.Examples.
func (s samples) Len() int { return len(s) }

// Example implements train.Examples.
func (s samples) Example(i int) (batch.Example, error) { return s[i], nil }

// samples draws the samples of s.
func (s Step) samples(c *qwen3vl.Config) (samples, error) {
	g, err := s.grid()
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(420, 3))
	var out samples
	var lead []int32
	var image *vision.Patches
	for i := range s.Batch {
		if i == 0 || s.SharedPrompt == 0 && !s.SharedImage {
			lead = words(random, max(s.SharedPrompt, leadTokens))
		}
		if i == 0 || !s.SharedImage {
			image = &vision.Patches{Grid: g, Pixels: uniform(g.Patches()*c.Vision.PatchWidth(), uint64(i))}
		}
		out = append(out, s.sample(random, lead, image, c.Vision.Merge))
	}
	return out, nil
}

// sample returns one sample: text, image, text, of which the last tokens are
// the labels.
func (s Step) sample(random *rand.Rand, lead []int32, image *vision.Patches, merge int) batch.Example {
	tokens := append([]int32(nil), lead...)
	tokens = append(tokens, visionStart)
	for range image.Grid.Tokens(merge) {
		tokens = append(tokens, imageToken)
	}
	tokens = append(tokens, visionEnd)
	tokens = append(tokens, words(random, s.Text-len(lead)-2)...)
	labels := make([]int32, len(tokens))
	first := len(tokens) - s.Labels
	for i := range labels {
		labels[i] = batch.Ignore
		if i >= first {
			labels[i] = tokens[i]
		}
	}
	return batch.Example{Tokens: tokens, Labels: labels, Images: []*vision.Patches{image}}
}

// words returns n tokens of text.
func words(random *rand.Rand, n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = tokenStart + random.Int32N(tokenEnd-tokenStart)
	}
	return out
}
