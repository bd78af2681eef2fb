package qwen3vl

import (
	"fmt"

	"mole/batch"
	"mole/device"
	"mole/tensor"
)

// Session runs one sequence piece by piece, with its keys and values kept. It
// shares the weights and the adapter of its Net, which must outlive it. It is
// not safe for concurrent use; several sessions of a Net take turns.
type Session struct {
	net    Net // with memory of its own
	batch  *batch.Batch
	images *tower // nil without images
	cache  []keys // per layer, [capacity, K, D]; k and v are not used
	size   int    // most rows of the cache
	filled int    // rows of the cache in use, of the prompt or decoded
	next   int32  // position of the next decoded token
}

// Start begins a session with the prompt b, which must be one sequence
// (one segment) and is not run yet; its images are encoded. The session holds
// at most capacity tokens, prompt included.
func (n *Net) Start(b *batch.Batch, capacity int) (*Session, error) {
	if err := n.check(b); err != nil {
		return nil, err
	}
	if len(b.Segments) != 1 {
		return nil, fmt.Errorf("session: %d sequences, want 1", len(b.Segments))
	}
	if capacity < len(b.Tokens) {
		return nil, fmt.Errorf("session: capacity of %d tokens for a prompt of %d", capacity, len(b.Tokens))
	}
	s := &Session{net: *n, batch: b, size: capacity, next: b.Next(0)}
	s.net.arena, s.net.pass = device.NewArena(n.dev), nil
	if len(b.Images) > 0 {
		s.images = s.net.see(b.Images, false)
	}
	t := &n.config.Text
	shape := tensor.Shape{capacity, t.KVHeads, t.HeadDim}
	for range n.layers {
		s.cache = append(s.cache, keys{allK: n.dev.Alloc(tensor.F32, shape), allV: n.dev.Alloc(tensor.F32, shape)})
	}
	return s, n.dev.Sync()
}

// Close frees the memory of s.
func (s *Session) Close() {
	s.net.arena.Free()
	for _, k := range s.cache {
		s.net.dev.Free(k.allK)
		s.net.dev.Free(k.allV)
	}
	s.cache = nil
}

// Prefill runs the next count tokens of the prompt and returns the logits [V]
// after the last of them.
func (s *Session) Prefill(count int) ([]float32, error) {
	lo, hi := s.filled, s.filled+count
	if count < 1 || hi > len(s.batch.Tokens) {
		return nil, fmt.Errorf("session: rows %d to %d of a prompt of %d", lo, hi, len(s.batch.Tokens))
	}
	return s.extend(s.batch, lo, hi)
}

// Next runs the token id after everything before it and returns the logits
// [V] after it. The prompt must have been run to its end.
func (s *Session) Next(id int32) ([]float32, error) {
	switch {
	case s.filled < len(s.batch.Tokens):
		return nil, fmt.Errorf("session: %d of %d prompt tokens have been run", s.filled, len(s.batch.Tokens))
	case s.filled == s.size:
		return nil, fmt.Errorf("session: all %d rows are taken", s.size)
	case id < 0 || int(id) >= s.net.config.Text.Vocab:
		return nil, fmt.Errorf("token %d is outside the vocabulary of %d", id, s.net.config.Text.Vocab)
	}
	s.net.decoding = true
	one := &batch.Batch{Tokens: []int32{id}, Pos: [][3]int32{{s.next, s.next, s.next}}}
	logits, err := s.extend(one, 0, 1)
	s.next++
	return logits, err
}

// extend runs rows lo to hi of b behind the rows that the cache holds.
func (s *Session) extend(b *batch.Batch, lo, hi int) ([]float32, error) {
	n := &s.net
	mark := n.arena.Mark()
	defer n.arena.Release(mark)
	rows := int32(hi - lo)
	past := int32(s.filled)
	p := &pass{vision: s.images, in: n.rowInputs(b, lo, hi)}
	segment := device.Segment{End: rows, Key: past, Causal: true}
	if past > 0 {
		segment.Past = []device.Span{{End: past}}
	}
	p.in.every.attention.Segments = []device.Segment{segment}
	x := n.embedRows(p)
	dst := n.arena.Alloc(tensor.F32, x.Shape)
	for i := range n.layers {
		inner := n.arena.Mark()
		n.layerForward(&n.layers[i], x, dst, p.in, &p.in.every, s.cache[i].behind(s.filled, int(rows)))
		n.arena.Release(inner)
		n.addDeep(p, i, dst)
		x, dst = dst, x
	}
	h := n.headForward(x, []int32{rows - 1})
	s.filled += int(rows)
	return n.readFloats(h.logits)
}

// behind returns k with room for rows more after the first filled.
func (k keys) behind(filled, rows int) keys {
	end := filled + rows
	return keys{k.allK.Rows(filled, end), k.allV.Rows(filled, end), k.allK.Rows(0, end), k.allV.Rows(0, end)}
}
