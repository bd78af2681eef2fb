package qwen3vl

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// size holds what differs among the released dense networks (specification
// qwen3-vl, 1.3 and 1.4).
type size struct {
	hidden, layers, heads, intermediate int
	tied                                bool
	vision, depth, visionIntermediate   int
	deepStack                           []int
}

var sizes = map[string]size{
	"2b":  {2048, 28, 16, 6144, true, 1024, 24, 4096, []int{5, 11, 17}},
	"4b":  {2560, 36, 32, 9728, true, 1024, 24, 4096, []int{5, 11, 17}},
	"8b":  {4096, 36, 32, 12288, false, 1152, 27, 4304, []int{8, 16, 24}},
	"32b": {5120, 64, 64, 25600, false, 1152, 27, 4304, []int{8, 16, 24}},
}

// Sizes returns the names of the released dense networks, for [Released],
// smallest first.
func Sizes() []string {
	byWidth := func(a, b string) int { return sizes[a].hidden - sizes[b].hidden }
	return slices.SortedFunc(maps.Keys(sizes), byWidth)
}

// Released returns the shape of a released dense network: 2b, 4b, 8b or 32b.
func Released(name string) (*Config, error) {
	s, ok := sizes[name]
	if !ok {
		return nil, fmt.Errorf("size %q: want one of %s", name, strings.Join(Sizes(), ", "))
	}
	return &Config{
		Text: TextConfig{
			Hidden: s.hidden, Layers: s.layers, Heads: s.heads, KVHeads: 8, HeadDim: 128, Intermediate: s.intermediate,
			Vocab: 151936, Eps: 1e-6, Theta: 5e6, Sections: [3]int(defaultSections),
		},
		Vision: VisionConfig{
			Hidden: s.vision, Depth: s.depth, Heads: 16, Intermediate: s.visionIntermediate,
			Channels: 3, Patch: 16, Temporal: 2, Merge: 2, Side: 48, Theta: visionTheta, DeepStack: slices.Clone(s.deepStack),
		},
		ImageToken: 151655, VideoToken: 151656, VisionStart: 151652, VisionEnd: 151653, Tied: s.tied,
	}, nil
}

// Cut gives the network fewer layers, for measurements and tests; 0 leaves a
// number as it is. A vision tower that loses blocks that feed the decoder feeds
// it from its first ones.
func (c *Config) Cut(layers, visionLayers int) error {
	t, v := &c.Text, &c.Vision
	if layers < 0 || layers > t.Layers || visionLayers < 0 || visionLayers > v.Depth {
		return fmt.Errorf("%d and %d layers, want at most %d and %d", layers, visionLayers, t.Layers, v.Depth)
	}
	if layers > 0 {
		t.Layers = layers
	}
	if visionLayers == 0 {
		return nil
	}
	v.Depth = visionLayers
	if n := len(v.DeepStack); n > 0 && v.DeepStack[n-1] >= v.Depth {
		v.DeepStack = nil
		for i := range min(n, v.Depth) {
			v.DeepStack = append(v.DeepStack, i)
		}
	}
	return nil
}

// Parameters returns the number of elements of all tensors.
func (c *Config) Parameters() int64 {
	var n int64
	for _, t := range c.Tensors() {
		n += int64(product(t.Shape))
	}
	return n
}

// JSON returns the text of config.json, in the spelling of the released files,
// for which [ParseConfig] returns c. It is for checkpoints with weights in
// bfloat16.
func (c *Config) JSON() ([]byte, error) {
	t, v := &c.Text, &c.Vision
	const bf16 = "bfloat16"
	type object map[string]any
	vision := object{
		"model_type": "qwen3_vl", "hidden_act": "gelu_pytorch_tanh", "hidden_size": v.Hidden, "depth": v.Depth, "num_heads": v.Heads,
		"intermediate_size": v.Intermediate, "in_channels": v.Channels, "patch_size": v.Patch, "temporal_patch_size": v.Temporal,
		"spatial_merge_size": v.Merge, "num_position_embeddings": v.Side * v.Side, "out_hidden_size": t.Hidden,
		"deepstack_visual_indexes": append([]int{}, v.DeepStack...), "initializer_range": 0.02,
	}
	if v.Theta != visionTheta {
		vision["rope_parameters"] = object{"rope_type": "axial", "rope_theta": v.Theta}
	}
	text, err := json.MarshalIndent(object{
		"architectures": []string{"Qwen3VLForConditionalGeneration"}, "model_type": "qwen3_vl", "dtype": bf16, "tie_word_embeddings": c.Tied,
		"image_token_id": c.ImageToken, "video_token_id": c.VideoToken, "vision_start_token_id": c.VisionStart, "vision_end_token_id": c.VisionEnd,
		"text_config": object{
			"model_type": "qwen3_vl_text", "dtype": bf16, "tie_word_embeddings": c.Tied, "hidden_act": "silu", "attention_bias": false, "attention_dropout": 0.0,
			"hidden_size": t.Hidden, "num_hidden_layers": t.Layers, "num_attention_heads": t.Heads, "num_key_value_heads": t.KVHeads, "head_dim": t.HeadDim,
			"intermediate_size": t.Intermediate, "vocab_size": t.Vocab, "rms_norm_eps": t.Eps, "rope_theta": t.Theta,
			"rope_scaling":            object{"rope_type": "default", "mrope_interleaved": true, "mrope_section": t.Sections},
			"max_position_embeddings": 262144, "initializer_range": 0.02, "use_cache": true,
		},
		"vision_config": vision,
	}, "", "  ")
	return append(text, '\n'), err
}
