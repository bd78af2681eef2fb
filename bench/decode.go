package bench

import (
	"context"
	"fmt"

	"mole/batch"
	"mole/device/cpu"
	"mole/model/qwen3vl"
)

// Targets of decoding: of one sequence as a part of the bandwidth of reading, and
// of several as a multiple of one, for each of them.
const (
	decodeLeast = 0.80
	chorusLeast = 0.5
)

// sequenceTokens is how long the answer of a sequence gets before the next one
// begins.
const sequenceTokens = 256

// Decode says what is decoded. A number that is 0 means the default in its
// comment.
type Decode struct {
	Sequences int // at a time; 8
	Adapters  int // that they have, in turns; as many as sequences, or -1 for none
	Past      int // tokens that each has read before; 16
}

// defaults returns d with defaults filled in.
func (d Decode) defaults() Decode {
	setDefault(&d.Sequences, 8)
	setDefault(&d.Adapters, d.Sequences)
	setDefault(&d.Past, 16)
	return d
}

// check returns what is wrong with d.
func (d Decode) check() error {
	if d.Sequences < 1 || d.Adapters < -1 || d.Past < 1 {
		return fmt.Errorf("%d sequences, %d adapters, %d tokens before: want 1, -1 and 1 at least", d.Sequences, d.Adapters, d.Past)
	}
	return nil
}

// decode measures the decoding of one sequence, and of several. Each pass reads
// all weights of the decoder once, so that reading memory is the yardstick.
func (s *session) decode(ctx context.Context) error {
	if err := s.Decode.check(); err != nil {
		return err
	}
	d, err := s.open(s.all())
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // all work is done by then
	c, err := config(s.Widths, s.Step.Layers, 1, s.Step.Vocab)
	if err != nil {
		return err
	}
	e, adapters, err := s.engine(d, c)
	if err != nil {
		return err
	}
	defer e.Free()
	all := make([]int, s.Decode.Sequences)
	for i := range all {
		all[i] = adapters[i%len(adapters)]
	}
	adapter, key := adapterBytes(c, s.Rank), float64(8*c.Text.Layers*c.Text.KVHeads*c.Text.HeadDim)
	one := &chorus{engine: e, past: s.Decode.Past, adapters: []int{0}, weights: weightBytes(c), key: key}
	name := fmt.Sprintf("decode %s, %d layers, %d words", s.Widths, s.Step.Layers, s.Step.Vocab)
	if s.Decode.Past != (Decode{}).defaults().Past {
		name += fmt.Sprintf(", %d tokens before", s.Decode.Past)
	}
	if err := s.besideReading(ctx, one, name); err != nil || len(all) == 1 {
		return err
	}
	many := &chorus{engine: e, past: s.Decode.Past, adapters: all, weights: one.weights, key: key}
	many.weights += adapter * float64(min(len(all), max(0, s.Decode.Adapters)))
	name += fmt.Sprintf(", %d sequences, %d adapters", len(all), max(0, s.Decode.Adapters))
	if err := s.besideReading(ctx, many, name); err != nil {
		return err
	}
	return s.besideOne(ctx, many, one, name)
}

// engine makes an engine with room for what is measured, and its adapters.
func (s *session) engine(d *cpu.Device, c *qwen3vl.Config) (e *qwen3vl.Engine, adapters []int, err error) {
	m, err := qwen3vl.New(d, c, newNoise(c))
	if err != nil {
		return nil, nil, err
	}
	const page = 64
	each := (s.Decode.Past+sequenceTokens)/page + 1
	if e, err = m.NewEngine(qwen3vl.EngineOptions{Tokens: (s.Decode.Sequences + 1) * each * page, PageTokens: page}); err != nil {
		return nil, nil, err
	}
	for range s.Decode.Adapters {
		a, err := s.adapter(m, "text")
		if err != nil {
			return nil, nil, err
		}
		id, err := e.Attach(a)
		if err != nil {
			return nil, nil, err
		}
		adapters = append(adapters, id)
	}
	if len(adapters) == 0 {
		adapters = []int{0}
	}
	return e, adapters, nil
}

// besideReading measures passes of c, by what they read.
func (s *session) besideReading(ctx context.Context, c *chorus, name string) error {
	read := func() float64 { return c.next() * c.bytes() }
	o, err := s.beside(ctx, read, s.loop(reader(s.all())))
	if err == nil {
		err = c.err
	}
	if err != nil {
		return err
	}
	var want *Want
	if len(c.adapters) == 1 {
		want = atLeast(decodeLeast)
	}
	s.report.add(name, s.all(), o, "GB/s", giga, "read loop", want)
	return nil
}

// besideOne measures the tokens of many sequences beside those of one.
func (s *session) besideOne(ctx context.Context, many, one *chorus, name string) error {
	alone := &chorus{engine: one.engine, past: one.past, adapters: many.adapters[:1]}
	one.close()
	tokens := func(c *chorus) work {
		return func() float64 { return c.next() * float64(len(c.adapters)) }
	}
	o, err := s.beside(ctx, tokens(many), s.loop(tokens(alone)))
	for _, c := range []*chorus{many, alone} {
		if err == nil {
			err = c.err
		}
	}
	if err != nil {
		return err
	}
	s.report.add(name, s.all(), o, "tokens/s", 1, "one sequence with its adapter", atLeast(chorusLeast*float64(len(many.adapters))))
	return nil
}

// chorus decodes tokens of some sequences at a time, without end.
type chorus struct {
	engine    *qwen3vl.Engine
	adapters  []int // of each sequence
	past      int
	weights   float64 // bytes of them that a pass reads
	key       float64 // bytes of the keys and values of a token
	sequences []int
	turns     []qwen3vl.Turn
	left      int // tokens that each sequence has room for
	err       error
}

// next decodes a token of each sequence. It returns 1, the passes that took.
func (c *chorus) next() float64 {
	if c.left == 0 && c.err == nil {
		c.err = c.start()
	}
	if c.err == nil {
		_, c.err = c.engine.Run(c.turns)
		c.left--
	}
	return 1
}

// bytes returns what the last pass read: weights, adapters, keys and values.
func (c *chorus) bytes() float64 {
	return c.weights + c.key*float64(len(c.sequences)*(c.past+sequenceTokens-c.left))
}

// start begins the sequences.
func (c *chorus) start() error {
	c.close()
	prompt := batch.Example{Tokens: make([]int32, c.past)}
	for i := range prompt.Tokens {
		prompt.Tokens[i] = tokenStart + int32(i)%(tokenEnd-tokenStart)
	}
	for _, adapter := range c.adapters {
		q, cached, err := c.engine.Open(prompt, adapter, sequenceTokens)
		if err != nil {
			return err
		}
		c.sequences = append(c.sequences, q)
		c.turns = append(c.turns, qwen3vl.Turn{Sequence: q, Token: tokenStart})
		if _, err := c.engine.Run([]qwen3vl.Turn{{Sequence: q, Rows: c.past - cached}}); err != nil {
			return err
		}
	}
	c.left = sequenceTokens
	return nil
}

// close ends the sequences at hand.
func (c *chorus) close() {
	for _, q := range c.sequences {
		c.engine.Close(q)
	}
	c.sequences, c.turns, c.left = nil, nil, 0
}
