package qwen3vl

import (
	"fmt"
	"slices"
)

// Config is the shape of a network, from config.json (specification qwen3-vl,
// section 1). Counts are at least 1 unless said otherwise.
type Config struct {
	Text   TextConfig
	Vision VisionConfig

	ImageToken, VideoToken int32 // ids of the placeholders
	VisionStart, VisionEnd int32 // ids of the markers around an image
	Tied                   bool  // the output head is the embedding
}

// TextConfig is the shape of the decoder.
type TextConfig struct {
	Hidden       int // width of the residual stream, C
	Layers       int
	Heads        int // query heads, H
	KVHeads      int // key and value heads, K; divides Heads
	HeadDim      int // D, even; not Hidden/Heads
	Intermediate int // width of the MLP, F
	Vocab        int
	Eps          float32 // of RMSNorm
	Theta        float64 // base of the rotary frequencies
	Sections     [3]int  // rotary frequencies of the time, row and column axes
}

// VisionConfig is the shape of the vision tower.
type VisionConfig struct {
	Hidden       int
	Depth        int // blocks
	Heads        int // divides Hidden into heads of a multiple of 4
	Intermediate int
	Channels     int
	Patch        int // pixels on the side of a patch
	Temporal     int // frames of a patch
	Merge        int // patches on the side of a merged cell
	Side         int // rows and columns of the learned position table
	Theta        float64
	DeepStack    []int // blocks whose output feeds a decoder layer, increasing; may be empty
}

// HeadDim returns the width of a vision head.
func (v *VisionConfig) HeadDim() int { return v.Hidden / v.Heads }

// PatchWidth returns the samples of one patch.
func (v *VisionConfig) PatchWidth() int { return v.Channels * v.Temporal * v.Patch * v.Patch }

// MergedWidth returns the width of a merged cell before its projection.
func (v *VisionConfig) MergedWidth() int { return v.Hidden * v.Merge * v.Merge }

// ParseConfig reads config.json in the spelling of transformers 5 or of the
// published files (4.57). A missing field is an error, because the library's
// class defaults are not the released values; so is everything that this
// package does not compute: mixtures of experts, other families, quantised
// weights, other activations or rotary rules.
func ParseConfig(data []byte) (*Config, error) {
	top, err := parseFields("config.json", data)
	if err != nil {
		return nil, err
	}
	if err := checkFamily(top); err != nil {
		return nil, err
	}
	c := &Config{
		ImageToken:  int32(top.int("image_token_id", 0, maxCount)),
		VideoToken:  int32(top.int("video_token_id", 0, maxCount)),
		VisionStart: int32(top.int("vision_start_token_id", 0, maxCount)),
		VisionEnd:   int32(top.int("vision_end_token_id", 0, maxCount)),
		// The library reads the top level only; absent means false.
		Tied: top.has("tie_word_embeddings") && top.bool("tie_word_embeddings"),
	}
	c.Text = parseText(top.object("text_config"))
	c.Vision = parseVision(top.object("vision_config"), c.Text.Hidden)
	if err := top.err(); err != nil {
		return nil, err
	}
	return c, c.check()
}

// Limits of the counts of a configuration: far above the largest model, low
// enough that no product of them overflows.
const (
	maxCount = 1 << 24 // vocabulary, positions
	maxWidth = 1 << 17 // channels of any layer
	maxDepth = 1 << 12 // layers
)

// checkFamily refuses what is not a dense, unquantised Qwen3-VL.
func checkFamily(top *fields) error {
	family := top.string("model_type")
	if err := top.err(); err != nil {
		return err
	}
	switch {
	case family == "qwen3_vl_moe" || top.object("text_config").has("num_experts"):
		return fmt.Errorf("config.json: model_type %q is a mixture of experts; MOLE runs dense Qwen3-VL only", family)
	case family != "qwen3_vl":
		return fmt.Errorf("config.json: model_type %q, want \"qwen3_vl\"; MOLE runs dense Qwen3-VL only", family)
	case top.has("quantization_config") || top.object("text_config").has("quantization_config"):
		return fmt.Errorf("config.json: quantization_config: MOLE reads unquantised weights only (BF16, F16 or F32)")
	}
	return top.err()
}

func parseText(f *fields) TextConfig {
	f.oneOf("model_type", "qwen3_vl_text")
	f.oneOf("hidden_act", "silu")
	f.optionalFalse("attention_bias")
	t := TextConfig{
		Hidden:       f.int("hidden_size", 1, maxWidth),
		Layers:       f.int("num_hidden_layers", 1, maxDepth),
		Heads:        f.int("num_attention_heads", 1, maxWidth),
		KVHeads:      f.int("num_key_value_heads", 1, maxWidth),
		HeadDim:      f.int("head_dim", 2, maxWidth),
		Intermediate: f.int("intermediate_size", 1, maxWidth),
		Vocab:        f.int("vocab_size", 1, maxCount),
		Eps:          float32(f.float("rms_norm_eps")),
	}
	parseRope(f, &t)
	return t
}

// defaultSections are the rotary sections where config.json names none: those
// of every released size.
var defaultSections = []int{24, 20, 20}

// parseRope reads the rotary settings in either spelling: one object
// rope_parameters, or rope_theta beside rope_scaling.
func parseRope(f *fields, t *TextConfig) {
	rope := f
	if f.has("rope_parameters") {
		rope = f.object("rope_parameters")
		t.Theta = rope.float("rope_theta")
	} else {
		t.Theta = f.float("rope_theta")
		rope = f.object("rope_scaling")
	}
	key := "rope_type"
	if !rope.has(key) && rope.has("type") {
		key = "type"
	}
	rope.oneOf(key, "default")
	if rope.has("mrope_interleaved") && !rope.bool("mrope_interleaved") {
		rope.fail("mrope_interleaved", "false, want true")
	}
	sections := defaultSections
	if rope.has("mrope_section") {
		sections = rope.ints("mrope_section", 0, maxWidth)
	}
	if len(sections) != len(t.Sections) {
		rope.fail("mrope_section", fmt.Sprintf("%d sections, want 3", len(sections)))
		return
	}
	copy(t.Sections[:], sections)
}

// visionTheta is the base of the tower's rotary frequencies: fixed in code in
// transformers 4, written from 5 on.
const visionTheta = 10000

func parseVision(f *fields, out int) VisionConfig {
	f.oneOf("model_type", "qwen3_vl", "qwen3_vl_vision")
	f.oneOf("hidden_act", "gelu_pytorch_tanh")
	v := VisionConfig{
		Hidden:       f.int("hidden_size", 1, maxWidth),
		Depth:        f.int("depth", 1, maxDepth),
		Heads:        f.int("num_heads", 1, maxWidth),
		Intermediate: f.int("intermediate_size", 1, maxWidth),
		Channels:     f.int("in_channels", 1, 64),
		Patch:        f.int("patch_size", 1, 1024),
		Temporal:     f.int("temporal_patch_size", 1, 64),
		Merge:        f.int("spatial_merge_size", 1, 64),
		Side:         squareRoot(f, "num_position_embeddings"),
		Theta:        visionTheta,
		DeepStack:    f.ints("deepstack_visual_indexes", 0, maxDepth),
	}
	if got := f.int("out_hidden_size", 1, maxWidth); got != out && out > 0 {
		f.fail("out_hidden_size", fmt.Sprintf("%d, want text_config.hidden_size %d", got, out))
	}
	if f.has("rope_parameters") {
		rope := f.object("rope_parameters")
		rope.oneOf("rope_type", "axial")
		v.Theta = rope.float("rope_theta")
	}
	return v
}

// squareRoot returns the square root of the whole number at key.
func squareRoot(f *fields, key string) int {
	n := f.int(key, 1, maxCount)
	side := 1
	for side*side < n {
		side++
	}
	if side*side != n {
		f.fail(key, fmt.Sprintf("%d is not the number of cells of a square", n))
	}
	return side
}

// check refuses numbers that do not fit each other.
func (c *Config) check() error {
	t, v := &c.Text, &c.Vision
	rules := []struct {
		ok   bool
		text string
	}{
		{t.Heads%t.KVHeads == 0, fmt.Sprintf("text_config: num_attention_heads %d is no multiple of num_key_value_heads %d", t.Heads, t.KVHeads)},
		{t.HeadDim%2 == 0, fmt.Sprintf("text_config: head_dim %d is odd", t.HeadDim)},
		{t.Heads*t.HeadDim <= maxWidth, fmt.Sprintf("text_config: %d heads of %d are wider than %d", t.Heads, t.HeadDim, maxWidth)},
		{t.Eps > 0, fmt.Sprintf("text_config: rms_norm_eps %v is not positive", t.Eps)},
		{t.Theta > 0, fmt.Sprintf("text_config: rope_theta %v is not positive", t.Theta)},
		{v.Theta > 0, fmt.Sprintf("vision_config: rope_theta %v is not positive", v.Theta)},
		{v.Hidden%v.Heads == 0 && v.HeadDim()%4 == 0, fmt.Sprintf("vision_config: hidden_size %d is not num_heads %d times a multiple of 4", v.Hidden, v.Heads)},
		{v.PatchWidth() <= maxCount && v.MergedWidth() <= maxCount, "vision_config: patches or merged cells are too wide"},
		{increasing(v.DeepStack), fmt.Sprintf("vision_config: deepstack_visual_indexes %v do not increase", v.DeepStack)},
		{len(v.DeepStack) == 0 || v.DeepStack[len(v.DeepStack)-1] < v.Depth, fmt.Sprintf("vision_config: deepstack_visual_indexes %v reach beyond depth %d", v.DeepStack, v.Depth)},
	}
	for _, r := range rules {
		if !r.ok {
			return fmt.Errorf("config.json: %s", r.text)
		}
	}
	return c.checkTokens()
}

// checkTokens refuses special ids outside the vocabulary.
func (c *Config) checkTokens() error {
	for _, id := range []int32{c.ImageToken, c.VideoToken, c.VisionStart, c.VisionEnd} {
		if int(id) >= c.Text.Vocab {
			return fmt.Errorf("config.json: token id %d is outside the vocabulary of %d", id, c.Text.Vocab)
		}
	}
	return nil
}

func increasing(s []int) bool {
	return slices.IsSorted(s) && len(slices.Compact(slices.Clone(s))) == len(s)
}
