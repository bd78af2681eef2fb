package qwen3vl

import (
	"fmt"
	"slices"

	"mole/batch"
	"mole/device"
	"mole/lora"
	"mole/tensor"
)

// Net is a network with one adapter, or none. It runs one pass at a time and
// is not safe for concurrent use; its Model is shared.
type Net struct {
	// Trace, if set, is called during a forward pass with intermediate values
	// under the names of the recorded references: vision.patch_embed,
	// vision.embed, vision.blocks.I, vision.deep.K, vision.feats, text.embed,
	// text.layers.I, text.norm. The tensor may be read inside the call only.
	Trace func(name string, t tensor.Tensor)

	*Model
	pairs   []*pair // by linear.id; nil where there is no adapter
	params  []lora.Param
	low     lowest
	drop    float64  // the adapter's dropout
	opening *opening // nil unless Remember was called
	arena   *device.Arena
	pass    *pass // of the last Forward, for Backward

	// Products of few rows that wait, of an engine: what adapters add to the first
	// are the second.
	wholes, branches []device.Product
}

// pair is the adapter of one linear layer on the device. Gradients are there
// once Params was called.
type pair struct {
	a, b   tensor.Tensor // [rank, in], [out, rank]
	da, db tensor.Tensor
	scale  float32
}

// lowest says how far down gradients are needed. Layers are counted from the
// input; text and tower are the lowest adapted ones, or the number of layers
// if none is. The patch convolution counts as tower layer −1. When the tower
// has an adapter, text is −1: the gradient must reach the embedding.
type lowest struct{ text, tower int }

// With returns m with adapter a, or without one if a is nil. Every pair of a
// must belong to a site of m.
func (m *Model) With(a *lora.Adapter) (*Net, error) {
	n := &Net{Model: m, pairs: make([]*pair, len(m.sites)), arena: device.NewArena(m.dev)}
	n.low = lowest{text: len(m.layers), tower: len(m.blocks) + 1}
	if a != nil {
		if err := n.attach(a); err != nil {
			n.Close()
			return nil, err
		}
	}
	n.findLowest()
	return n, m.dev.Sync()
}

// attach copies the pairs of a to the device.
func (n *Net) attach(a *lora.Adapter) error {
	n.drop = a.Config.Dropout
	ids := map[string]int{}
	for i, s := range n.sites {
		ids[s.Name] = i
	}
	for _, p := range a.Pairs {
		id, ok := ids[p.Site.Name]
		if !ok {
			return fmt.Errorf("adapter: the network has no site %q", p.Site.Name)
		}
		if n.pairs[id] != nil {
			return fmt.Errorf("adapter: site %q occurs twice", p.Site.Name)
		}
		if err := checkPair(p, n.sites[id]); err != nil {
			return err
		}
		n.pairs[id] = &pair{
			a:     n.upload(p.A, p.Rank, p.Site.In),
			b:     n.upload(p.B, p.Site.Out, p.Rank),
			scale: float32(p.Scale),
		}
	}
	return nil
}

func checkPair(p *lora.Pair, s lora.Site) error {
	if p.Site.In != s.In || p.Site.Out != s.Out || p.Rank < 1 || len(p.A) != p.Rank*s.In || len(p.B) != s.Out*p.Rank {
		return fmt.Errorf("adapter: site %q: rank %d with %d and %d elements for %d to %d channels, want %d to %d",
			s.Name, p.Rank, len(p.A), len(p.B), p.Site.In, p.Site.Out, s.In, s.Out)
	}
	return nil
}

func (n *Net) upload(v []float32, rows, cols int) tensor.Tensor {
	t := n.dev.Alloc(tensor.F32, tensor.Shape{rows, cols})
	n.dev.Write(t, elementBytes(v))
	return t
}

// findLowest sets n.low from the adapted layers. The head is above them all.
func (n *Net) findLowest() {
	for i, l := range n.layers {
		if n.adapted(l.q, l.k, l.v, l.o, l.gate, l.up, l.down) {
			n.low.text = min(n.low.text, i)
		}
	}
	for _, g := range append([]merger{n.merger}, n.deep...) {
		if n.adapted(g.fc1, g.fc2) {
			n.low.tower = len(n.blocks)
		}
	}
	for i, b := range n.blocks {
		if n.adapted(b.qkv, b.proj, b.fc1, b.fc2) {
			n.low.tower = min(n.low.tower, i)
		}
	}
	if n.adapted(n.patch) {
		n.low.tower = -1
	}
	if n.towerAdapted() {
		n.low.text = -1
	}
}

// adapted reports whether one of the layers has an adapter.
func (n *Net) adapted(layers ...*linear) bool {
	return slices.ContainsFunc(layers, func(l *linear) bool { return n.pairs[l.id] != nil })
}

// towerAdapted reports whether the adapter reaches the vision tower.
func (n *Net) towerAdapted() bool { return n.low.tower <= len(n.blocks) }

// Device returns the device that n runs on.
func (n *Net) Device() device.Accelerator { return n.dev }

// Params returns the matrices of the adapter in the order of the sites, A
// before B, with their gradients, which start at zero. Writing to a weight
// changes the network.
func (n *Net) Params() []lora.Param {
	if n.params != nil {
		return n.params
	}
	for id, p := range n.pairs {
		if p == nil {
			continue
		}
		p.da, p.db = n.zeros(p.a.Shape), n.zeros(p.b.Shape)
		name := n.sites[id].Name
		n.params = append(n.params,
			lora.Param{Name: lora.KeyA(name), Weight: p.a, Grad: p.da},
			lora.Param{Name: lora.KeyB(name), Weight: p.b, Grad: p.db})
	}
	return n.params
}

// Download copies the present weights into a, the adapter that n was made
// with.
func (n *Net) Download(a *lora.Adapter) error {
	for _, p := range a.Pairs {
		id := slices.IndexFunc(n.sites, func(s lora.Site) bool { return s.Name == p.Site.Name })
		if id < 0 || n.pairs[id] == nil {
			return fmt.Errorf("adapter: the network has no pair at %q", p.Site.Name)
		}
		var err error
		if p.A, err = n.readFloats(n.pairs[id].a); err != nil {
			return err
		}
		if p.B, err = n.readFloats(n.pairs[id].b); err != nil {
			return err
		}
	}
	return nil
}

func (n *Net) zeros(s tensor.Shape) tensor.Tensor {
	t := n.dev.Alloc(tensor.F32, s)
	n.dev.Fill(t, 0)
	return t
}

// Close frees the adapter and the memory of the passes.
func (n *Net) Close() {
	n.arena.Free()
	n.opening.free(n)
	n.freePairs()
	n.pass = nil
}

// freePairs frees the adapter.
func (n *Net) freePairs() {
	for _, p := range n.pairs {
		if p == nil {
			continue
		}
		for _, t := range []tensor.Tensor{p.a, p.b, p.da, p.db} {
			if !t.IsZero() {
				n.dev.Free(t)
			}
		}
	}
	n.pairs, n.params = nil, nil
}

// pass is what Backward needs of a forward pass.
type pass struct {
	in     *inputs
	vision *tower // nil without images
	text   []layerTape
	asked  []int32       // rows of the batch that out has, ascending; nil for all
	past   int           // rows of the batch that the opening stands for
	retain int           // rows of the batch that become the opening
	out    tensor.Tensor // [R, C], after the last layer
	labels headTape

	// Of an engine: the cache, and where the keys of this pass go in it.
	pools []keys
	runs  []run
}

// Forward runs b and returns the loss in nats of each of b.Labels, in order.
// It keeps what Backward needs until the next pass.
func (n *Net) Forward(b *batch.Batch) ([]float32, error) {
	if len(b.Labels) == 0 {
		return nil, fmt.Errorf("batch of %d tokens has no labels", len(b.Tokens))
	}
	rows := make([]int32, len(b.Labels))
	for i, l := range b.Labels {
		rows[i] = l.Row
	}
	p, err := n.run(b, rows, true)
	if err != nil {
		return nil, err
	}
	n.lossForward(p, b.Labels)
	n.pass = p
	return n.readFloats(p.labels.loss)
}

// Backward adds the gradient of Σ weight·loss over the labels of the last
// Forward to the gradients of Params.
func (n *Net) Backward() error {
	if n.pass == nil {
		return fmt.Errorf("backward without a forward pass before it")
	}
	if len(n.Params()) == 0 {
		return fmt.Errorf("backward without an adapter")
	}
	if n.drop > 0 {
		return fmt.Errorf("backward with lora_dropout %v: only 0 can be trained", n.drop)
	}
	p := n.pass
	n.pass = nil
	dx := n.lossBackward(p)
	n.decoderBackward(p, dx)
	if p.vision != nil && n.towerAdapted() {
		n.towerBackward(p.vision)
	}
	return n.dev.Sync()
}

// Outputs is what a network says at some rows of a batch.
type Outputs struct {
	Logits []float32 // [rows, V]
	Hidden []float32 // [rows, C]: the last hidden state, after the final norm
}

// Logits runs b and returns the logits [len(rows), V] of some rows; nil
// stands for all of them.
func (n *Net) Logits(b *batch.Batch, rows []int32) ([]float32, error) {
	o, err := n.Outputs(b, rows)
	return o.Logits, err
}

// Outputs runs b and returns what the network says at some rows; nil stands
// for all of them.
func (n *Net) Outputs(b *batch.Batch, rows []int32) (Outputs, error) {
	for _, r := range rows {
		if r < 0 || int(r) >= len(b.Tokens) {
			return Outputs{}, fmt.Errorf("row %d of a batch of %d tokens", r, len(b.Tokens))
		}
	}
	p, err := n.run(b, rows, false)
	if err != nil {
		return Outputs{}, err
	}
	if rows == nil {
		for i := range b.Tokens {
			rows = append(rows, int32(i))
		}
	}
	h := n.headForward(p.out, p.at(rows), nil)
	var o Outputs
	if o.Hidden, err = n.readFloats(h.normed.x); err == nil {
		o.Logits, err = n.readFloats(h.logits)
	}
	return o, err
}

// run is a forward pass up to the last layer, which it computes at the given
// rows; nil stands for all. With keep, the pass holds what Backward needs.
func (n *Net) run(b *batch.Batch, rows []int32, keep bool) (*pass, error) {
	if err := n.check(b); err != nil {
		return nil, err
	}
	n.arena.Reset()
	n.pass = nil
	p := &pass{asked: n.asked(b, rows)}
	if len(b.Images) > 0 {
		p.vision = n.see(b.Images, keep && n.towerAdapted())
	}
	if keep {
		p.in = n.inputs(b, p.asked)
	} else {
		n.recall(p, b)
	}
	n.decoderForward(p, keep)
	if p.retain > 0 {
		n.opening.tokens = slices.Clone(b.Tokens[:p.retain])
	}
	return p, nil
}

// check refuses a batch that the network cannot compute.
func (n *Net) check(b *batch.Batch) error {
	if err := b.Validate(); err != nil {
		return err
	}
	for i, id := range b.Tokens {
		if int(id) >= n.config.Text.Vocab {
			return fmt.Errorf("token %d at row %d is outside the vocabulary of %d", id, i, n.config.Text.Vocab)
		}
	}
	for _, l := range b.Labels {
		if int(l.Target) >= n.config.Text.Vocab {
			return fmt.Errorf("label %d at row %d is outside the vocabulary of %d", l.Target, l.Row, n.config.Text.Vocab)
		}
	}
	for i, im := range b.Images {
		if err := n.checkImage(im, b.Merge); err != nil {
			return fmt.Errorf("image %d: %w", i, err)
		}
	}
	return nil
}

// readFloats waits for t and returns it.
func (n *Net) readFloats(t tensor.Tensor) ([]float32, error) {
	out := make([]float32, t.Len())
	raw := hostBytes(out)
	n.dev.Read(raw, t)
	if err := n.dev.Sync(); err != nil {
		return nil, err
	}
	if !littleEndian {
		swap(raw)
	}
	return out, nil
}

func (n *Net) trace(name string, t tensor.Tensor) {
	if n.Trace != nil {
		n.Trace(name, t)
	}
}
