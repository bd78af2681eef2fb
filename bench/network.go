package bench

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"mole/internal/kernel"
	"mole/model/qwen3vl"
	"mole/safetensors"
)

// width holds the widths of a released network, text first.
type width struct{ hidden, heads, kvHeads, headDim, intermediate, vision, visionHeads, visionIntermediate int }

// widths are those that bench/compare.sh compares at, by the names that the
// reference's script has for them.
var widths = map[string]width{
	"tiny": {256, 4, 2, 64, 768, 192, 4, 768},
	"2b":   {2048, 16, 8, 128, 6144, 1024, 16, 4096},
	"4b":   {2560, 32, 8, 128, 9728, 1024, 16, 4096},
	"8b":   {4096, 32, 8, 128, 12288, 1152, 16, 4304},
}

// Ids of the tokens that mean something to the networks made here.
const (
	visionStart = 3
	visionEnd   = 4
	imageToken  = 5
	videoToken  = 6
)

// config returns a network of those widths.
func config(name string, layers, visionLayers, vocab int) (*qwen3vl.Config, error) {
	w, ok := widths[name]
	if !ok {
		return nil, fmt.Errorf("widths %q: want one of %s", name, strings.Join(slices.Sorted(maps.Keys(widths)), ", "))
	}
	if layers < 1 || visionLayers < 1 || vocab < tokenEnd {
		return nil, fmt.Errorf("%d and %d layers, %d words: want at least 1, 1 and %d", layers, visionLayers, vocab, tokenEnd)
	}
	half := w.headDim / 2
	side := half * 5 / 16
	c := &qwen3vl.Config{
		Text: qwen3vl.TextConfig{
			Hidden: w.hidden, Layers: layers, Heads: w.heads, KVHeads: w.kvHeads, HeadDim: w.headDim, Intermediate: w.intermediate,
			Vocab: vocab, Eps: 1e-6, Theta: 5e6, Sections: [3]int{half - 2*side, side, side},
		},
		Vision: qwen3vl.VisionConfig{
			Hidden: w.vision, Depth: visionLayers, Heads: w.visionHeads, Intermediate: w.visionIntermediate,
			Channels: 3, Patch: 16, Temporal: 2, Merge: 2, Side: 48, Theta: 10000,
		},
		ImageToken: imageToken, VideoToken: videoToken, VisionStart: visionStart, VisionEnd: visionEnd, Tied: true,
	}
	for i := range min(3, visionLayers) {
		c.Vision.DeepStack = append(c.Vision.DeepStack, i)
	}
	return c, nil
}

// noise is a checkpoint of random weights in bfloat16, as a mapped file would
// hold them. Each tensor is made when it is asked for.
type noise struct {
	shapes map[string][]int
	table  [1 << noiseBits]uint16 // of normal numbers
}

// noiseBits is how many random bits choose a weight.
const noiseBits = 12

// newNoise returns random weights for c.
func newNoise(c *qwen3vl.Config) *noise {
	const deviation = 0.02
	n := &noise{shapes: map[string][]int{}}
	r := rand.New(rand.NewPCG(420, 1))
	for i := range n.table {
		n.table[i] = kernel.BF16FromF32(float32(r.NormFloat64() * deviation))
	}
	for _, t := range c.Tensors() {
		n.shapes[t.Name] = t.Shape
	}
	return n
}

// Names implements [qwen3vl.Source].
func (n *noise) Names() []string { return slices.Collect(maps.Keys(n.shapes)) }

// Tensor implements [qwen3vl.Source]. Norms do nothing at first, as in a
// network that has not been trained; matrices are random.
func (n *noise) Tensor(name string) (safetensors.Tensor, error) {
	shape := n.shapes[name]
	t := safetensors.Tensor{DType: safetensors.BF16, Shape: shape}
	t.Data = make([]byte, 2*t.Len())
	switch {
	case len(shape) > 1:
		n.fill(name, t.Data)
	case strings.HasSuffix(name, ".weight"):
		one := kernel.BF16FromF32(1)
		for i := range t.Len() {
			binary.LittleEndian.PutUint16(t.Data[2*i:], one)
		}
	}
	return t, nil
}

// fill sets data to random numbers, five for each turn of the generator: there
// are hundreds of millions to make.
func (n *noise) fill(name string, data []byte) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	source := rand.NewPCG(420, h.Sum64())
	for len(data) > 0 {
		bits := source.Uint64()
		for range min(64/noiseBits, len(data)/2) {
			binary.LittleEndian.PutUint16(data, n.table[bits%(1<<noiseBits)])
			bits >>= noiseBits
			data = data[2:]
		}
	}
}

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

// uniform returns n numbers of variance 1.
func uniform(n int, seed uint64) []float32 {
	source := rand.NewPCG(seed, 2)
	out := make([]float32, n)
	for i := range out {
		out[i] = float32((float64(source.Uint64()>>40)*0x1p-23 - 1) * math.Sqrt(3))
	}
	return out
}
