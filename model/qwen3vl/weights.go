package qwen3vl

import (
	"fmt"
	"slices"
	"strings"

	"mole/device"
	"mole/lora"
	"mole/safetensors"
	"mole/tensor"
)

// Source is where the weights of a network come from: a checkpoint, usually.
type Source interface {
	// Names returns the names of all tensors.
	Names() []string
	// Tensor returns one of them. Its data may alias the file's memory.
	Tensor(name string) (safetensors.Tensor, error)
}

// linear is a frozen linear layer y = x·Wᵀ + b.
type linear struct {
	id      int           // index among all linear layers of the network
	w, bias tensor.Tensor // [out, in] F32 or BF16, [out] F32; bias may be none
}

// norm is a frozen normalisation; bias is none for RMSNorm.
type norm struct{ w, bias tensor.Tensor }

// textLayer is one layer of the decoder.
type textLayer struct {
	inputNorm, postNorm, qNorm, kNorm norm
	q, k, v, o, gate, up, down        *linear
}

// block is one block of the vision tower. qkv holds three layers under one
// another.
type block struct {
	norm1, norm2        norm
	qkv, proj, fc1, fc2 *linear
}

// merger joins patches to tokens. after is the block whose output it reads.
// shuffled says that its norm runs over the joined patches.
type merger struct {
	norm     norm
	fc1, fc2 *linear
	after    int
	shuffled bool
}

// loader binds the tensors of a source to layers.
type loader struct {
	dev    device.Device
	src    Source
	names  map[string]string // canonical name to name in the source
	shapes map[string][]int  // canonical name to wanted shape
	sites  []lora.Site
	owned  []tensor.Tensor
	err    error
}

// newLoader checks that src holds the tensors of c, all of them and no other.
func newLoader(dev device.Device, c *Config, src Source) (*loader, error) {
	l := &loader{dev: dev, src: src, names: map[string]string{}, shapes: map[string][]int{}}
	for _, s := range c.Tensors() {
		l.shapes[s.Name] = s.Shape
	}
	var unexpected, missing []string
	for _, name := range src.Names() {
		key := canonical(name)
		switch {
		case l.names[key] != "":
			return nil, fmt.Errorf("tensors %q and %q are the same weight", l.names[key], name)
		case l.shapes[key] != nil:
			l.names[key] = name
		case key != "lm_head.weight": // stored by some tied checkpoints, and then not used
			unexpected = append(unexpected, name)
		}
	}
	for name := range l.shapes {
		if l.names[name] == "" {
			missing = append(missing, name)
		}
	}
	return l, mismatch(missing, unexpected)
}

// mismatch names some of the tensors that are missing or unexpected.
func mismatch(missing, unexpected []string) error {
	describe := func(names []string) string {
		const shown = 5
		slices.Sort(names)
		if len(names) > shown {
			return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
		}
		return strings.Join(names, ", ")
	}
	switch {
	case len(missing) > 0 && len(unexpected) > 0:
		return fmt.Errorf("checkpoint lacks %s; it has, unexpectedly, %s", describe(missing), describe(unexpected))
	case len(missing) > 0:
		return fmt.Errorf("checkpoint lacks %s", describe(missing))
	case len(unexpected) > 0:
		return fmt.Errorf("checkpoint has tensors that this network does not: %s", describe(unexpected))
	}
	return nil
}

// fetch returns the tensor of that canonical name, checked. After the first
// problem, which l.err keeps, it returns nothing.
func (l *loader) fetch(name string) (safetensors.Tensor, bool) {
	if l.err != nil {
		return safetensors.Tensor{}, false
	}
	t, err := l.src.Tensor(l.names[name])
	if err != nil {
		l.err = err
		return t, false
	}
	if want := l.shapes[name]; !slices.Equal(t.Shape, want) {
		l.err = fmt.Errorf("tensor %q: shape %v, want %v", l.names[name], t.Shape, want)
	}
	return t, l.err == nil
}

// matrix loads a weight as [first extent, product of the rest]. F32 and BF16
// stay where they are; other types are widened.
func (l *loader) matrix(name string) tensor.Tensor {
	t, ok := l.fetch(name)
	if !ok {
		return tensor.Tensor{}
	}
	shape := tensor.Shape{t.Shape[0], product(t.Shape[1:])}
	switch t.DType {
	case "F32":
		return l.own(l.dev.Import(tensor.F32, shape, t.Data))
	case "BF16":
		return l.own(l.dev.Import(tensor.BF16, shape, t.Data))
	}
	return l.widen(name, t, shape)
}

// vector loads a bias or the weight of a norm as F32.
func (l *loader) vector(name string) tensor.Tensor {
	t, ok := l.fetch(name)
	if !ok {
		return tensor.Tensor{}
	}
	return l.widen(name, t, tensor.Shape{t.Shape[0]})
}

// widen copies t to the device as F32.
func (l *loader) widen(name string, t safetensors.Tensor, shape tensor.Shape) tensor.Tensor {
	if t.DType != "F16" && t.DType != "BF16" && t.DType != "F32" {
		l.err = fmt.Errorf("tensor %q: type %s, want BF16, F16 or F32", l.names[name], t.DType)
		return tensor.Tensor{}
	}
	values, err := t.Float32s()
	if err != nil {
		l.err = fmt.Errorf("tensor %q: %w", l.names[name], err)
		return tensor.Tensor{}
	}
	out := l.own(l.dev.Alloc(tensor.F32, shape))
	l.dev.Write(out, elementBytes(values))
	return out
}

func (l *loader) own(t tensor.Tensor) tensor.Tensor {
	l.owned = append(l.owned, t)
	return t
}

// linear loads the layer at path and gives it a site.
func (l *loader) linear(path string, bias bool) *linear {
	n := linear{w: l.matrix(path + ".weight")}
	if bias {
		n.bias = l.vector(path + ".bias")
	}
	return l.site(path, n, l.shapes[path+".weight"])
}

// site numbers n and makes a site of it.
func (l *loader) site(path string, n linear, shape []int) *linear {
	n.id = len(l.sites)
	site := lora.Site{Name: path, In: product(shape[1:]), Out: shape[0]}
	if len(shape) > 2 {
		site.Kernel = shape[1:]
	}
	l.sites = append(l.sites, site)
	return &n
}

func (l *loader) norm(path string, bias bool) norm {
	n := norm{w: l.vector(path + ".weight")}
	if bias {
		n.bias = l.vector(path + ".bias")
	}
	return n
}

func (l *loader) textLayer(i int) textLayer {
	p := fmt.Sprintf("model.language_model.layers.%d.", i)
	return textLayer{
		inputNorm: l.norm(p+"input_layernorm", false),
		q:         l.linear(p+"self_attn.q_proj", false),
		k:         l.linear(p+"self_attn.k_proj", false),
		v:         l.linear(p+"self_attn.v_proj", false),
		o:         l.linear(p+"self_attn.o_proj", false),
		qNorm:     l.norm(p+"self_attn.q_norm", false),
		kNorm:     l.norm(p+"self_attn.k_norm", false),
		postNorm:  l.norm(p+"post_attention_layernorm", false),
		gate:      l.linear(p+"mlp.gate_proj", false),
		up:        l.linear(p+"mlp.up_proj", false),
		down:      l.linear(p+"mlp.down_proj", false),
	}
}

func (l *loader) block(i int) block {
	p := fmt.Sprintf("model.visual.blocks.%d.", i)
	return block{
		norm1: l.norm(p+"norm1", true),
		norm2: l.norm(p+"norm2", true),
		qkv:   l.linear(p+"attn.qkv", true),
		proj:  l.linear(p+"attn.proj", true),
		fc1:   l.linear(p+"mlp.linear_fc1", true),
		fc2:   l.linear(p+"mlp.linear_fc2", true),
	}
}

func (l *loader) merger(path string, after int, shuffled bool) merger {
	return merger{
		norm:     l.norm(path+".norm", true),
		fc1:      l.linear(path+".linear_fc1", true),
		fc2:      l.linear(path+".linear_fc2", true),
		after:    after,
		shuffled: shuffled,
	}
}

func product(s []int) int {
	n := 1
	for _, e := range s {
		n *= e
	}
	return n
}
