package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"mole/base"
	"mole/model/qwen3vl"
)

// Ids of the tokens that mean something to the networks made here.
const (
	visionStart = 3
	visionEnd   = 4
	imageToken  = 5
	videoToken  = 6
)

// tinyWidths is the name of a shape that is none of the released ones: that of
// the small network which bench/compare.sh compares at.
const tinyWidths = "tiny"

// shape returns the network of those widths.
func shape(name string) (*qwen3vl.Config, error) {
	if name != tinyWidths {
		if sizes := qwen3vl.Sizes(); !slices.Contains(sizes, name) {
			return nil, fmt.Errorf("widths %q: want one of %s, %s", name, strings.Join(sizes, ", "), tinyWidths)
		}
		return qwen3vl.Released(name)
	}
	c, err := qwen3vl.Released("2b")
	if err != nil {
		return nil, err
	}
	t, v := &c.Text, &c.Vision
	t.Hidden, t.Heads, t.KVHeads, t.HeadDim, t.Intermediate = 256, 4, 2, 64, 768
	t.Sections = [3]int{12, 10, 10} // as the released ones, for half as many frequencies
	v.Hidden, v.Heads, v.Intermediate = 192, 4, 768
	return c, nil
}

// config returns a network of those widths.
func config(name string, layers, visionLayers, vocab int) (*qwen3vl.Config, error) {
	c, err := shape(name)
	if err != nil {
		return nil, err
	}
	if layers < 1 || visionLayers < 1 || vocab < tokenEnd {
		return nil, fmt.Errorf("%d and %d layers, %d words: want at least 1, 1 and %d", layers, visionLayers, vocab, tokenEnd)
	}
	c.Text.Vocab, c.Tied = vocab, true
	c.ImageToken, c.VideoToken, c.VisionStart, c.VisionEnd = imageToken, videoToken, visionStart, visionEnd
	// More layers than the released network has are fine here, and the features
	// of the first blocks feed the decoder, as in what these runs are compared with.
	c.Text.Layers, c.Vision.Depth, c.Vision.DeepStack = layers, visionLayers, nil
	for i := range min(3, visionLayers) {
		c.Vision.DeepStack = append(c.Vision.DeepStack, i)
	}
	return c, nil
}

// newNoise returns random weights for c.
func newNoise(c *qwen3vl.Config) *base.Random { return base.NewRandom(c, 420) }

// weightBytes returns the bytes of the weights that a decoded token reads:
// those of the decoder, and the head, which is the embedding.
func weightBytes(c *qwen3vl.Config) float64 {
	n := 0
	for _, t := range c.Tensors() {
		if len(t.Shape) == 1 || strings.HasPrefix(t.Name, "model.visual.") {
			continue
		}
		size := 2
		for _, extent := range t.Shape {
			size *= extent
		}
		n += size
	}
	return float64(n)
}

// adapterBytes returns the bytes of an adapter of the text model.
func adapterBytes(c *qwen3vl.Config, rank int) float64 {
	n := 0
	for _, t := range c.Tensors() {
		if len(t.Shape) == 2 && strings.Contains(t.Name, "_proj.") && !strings.HasPrefix(t.Name, "model.visual.") {
			n += 4 * rank * (t.Shape[0] + t.Shape[1])
		}
	}
	return float64(n)
}

// uniform returns n numbers of variance 1.
func uniform(n int, seed uint64) []float32 {
	source := rand.NewPCG(seed, 2)
	out := make([]float32, n)
	for i := range out {
		out[i] = float32((float64(source.Uint64()>>40)*0x1p-23 - 1) * math.Sqrt(3))
	}
	return out
}
