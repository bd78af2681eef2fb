package qwen3vl

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mole/batch"
	"mole/device"
	"mole/device/cpu"
	"mole/lora"
	"mole/safetensors"
	"mole/tensor"
	"mole/vision"
)

// tinyConfig is the network of specification qwen3-vl, 13.1.
const tinyConfig = `{"model_type": "qwen3_vl", "tie_word_embeddings": true,
 "image_token_id": 61, "video_token_id": 63, "vision_start_token_id": 60, "vision_end_token_id": 62,
 "text_config": {"model_type": "qwen3_vl_text", "hidden_act": "silu", "rms_norm_eps": 1e-6, "attention_bias": false,
  "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
  "intermediate_size": 48, "vocab_size": 64,
  "rope_parameters": {"rope_type": "default", "rope_theta": 5000000.0, "mrope_interleaved": true, "mrope_section": [4, 2, 2]}},
 "vision_config": {"model_type": "qwen3_vl_vision", "hidden_act": "gelu_pytorch_tanh", "in_channels": 3,
  "temporal_patch_size": 2, "spatial_merge_size": 2, "out_hidden_size": 32, "hidden_size": 24, "num_heads": 2,
  "intermediate_size": 40, "depth": 4, "deepstack_visual_indexes": [0, 1, 2], "patch_size": 4, "num_position_embeddings": 36}}`

// memory is a Source that holds its tensors.
type memory map[string]safetensors.Tensor

func (m memory) Names() []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (m memory) Tensor(name string) (safetensors.Tensor, error) {
	t, ok := m[name]
	if !ok {
		return t, fmt.Errorf("no tensor %q", name)
	}
	return t, nil
}

// fill makes a tensor of every spec; value gives element i of tensor k.
func fill(specs []TensorSpec, value func(k, i int, s TensorSpec) float64) memory {
	m := memory{}
	for k, s := range specs {
		data := make([]byte, 4*product(s.Shape))
		for i := range product(s.Shape) {
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(float32(value(k, i, s))))
		}
		m[s.Name] = safetensors.Tensor{DType: "F32", Shape: s.Shape, Data: data}
	}
	return m
}

// noise draws weights of a sensible size.
func noise(seed uint64) func(k, i int, s TensorSpec) float64 {
	r := rand.New(rand.NewPCG(seed, 0))
	return func(_, _ int, s TensorSpec) float64 {
		u := 2*r.Float64() - 1
		switch {
		case strings.HasSuffix(s.Name, ".bias"):
			return 0.1 * u
		case len(s.Shape) == 1:
			return 1 + 0.2*u
		}
		return u * math.Sqrt(3/float64(product(s.Shape[1:])))
	}
}

// sine is the fill of specification qwen3-vl, 13.1.
func sine(k, i int, s TensorSpec) float64 {
	v := math.Sin(1 + 0.7*float64(k) + 0.9*float64(i) + 0.0005*float64(i)*float64(k%7))
	switch {
	case strings.HasSuffix(s.Name, ".bias"):
		return 0.05 * v
	case strings.Contains(s.Name, "norm"):
		return 1 + 0.1*v
	}
	return 1.2 * v / math.Sqrt(float64(product(s.Shape[1:])))
}

func mustConfig(t *testing.T, text string) *Config {
	t.Helper()
	c, err := ParseConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openDevice(t *testing.T, o cpu.Options) device.Accelerator {
	t.Helper()
	d, err := cpu.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// newModel returns a tiny network on a device of its own.
func newModel(t *testing.T, o cpu.Options, value func(k, i int, s TensorSpec) float64) *Model {
	t.Helper()
	c := mustConfig(t, tinyConfig)
	m, err := New(openDevice(t, o), c, fill(c.Tensors(), value))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// newNet returns m with an adapter of the preset in which both matrices are
// random, or none if preset is empty.
func newNet(t *testing.T, m *Model, preset string) *Net {
	t.Helper()
	var a *lora.Adapter
	if preset != "" {
		a = noisyAdapter(t, m, preset)
	}
	n, err := m.With(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

func noisyAdapter(t *testing.T, m *Model, preset string) *lora.Adapter {
	t.Helper()
	targets, err := lora.Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	return noisyPairs(t, m, targets)
}

func noisyPairs(t *testing.T, m *Model, targets lora.Targets) *lora.Adapter {
	t.Helper()
	a, err := lora.New(lora.Config{Rank: 3, Alpha: 6, Targets: targets, InitWeights: true}, m.Sites(), 1)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 0))
	for _, p := range a.Pairs {
		for i := range p.B {
			p.B[i] = 0.3 * (2*r.Float32() - 1)
		}
	}
	return a
}

// picture returns random pixels of a grid.
func picture(c *Config, h, w int, seed uint64) *vision.Patches {
	p := &vision.Patches{Grid: vision.Grid{T: 1, H: h, W: w}}
	r := rand.New(rand.NewPCG(seed, 7))
	for range p.Grid.Patches() * c.Vision.PatchWidth() {
		p.Pixels = append(p.Pixels, 2*r.Float32()-1)
	}
	return p
}

// example joins pieces: a number is a prompt token, a slice a supervised
// span, a picture its placeholders between markers.
func example(c *Config, pieces ...any) batch.Example {
	var e batch.Example
	add := func(label bool, ids ...int32) {
		for _, id := range ids {
			e.Tokens = append(e.Tokens, id)
			if !label {
				id = batch.Ignore
			}
			e.Labels = append(e.Labels, id)
		}
	}
	for _, p := range pieces {
		switch p := p.(type) {
		case int:
			add(false, int32(p))
		case []int32:
			add(true, p...)
		case *vision.Patches:
			add(false, c.VisionStart)
			add(false, slices.Repeat([]int32{c.ImageToken}, p.Grid.Tokens(c.Vision.Merge))...)
			add(false, c.VisionEnd)
			e.Images = append(e.Images, p)
		}
	}
	return e
}

func pack(t *testing.T, m *Model, ex ...batch.Example) *batch.Batch {
	t.Helper()
	b, err := batch.Pack(m.Layout(), ex)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// gradients runs b forward and backward and returns losses and gradients.
func gradients(t *testing.T, n *Net, b *batch.Batch) (losses []float32, grads map[string][]float32) {
	t.Helper()
	for _, p := range n.Params() {
		n.dev.Fill(p.Grad, 0)
	}
	losses, err := n.Forward(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Backward(); err != nil {
		t.Fatal(err)
	}
	grads = map[string][]float32{}
	for _, p := range n.Params() {
		grads[p.Name] = values(t, n, p.Grad)
	}
	return losses, grads
}

func values(t *testing.T, n *Net, x tensor.Tensor) []float32 {
	t.Helper()
	v, err := n.readFloats(x)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func logits(t *testing.T, n *Net, b *batch.Batch, rows ...int32) []float32 {
	t.Helper()
	v, err := n.Logits(b, rows)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// relative returns |got − want| / |want|, or a huge number if they cannot be
// compared.
func relative(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var off, size float64
	for i := range want {
		off += math.Pow(float64(got[i])-float64(want[i]), 2)
		size += math.Pow(float64(want[i]), 2)
	}
	switch {
	case off == 0:
		return 0
	case size == 0 || math.IsNaN(off):
		return math.Inf(1)
	}
	return math.Sqrt(off / size)
}

// near fails the test if got is off want by more than the rounding of a few
// hundred float32 operations.
func near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	const tolerance = 5e-6
	if e := relative(got, want); e > tolerance {
		t.Errorf("%s: relative error %.2g, want at most %.0g", what, e, tolerance)
	}
}

func nearAll(t *testing.T, got, want map[string][]float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %d gradients, want %d", len(got), len(want))
	}
	for k := range want {
		near(t, k, got[k], want[k])
	}
}
