package bench

import (
	"context"
	"fmt"

	"mole/batch"
	"mole/model/qwen3vl"
)

// decodeLeast is the target of decoding, as a part of the bandwidth of reading.
const decodeLeast = 0.80

// The sequence that is decoded: its prompt, and how long it gets before the next
// one begins.
const (
	promptTokens   = 16
	sequenceTokens = 256
)

// decode measures the decoding of one sequence. Each token reads all weights of
// the decoder once, so that reading memory is the yardstick.
func (s *session) decode(ctx context.Context) error {
	d, err := s.open(s.all())
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // all work is done by then
	c, err := config(s.Widths, s.Step.Layers, 1, s.Step.Vocab)
	if err != nil {
		return err
	}
	m, err := qwen3vl.New(d, c, newNoise(c))
	if err != nil {
		return err
	}
	defer m.Close()
	q := &sequence{weights: weightBytes(c)}
	if q.net, err = m.With(nil); err != nil {
		return err
	}
	defer q.close()
	o, err := s.beside(ctx, q.next, s.loop(reader(s.all())))
	if err == nil {
		err = q.err
	}
	if err != nil {
		return err
	}
	name := fmt.Sprintf("decode %s, %d layers, %d words", s.Widths, s.Step.Layers, s.Step.Vocab)
	s.report.add(name, s.all(), o, "GB/s", giga, "read loop", atLeast(decodeLeast))
	return nil
}

// sequence decodes tokens without end.
type sequence struct {
	net     *qwen3vl.Net
	weights float64 // bytes that a token reads
	session *qwen3vl.Session
	left    int // tokens that the session has room for
	err     error
}

// next decodes a token and returns the bytes of weights that it read.
func (q *sequence) next() float64 {
	if q.left == 0 && q.err == nil {
		q.err = q.start()
	}
	if q.err == nil {
		_, q.err = q.session.Next(tokenStart)
		q.left--
	}
	return q.weights
}

// start begins a sequence.
func (q *sequence) start() error {
	q.close()
	example := batch.Example{Tokens: make([]int32, promptTokens)}
	for i := range example.Tokens {
		example.Tokens[i] = tokenStart + int32(i)
	}
	b, err := batch.Pack(q.net.Layout(), []batch.Example{example})
	if err != nil {
		return err
	}
	if q.session, err = q.net.Start(b, promptTokens+sequenceTokens); err != nil {
		return err
	}
	_, err = q.session.Prefill(promptTokens)
	q.left = sequenceTokens
	return err
}

// close ends the sequence at hand.
func (q *sequence) close() {
	if q.session != nil {
		q.session.Close()
		q.session = nil
	}
}
