package parity

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"reflect"
	"slices"

	"mole/batch"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/tensor"
)

// network is what the cases with a network have in common.
type network struct {
	config  *qwen3vl.Config
	fill    filling
	gallery *gallery
	source  *source
	model   *qwen3vl.Model
}

// openNetwork reads both configurations and the rule of the weights. The
// model is not built yet.
func (r *run) openNetwork() *network {
	n := &network{config: r.config(configFile)}
	if old := r.config(oldFile); !r.failed() {
		r.exact("config", oldFile, unequal(true, reflect.DeepEqual(n.config, old)))
	}
	seed, gain := r.meta.seed("seed"), r.meta.number("gain")
	rule, bf16 := r.meta.text("fill"), r.meta.flag("weights_bf16")
	if r.failed() {
		return n
	}
	switch rule {
	case "hash":
		n.fill = hashFill{seed: seed, gain: gain}
	case "sine":
		n.fill = newSineFill(n.config)
	default:
		r.fail(fmt.Errorf("%s: fill %q, want hash or sine", metaFile, rule))
		return n
	}
	n.gallery = newGallery(seed, n.config)
	var err error
	n.source, err = newSource(r.ctx, n.config, n.fill, bf16)
	r.fail(err)
	return n
}

// config reads one spelling of the configuration.
func (r *run) config(file string) *qwen3vl.Config {
	data, err := fs.ReadFile(r.files, file)
	if err != nil {
		r.fail(err)
		return nil
	}
	c, err := qwen3vl.ParseConfig(data)
	if err != nil && file != configFile { // which the message names already
		err = fmt.Errorf("%s: %w", file, err)
	}
	r.fail(err)
	return c
}

// build fills the weights. The caller closes n.
func (r *run) build(n *network) {
	if r.failed() {
		return
	}
	var err error
	n.model, err = qwen3vl.New(r.dev, n.config, n.source)
	r.fail(err)
}

// close frees the weights.
func (n *network) close() {
	if n.model != nil {
		n.model.Close()
	}
}

// sample reads a sample and draws its images.
func (r *run) sample(n *network, m *record) *sample {
	if r.failed() {
		return &sample{}
	}
	s := r.readSample(m, n.config)
	if r.failed() {
		return s
	}
	var err error
	if _, sine := n.fill.(sineFill); sine {
		err = sineImages(s, n.config)
	} else {
		err = n.gallery.hang(s)
	}
	if err != nil {
		r.fail(m.errorf("%w", err))
	}
	return s
}

// pack lays samples out for the network. weights holds what the loss of each
// label of a sample counts in the sum whose gradient is taken.
func (r *run) pack(n *network, samples []*sample, weights []float64) *batch.Batch {
	if r.failed() {
		return nil
	}
	var examples []batch.Example
	for _, s := range samples {
		examples = append(examples, s.example())
	}
	b, err := batch.Pack(n.model.Layout(), examples)
	if err != nil {
		r.fail(fmt.Errorf("%s: %w", metaFile, err))
		return nil
	}
	for i, s := range samples {
		rows, targets := s.rows()
		for k, row := range rows {
			b.Labels = append(b.Labels, batch.Label{
				Row: b.Segments[i].Start + row, Target: targets[k], Weight: float32(weights[i]),
			})
		}
	}
	return b
}

// share is pack with what samples have in common laid out once.
func (r *run) share(n *network, samples []*sample, weights []float64) *batch.Batch {
	if r.failed() {
		return nil
	}
	var examples []batch.Example
	for i, s := range samples {
		e := s.example()
		e.Labels, e.Weight = slices.Clone(s.labels), float32(weights[i])
		e.Labels[0] = batch.Ignore // see rows
		examples = append(examples, e)
	}
	b, err := batch.Share(n.model.Layout(), examples)
	if err != nil {
		r.fail(fmt.Errorf("%s: %w", metaFile, err))
	}
	return b
}

// alone is pack for one sample.
func (r *run) alone(n *network, s *sample, weight float64) *batch.Batch {
	return r.pack(n, []*sample{s}, []float64{weight})
}

// adapterSettings are those of the adapters that a case makes by formula.
type adapterSettings struct {
	rank  int
	alpha float64
}

// maxRank is the largest rank of an adapter that a case may ask for.
const maxRank = 1 << 12

func readAdapter(m *record) adapterSettings {
	return adapterSettings{rank: m.integer("r", 1, maxRank), alpha: m.number("alpha")}
}

// with returns the network with the adapter of a preset, filled by the rule
// of the case; an empty preset stands for none. The caller closes the Net.
func (r *run) with(n *network, preset string, s adapterSettings) *qwen3vl.Net {
	if r.failed() {
		return nil
	}
	var adapter *lora.Adapter
	var err error
	if preset != "" {
		if adapter, err = n.adapter(preset, s); err != nil {
			r.fail(fmt.Errorf("%s: adapter: %w", metaFile, err))
			return nil
		}
	}
	net, err := n.model.With(adapter)
	r.fail(err)
	return net
}

// adapter makes the adapter of a preset.
func (n *network) adapter(preset string, s adapterSettings) (*lora.Adapter, error) {
	if preset != "text" && preset != "full" {
		return nil, fmt.Errorf("preset %q, want text or full", preset)
	}
	if _, sine := n.fill.(sineFill); sine && s.rank != sineRank {
		return nil, fmt.Errorf("r %d, want %d with fill sine", s.rank, sineRank)
	}
	targets, err := lora.Preset(preset)
	if err != nil {
		return nil, err
	}
	config := lora.Config{Rank: s.rank, Alpha: s.alpha, Targets: targets, InitWeights: true}
	a, err := lora.New(config, n.model.Sites(), 0)
	if err != nil {
		return nil, err
	}
	for _, p := range a.Pairs {
		err = errors.Join(
			fillMatrix(n.fill, lora.KeyA(p.Site.Name), []int{p.Rank, p.Site.In}, p.A),
			fillMatrix(n.fill, lora.KeyB(p.Site.Name), []int{p.Site.Out, p.Rank}, p.B))
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

// fillMatrix sets dst, a matrix of an adapter, by the rule.
func fillMatrix(f filling, key string, shape []int, dst []float32) error {
	value := f.adapter(key, shape)
	if value == nil {
		return fmt.Errorf("the rule that fills this case has no values for %q", key)
	}
	for i := range dst {
		dst[i] = float32(value(i))
	}
	return nil
}

// extents returns a shape as a list.
func extents(s tensor.Shape) []int { return slices.Clone(s[:s.Rank()]) }

// read copies a tensor from the device.
func (r *run) read(t tensor.Tensor) []float32 {
	raw := make([]byte, t.Len()*tensor.F32.Size())
	r.dev.Read(raw, t)
	out := make([]float32, t.Len())
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}
