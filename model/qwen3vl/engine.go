package qwen3vl

import (
	"errors"
	"fmt"

	"mole/batch"
	"mole/device"
	"mole/lora"
	"mole/tensor"
	"mole/vision"
)

// Errors of [Engine.Open] that callers test for with [errors.Is].
var (
	ErrNoPages = errors.New("no room among the cached keys now") // sequences must be closed first
	ErrTooLong = errors.New("more tokens than can be cached")
)

// EngineOptions says how large an [Engine] is. A number that is 0 means the
// default in its comment.
type EngineOptions struct {
	Tokens     int // keys and values that fit, over all sequences; required
	PageTokens int // of a page, 64
}

// Engine runs many sequences with many adapters of one network. Keys and values
// lie in pages, of which a sequence has as many as it needs; whole pages of text
// at the beginning of a prompt are kept for the next sequence that begins alike.
//
// What a sequence gives depends, to the bit, on the network, its adapter and its
// tokens alone: not on what runs beside it, nor on how its prompt was cut into
// pieces, nor on whether its beginning was kept.
//
// An Engine is not safe for concurrent use. Its Model must outlive it.
type Engine struct {
	net       *Net         // without adapter; its arena is that of all
	nets      map[int]*Net // by adapter, 0 for none
	pager     *pager
	pools     []keys // per layer, [tokens, K, D]; k and v are not used
	sequences map[int]*sequence
	adapters  int // number of the last one
	opened    int // number of the last sequence
}

// sequence is an open one.
type sequence struct {
	net       *Net
	adapter   int
	prompt    *batch.Batch
	text      int // tokens of the prompt before its first image
	features  []*vision.Features
	pages     []int32
	spans     []device.Span // of the pages
	published int           // of the pages, those that are known by their tokens
	filled    int           // tokens that were run
	size      int           // most tokens
	next      int32         // position of the next token behind the prompt
	broken    bool
}

// NewEngine returns an engine for m without adapters.
func (m *Model) NewEngine(o EngineOptions) (*Engine, error) {
	if o.PageTokens == 0 {
		o.PageTokens = 64
	}
	if o.PageTokens < 1 || o.Tokens < o.PageTokens {
		return nil, fmt.Errorf("engine: room for %d tokens in pages of %d, want one page at least", o.Tokens, o.PageTokens)
	}
	net, err := m.With(nil)
	if err != nil {
		return nil, err
	}
	e := &Engine{net: net, nets: map[int]*Net{0: net}, sequences: map[int]*sequence{}, pager: newPager(o.Tokens, o.PageTokens)}
	t := &m.config.Text
	shape := tensor.Shape{len(e.pager.pages) * o.PageTokens, t.KVHeads, t.HeadDim}
	for range m.layers {
		e.pools = append(e.pools, keys{allK: m.dev.Alloc(tensor.F32, shape), allV: m.dev.Alloc(tensor.F32, shape)})
	}
	return e, m.dev.Sync()
}

// Free gives all memory back. The engine must not be used again.
func (e *Engine) Free() {
	for _, n := range e.nets {
		n.freePairs()
	}
	for _, k := range e.pools {
		e.net.dev.Free(k.allK)
		e.net.dev.Free(k.allV)
	}
	e.net.arena.Free()
	*e = Engine{}
}

// Attach copies a to the device and returns its number, which is never used again.
// Number 0 is the network without adapter. Adapters may reach the vision tower.
func (e *Engine) Attach(a *lora.Adapter) (adapter int, err error) {
	n, err := e.net.With(a)
	if err != nil {
		return 0, err
	}
	n.arena = e.net.arena
	e.adapters++
	e.nets[e.adapters] = n
	return e.adapters, nil
}

// Detach frees an adapter, and what was kept of prompts that it read. No open
// sequence may use it.
func (e *Engine) Detach(adapter int) {
	n := e.nets[adapter]
	if n == nil || adapter == 0 {
		panic(fmt.Sprintf("engine: detach of adapter %d, which is not attached", adapter))
	}
	for number, s := range e.sequences {
		if s.adapter == adapter {
			panic(fmt.Sprintf("engine: detach of adapter %d, which sequence %d uses", adapter, number))
		}
	}
	e.pager.forget(adapter)
	n.freePairs()
	delete(e.nets, adapter)
}

// Open begins a sequence of a prompt and up to answer tokens behind it, and
// reserves its pages. Of the first cached tokens keys and values are there
// already; they are never tokens at or behind the first image, nor the last of the
// prompt. Labels are ignored. A prompt without room is [ErrNoPages], or
// [ErrTooLong] if there never will be.
//
// Until Close the engine sets Features of images of the prompt when it encodes
// them, unless the adapter changes what the tower makes of them.
func (e *Engine) Open(prompt batch.Example, adapter, answer int) (number, cached int, err error) {
	s, err := e.begin(prompt, adapter, answer)
	if err != nil {
		return 0, 0, fmt.Errorf("open: %w", err)
	}
	p := e.pager
	s.pages = p.find(adapter, s.prompt.Tokens[:min(s.text, len(s.prompt.Tokens)-1)])
	s.published = len(s.pages)
	s.filled = s.published * p.size
	want := p.count(s.size) - s.published
	if want > p.available() {
		free := p.available()
		s.release(p)
		return 0, 0, fmt.Errorf("open: %w: %d of %d pages of %d tokens", ErrNoPages, free, want, p.size)
	}
	s.pages = p.take(s.pages, want)
	for _, i := range s.pages {
		s.spans = append(s.spans, p.span(i))
	}
	e.opened++
	e.sequences[e.opened] = s
	return e.opened, s.filled, nil
}

// begin returns a sequence without pages.
func (e *Engine) begin(prompt batch.Example, adapter, answer int) (*sequence, error) {
	n := e.nets[adapter]
	if n == nil {
		return nil, fmt.Errorf("adapter %d is not attached", adapter)
	}
	size, most := len(prompt.Tokens)+answer, len(e.pager.pages)*e.pager.size
	if answer < 0 || answer > most || size > most {
		return nil, fmt.Errorf("%w: %d and %d, want at most %d", ErrTooLong, len(prompt.Tokens), answer, most)
	}
	prompt.Labels = nil
	b, err := batch.Pack(n.Layout(), []batch.Example{prompt})
	if err != nil {
		return nil, err
	}
	if err := n.check(b); err != nil {
		return nil, err
	}
	s := &sequence{
		net: n, adapter: adapter, prompt: b, text: len(b.Tokens), size: size, next: b.Next(0),
		features: make([]*vision.Features, len(b.Images)),
	}
	if len(b.Visual) > 0 {
		s.text = int(b.Visual[0].Row)
	}
	return s, nil
}

// release gives the pages of s back, the last first, so that of what is kept the
// beginning is kept longest.
func (s *sequence) release(p *pager) {
	for i := len(s.pages) - 1; i >= 0; i-- {
		p.release(s.pages[i])
	}
	s.pages = nil
}

// publish makes the pages of s known that hold nothing but text of the prompt
// before its first image and are full.
func (s *sequence) publish(p *pager) {
	for ; (s.published+1)*p.size <= min(s.filled, s.text); s.published++ {
		i, parent := s.published, int32(noPage)
		if i > 0 {
			parent = s.pages[i-1]
		}
		s.pages[i] = p.keep(s.pages[i], s.adapter, parent, s.prompt.Tokens[i*p.size:(i+1)*p.size])
		s.spans[i] = p.span(s.pages[i])
	}
}

// Close ends a sequence and gives its pages back.
func (e *Engine) Close(number int) {
	s := e.sequences[number]
	if s == nil {
		panic(fmt.Sprintf("engine: close of sequence %d, which is not open", number))
	}
	s.release(e.pager)
	delete(e.sequences, number)
}

// EngineStats says what an engine holds.
type EngineStats struct {
	Pages     int // all of them
	Free      int // of those, what holds nothing
	Cached    int // of those, what is kept and no sequence uses: as good as free
	Adapters  int
	Sequences int
}

// Stats returns what e holds now.
func (e *Engine) Stats() EngineStats {
	return EngineStats{
		Pages: len(e.pager.pages), Free: len(e.pager.free), Cached: e.pager.idle,
		Adapters: len(e.nets) - 1, Sequences: len(e.sequences),
	}
}
