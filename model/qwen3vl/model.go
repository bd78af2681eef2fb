package qwen3vl

import (
	"fmt"

	"mole/batch"
	"mole/device"
	"mole/lora"
	"mole/tensor"
)

// Model is a base network in the memory of one device. Its weights never
// change, so several Nets may share it.
type Model struct {
	config *Config
	dev    device.Accelerator
	sites  []lora.Site
	owned  []tensor.Tensor

	embed  tensor.Tensor // [V, C]
	layers []textLayer
	norm   norm
	head   *linear // [V, C], embed if tied

	patch  *linear
	table  tensor.Tensor // [side·side, vision width], learned positions
	blocks []block
	merger merger
	deep   []merger
}

// New binds the weights of src to a network of shape c. Every tensor must be
// there, of the right shape, and no other. F32 and BF16 matrices are used
// where src holds them, so src must outlive the Model.
func New(dev device.Accelerator, c *Config, src Source) (*Model, error) {
	l, err := newLoader(dev, c, src)
	if err != nil {
		return nil, err
	}
	m := &Model{config: c, dev: dev}
	m.load(l)
	m.sites, m.owned = l.sites, l.owned
	if l.err == nil {
		l.err = dev.Sync()
	}
	if l.err != nil {
		m.Close()
		return nil, l.err
	}
	return m, nil
}

func (m *Model) load(l *loader) {
	c := m.config
	m.embed = l.matrix("model.language_model.embed_tokens.weight")
	for i := range c.Text.Layers {
		m.layers = append(m.layers, l.textLayer(i))
	}
	m.norm = l.norm("model.language_model.norm", false)
	m.patch = l.linear("model.visual.patch_embed.proj", true)
	m.table = l.matrix("model.visual.pos_embed.weight")
	for i := range c.Vision.Depth {
		m.blocks = append(m.blocks, l.block(i))
	}
	m.merger = l.merger("model.visual.merger", c.Vision.Depth-1, false)
	for k, after := range c.Vision.DeepStack {
		m.deep = append(m.deep, l.merger(fmt.Sprintf("model.visual.deepstack_merger_list.%d", k), after, true))
	}
	head := m.embed
	if !c.Tied {
		head = l.matrix("lm_head.weight")
	}
	m.head = l.site("lm_head", linear{w: head}, []int{c.Text.Vocab, c.Text.Hidden})
}

// Close frees the weights. Nets of a closed Model must not be used.
func (m *Model) Close() {
	for _, t := range m.owned {
		m.dev.Free(t)
	}
	m.owned = nil
}

// Config returns the shape of the network.
func (m *Model) Config() *Config { return m.config }

// Sites returns the linear layers that an adapter may change, in the order of
// the network: text layers, patch convolution, blocks, mergers, output head.
func (m *Model) Sites() []lora.Site { return m.sites }

// Layout returns what package batch must know to lay out examples for m.
func (m *Model) Layout() batch.Layout {
	return batch.Layout{ImageToken: m.config.ImageToken, VideoToken: m.config.VideoToken, Merge: m.config.Vision.Merge}
}
