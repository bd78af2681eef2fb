package generate

import (
	"context"
	"slices"
	"sync"
)

// job is a request on its way.
type job struct {
	Request
	sampler *sampler
	writer  *writer
	grammar constraint // nil where anything goes

	// Of the engine's goroutine alone.
	version  *version // of the adapter, nil for the base network
	attempts int      // loads of the adapter when the job first asked for it, -1 before
	sequence int
	rows     int   // of the prompt, still to be run
	token    int32 // to be run when there are no such rows
	answer   int   // tokens so far
	cached   int

	ahead int           // chunks that may wait for the reader
	ready chan struct{} // of size 1: there may be something to read

	mu   sync.Mutex
	out  []Chunk
	err  error // instead of a last chunk
	over bool  // nothing more comes
	gone bool  // nobody reads any more
}

// constraint says which tokens may follow.
type constraint interface {
	// Mask returns the tokens that may be next, bit id%64 of word id/64, if
	// left tokens are left, that one included. There is at least one.
	Mask(left int) []uint64
	// Accept takes the token that was chosen.
	Accept(id int32)
}

// newJob returns the job of a checked request.
func newJob(s *Service, r *Request) (*job, error) {
	j := &job{
		Request: *r, sampler: newSampler(r), writer: newWriter(s.o.Tokenizer, r.Stop),
		attempts: -1, rows: len(r.Prompt.Tokens), ahead: s.o.Ahead, ready: make(chan struct{}, 1),
	}
	if r.Constrain == ToolCall {
		g, err := s.calls(r.Tools)
		if err != nil {
			return nil, err
		}
		j.grammar = g.Start(r.MaxTokens)
	}
	return j, nil
}

// next returns the next chunk. resumed says that the job was held up by its
// reader, and is not any more.
func (j *job) next(ctx context.Context) (c Chunk, resumed bool, err error) {
	for {
		if ctx.Err() != nil {
			return Chunk{}, false, context.Cause(ctx)
		}
		c, resumed, ok, err := j.pop()
		if ok || err != nil {
			return c, resumed, err
		}
		select {
		case <-j.ready:
		case <-ctx.Done():
		}
	}
}

// pop takes a chunk that waits.
func (j *job) pop() (c Chunk, resumed, ok bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.out) == 0 {
		return Chunk{}, false, false, j.err
	}
	resumed = len(j.out) == j.ahead
	c = j.out[0]
	j.out = slices.Delete(j.out, 0, 1)
	return c, resumed, true, nil
}

// push hands a chunk to the reader.
func (j *job) push(c Chunk) {
	j.mu.Lock()
	j.out = append(j.out, c)
	j.over = j.over || c.Finish != ""
	j.mu.Unlock()
	j.tell()
}

// fail ends the job with an error, unless it has ended.
func (j *job) fail(err error) {
	j.mu.Lock()
	if !j.over {
		j.err, j.over = err, true
	}
	j.mu.Unlock()
	j.tell()
}

// tell wakes the reader.
func (j *job) tell() {
	select {
	case j.ready <- struct{}{}:
	default: // it was told
	}
}

// leave says that nobody reads any more.
func (j *job) leave() {
	j.mu.Lock()
	j.gone = true
	j.mu.Unlock()
}

// state says whether the engine is done with the job, and whether its reader
// has so many chunks that it has to wait.
func (j *job) state() (ended, held bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.over || j.gone, len(j.out) >= j.ahead
}

// turn returns what the job does in a pass, with at most so many rows of its
// prompt.
func (j *job) turn(rows int) Turn {
	if j.rows == 0 {
		return Turn{Sequence: j.sequence, Token: j.token}
	}
	return Turn{Sequence: j.sequence, Rows: min(j.rows, rows)}
}

// advance chooses the next token of the answer from logits, and says what the
// reader gets. There may be nothing to hand out yet.
func (j *job) advance(o *Options, ends []int32, logits []float32, s *scratch) (c Chunk, err error) {
	var mask []uint64
	if j.grammar != nil {
		mask = j.grammar.Mask(j.MaxTokens - j.answer)
	}
	got, err := j.sampler.next(logits, mask, s)
	if err != nil {
		return Chunk{}, err
	}
	j.token = got.id
	j.answer++
	if slices.Contains(ends, got.id) {
		return j.chunk(Stop), nil
	}
	if j.grammar != nil {
		j.grammar.Accept(got.id)
	}
	j.writer.add(j.describe(o, got))
	switch {
	case j.writer.ended:
		return j.chunk(Stop), nil
	case j.answer == j.MaxTokens:
		return j.chunk(Length), nil
	}
	return j.chunk(""), nil
}

// chunk returns what can be handed out.
func (j *job) chunk(finish Finish) (c Chunk) {
	if finish == "" {
		c.Text, c.Tokens = j.writer.certain()
	} else {
		c.Text, c.Tokens = j.writer.finish()
		c.Finish = finish
		c.Usage = Usage{Prompt: len(j.Prompt.Tokens), Cached: j.cached, Answer: j.answer}
		if j.version != nil {
			c.Generation = j.version.generation
		}
	}
	if !j.LogProbs {
		c.Tokens = nil
	}
	return c
}

// describe returns a chosen token as it is handed out.
func (j *job) describe(o *Options, c choice) Token {
	t := Token{ID: c.id, LogProb: c.logProb}
	if !j.LogProbs {
		return t
	}
	t.Bytes = o.Tokenizer.Token(c.id)
	for _, r := range c.top {
		t.Top = append(t.Top, Alternative{ID: r.id, Bytes: o.Tokenizer.Token(r.id), LogProb: r.value})
	}
	return t
}
