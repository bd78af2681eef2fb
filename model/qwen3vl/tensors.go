package qwen3vl

import (
	"fmt"
	"strings"
)

// TensorSpec is the name and shape of one tensor of a checkpoint.
type TensorSpec struct {
	Name  string
	Shape []int
}

// Tensors lists the tensors of a checkpoint of this shape, with the names of
// the published files (specification qwen3-vl, section 2): text model, vision
// tower, mergers, and the head if it is not tied.
func (c *Config) Tensors() []TensorSpec {
	l := &specs{}
	t := &c.Text
	l.add("model.language_model.embed_tokens.weight", t.Vocab, t.Hidden)
	for i := range t.Layers {
		l.textLayer(fmt.Sprintf("model.language_model.layers.%d.", i), t)
	}
	l.add("model.language_model.norm.weight", t.Hidden)
	c.visionTensors(l)
	if !c.Tied {
		l.add("lm_head.weight", t.Vocab, t.Hidden)
	}
	return l.list
}

// specs collects tensors.
type specs struct{ list []TensorSpec }

func (l *specs) add(name string, shape ...int) {
	l.list = append(l.list, TensorSpec{name, shape})
}

// pair adds a weight and its bias, which has the weight's first extent.
func (l *specs) pair(name string, shape ...int) {
	l.add(name+".weight", shape...)
	l.add(name+".bias", shape[0])
}

func (l *specs) textLayer(prefix string, t *TextConfig) {
	q, kv := t.Heads*t.HeadDim, t.KVHeads*t.HeadDim
	l.add(prefix+"input_layernorm.weight", t.Hidden)
	l.add(prefix+"self_attn.q_proj.weight", q, t.Hidden)
	l.add(prefix+"self_attn.k_proj.weight", kv, t.Hidden)
	l.add(prefix+"self_attn.v_proj.weight", kv, t.Hidden)
	l.add(prefix+"self_attn.o_proj.weight", t.Hidden, q)
	l.add(prefix+"self_attn.q_norm.weight", t.HeadDim)
	l.add(prefix+"self_attn.k_norm.weight", t.HeadDim)
	l.add(prefix+"post_attention_layernorm.weight", t.Hidden)
	l.add(prefix+"mlp.gate_proj.weight", t.Intermediate, t.Hidden)
	l.add(prefix+"mlp.up_proj.weight", t.Intermediate, t.Hidden)
	l.add(prefix+"mlp.down_proj.weight", t.Hidden, t.Intermediate)
}

func (c *Config) visionTensors(l *specs) {
	v := &c.Vision
	l.pair("model.visual.patch_embed.proj", v.Hidden, v.Channels, v.Temporal, v.Patch, v.Patch)
	l.add("model.visual.pos_embed.weight", v.Side*v.Side, v.Hidden)
	for i := range v.Depth {
		p := fmt.Sprintf("model.visual.blocks.%d.", i)
		l.pair(p+"norm1", v.Hidden)
		l.pair(p+"norm2", v.Hidden)
		l.pair(p+"attn.qkv", 3*v.Hidden, v.Hidden)
		l.pair(p+"attn.proj", v.Hidden, v.Hidden)
		l.pair(p+"mlp.linear_fc1", v.Intermediate, v.Hidden)
		l.pair(p+"mlp.linear_fc2", v.Hidden, v.Intermediate)
	}
	c.mergerTensors(l, "model.visual.merger.", v.Hidden)
	for k := range v.DeepStack {
		c.mergerTensors(l, fmt.Sprintf("model.visual.deepstack_merger_list.%d.", k), v.MergedWidth())
	}
}

// mergerTensors adds a merger; norm is the width that its norm runs over.
func (c *Config) mergerTensors(l *specs, prefix string, norm int) {
	w := c.Vision.MergedWidth()
	l.pair(prefix+"norm", norm)
	l.pair(prefix+"linear_fc1", w, w)
	l.pair(prefix+"linear_fc2", c.Text.Hidden, w)
}

// prefixes maps the spellings of tensor names that other tools write to those
// of the published files (specification qwen3-vl, 2.3); the first match counts.
var prefixes = []struct{ from, to string }{
	{"model.language_model.", "model.language_model."},
	{"model.visual.", "model.visual."},
	{"language_model.model.", "model.language_model."},
	{"language_model.lm_head.", "lm_head."},
	{"vision_tower.", "model.visual."},
	{"visual.", "model.visual."},
	{"model.", "model.language_model."},
}

// CanonicalName returns the published spelling of a tensor's name.
func CanonicalName(name string) string { return canonical(name) }

// canonical is CanonicalName.
func canonical(name string) string {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(name, p.from); ok {
			return p.to + rest
		}
	}
	return name
}
