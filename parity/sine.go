package parity

import (
	"fmt"
	"math"
	"strings"

	"mole/lora"
	"mole/model/qwen3vl"
)

// sineFill makes every tensor of a sine of the index, its phase given by the
// tensor's number in a fixed order (specification qwen3-vl, 13.1).
type sineFill struct {
	weights  map[string]int // name in the checkpoint to number
	adapters map[string]int // key of lora_A or lora_B to number of the module
}

// sineRank is the rank of the adapter of that rule.
const sineRank = 2

// newSineFill numbers the tensors of a network of shape c.
func newSineFill(c *qwen3vl.Config) sineFill {
	f := sineFill{weights: map[string]int{}, adapters: map[string]int{}}
	add := func(prefix string, names ...string) {
		for _, n := range names {
			f.weights[prefix+n] = len(f.weights)
		}
	}
	pairs := func(prefix string, names ...string) {
		for _, n := range names {
			add(prefix+n, ".weight", ".bias")
		}
	}
	const text, visual = "model.language_model.", "model.visual."
	add(text, "embed_tokens.weight")
	for i := range c.Text.Layers {
		layer := fmt.Sprintf("%slayers.%d.", text, i)
		add(layer, "input_layernorm.weight", "self_attn.q_proj.weight", "self_attn.k_proj.weight",
			"self_attn.v_proj.weight", "self_attn.o_proj.weight", "self_attn.q_norm.weight", "self_attn.k_norm.weight",
			"post_attention_layernorm.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight")
		f.numberAdapters(layer)
	}
	add(text, "norm.weight")
	pairs(visual, "patch_embed.proj")
	add(visual, "pos_embed.weight")
	for i := range c.Vision.Depth {
		pairs(fmt.Sprintf("%sblocks.%d.", visual, i),
			"norm1", "norm2", "attn.qkv", "attn.proj", "mlp.linear_fc1", "mlp.linear_fc2")
	}
	pairs(visual+"merger.", "norm", "linear_fc1", "linear_fc2")
	for k := range c.Vision.DeepStack {
		pairs(fmt.Sprintf("%sdeepstack_merger_list.%d.", visual, k), "norm", "linear_fc1", "linear_fc2")
	}
	return f
}

// numberAdapters gives the seven modules of a text layer their numbers.
func (f sineFill) numberAdapters(layer string) {
	for _, n := range []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
		"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"} {
		j := len(f.adapters) / 2
		f.adapters[lora.KeyA(layer+n)] = j
		f.adapters[lora.KeyB(layer+n)] = j
	}
}

func (f sineFill) weight(name string, shape []int) formula {
	k, ok := f.weights[name]
	if !ok {
		return nil
	}
	s := func(i int) float64 {
		x := float64(i)
		// The conversions keep the compiler from fusing products and sums, so
		// that every processor computes the same phase.
		return math.Sin(float64(float64(1+float64(0.7*float64(k)))+float64(0.9*x)) + float64(float64(0.0005*x)*float64(k%7)))
	}
	switch kindOf(name) {
	case norm:
		return func(i int) float64 { return 1 + float64(0.1*s(i)) }
	case bias:
		return func(i int) float64 { return 0.05 * s(i) }
	}
	fan := math.Sqrt(fanIn(shape))
	return func(i int) float64 { return 1.2 * s(i) / fan }
}

func (f sineFill) adapter(key string, shape []int) formula {
	number, ok := f.adapters[key]
	if !ok {
		return nil
	}
	j, fan := float64(number), math.Sqrt(fanIn(shape)) // of lora_B, the rank
	if strings.Contains(key, ".lora_A.") {
		return func(i int) float64 { return math.Sin(0.3+float64(0.5*j)+float64(0.8*float64(i))) / fan }
	}
	return func(i int) float64 { return 0.3 * math.Cos(0.2+float64(0.4*j)+float64(1.1*float64(i))) / fan }
}

// sinePixel is element i of the pixel matrix of that rule, [24, 96].
func sinePixel(i int) float64 { return math.Sin(0.05 * float64(i)) }

// The extents of that matrix.
const (
	sinePatches    = 24
	sinePatchWidth = 96
)
