package generate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"

	"mole/grammar"
	"mole/lora"
	"mole/spec"
	"mole/tokenizer"
)

// Options says what a [Service] works with. The zero value of a field means the
// default in its comment.
type Options struct {
	Engine    Engine               // required; the service owns it from then on
	Tokenizer *tokenizer.Tokenizer // required; that of the network
	Sites     []lora.Site          // of the network, that adapters are loaded for
	MaxBatch  int                  // sequences in a pass, 16
	MaxQueue  int                  // requests that wait, 64
	Chunk     int                  // rows of prompts in a pass, 256
	MaxTokens int                  // of an answer, 4096
	Ahead     int                  // chunks of an answer that may wait for its reader, 256
	// Check refuses adapters by what they were trained to read; nil accepts all.
	Check         func(*spec.Expert) error
	AdapterMemory int64        // bytes of the adapters beside the network, as float32; 0 for no limit
	Log           *slog.Logger // nothing is logged without one
}

// withDefaults returns o with the defaults filled in.
func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field   *int
		byNoOne int
	}{{&o.MaxBatch, 16}, {&o.MaxQueue, 64}, {&o.Chunk, 256}, {&o.MaxTokens, 4096}, {&o.Ahead, 256}} {
		if *d.field <= 0 {
			*d.field = d.byNoOne
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Service writes answers. It is safe for concurrent use.
//
// One goroutine owns the engine. It repeats: run one function that asked for
// the engine alone, give back what ended requests held, admit requests from the
// queue in their order, run one pass. Requests that only wait for their adapter
// to be read let others by; those that wait for pages or for memory do not, so
// that none waits for ever.
type Service struct {
	o      Options
	ends   []int32 // tokens that end a turn
	shelf  *shelf
	wake   chan struct{} // of size 1
	done   chan struct{} // closed when the engine's goroutine has ended
	spaces []*scratch    // one for each sequence of a pass
	active []*job        // in the order of their admission; of the engine's goroutine alone
	shift  int           // where the next pass begins to take from active, if not all fit

	vocabulary func() (*grammar.Vocabulary, error) // made for the first constraint

	mu        sync.Mutex
	queue     []*job
	exclusive []*errand
	closing   bool // no more requests
	killed    bool // those at work end too
	stats     Stats
}

// New starts a service.
func New(o Options) (*Service, error) {
	s := &Service{o: o.withDefaults(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	if o.Engine == nil || o.Tokenizer == nil {
		return nil, errors.New("generate: no engine or no tokenizer")
	}
	for _, name := range []string{"<|im_end|>", "<|endoftext|>"} {
		if id, ok := o.Tokenizer.ID(name); ok && o.Tokenizer.Added(id) {
			s.ends = append(s.ends, id)
		}
	}
	if s.ends == nil {
		return nil, errors.New("tokenizer has neither <|im_end|> nor <|endoftext|>")
	}
	s.vocabulary = sync.OnceValues(func() (*grammar.Vocabulary, error) { return grammar.NewVocabulary(o.Tokenizer) })
	s.shelf = newShelf(&s.o, s.kick)
	s.stats.Batch = make([]uint64, s.o.MaxBatch+1)
	for range s.o.MaxBatch {
		s.spaces = append(s.spaces, new(scratch))
	}
	go s.work()
	return s, nil
}

// Generate answers a request. The chunks come as the answer is written; the
// last one has a Finish, or there is an error, and then nothing more. The first
// pair says if the request was refused: [ErrFull] and [ErrClosed] for now,
// [ErrRequest], [ErrNoAdapter], [ErrAdapter] and [ErrTooLong] for what it asks.
//
// The request stands in the queue from the first pair on. When ctx ends, or the
// loop does, it is taken out, and what it held is free before the next pass. A
// reader that is slow holds up its own answer only.
func (s *Service) Generate(ctx context.Context, r Request) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		j, err := s.enter(ctx, r)
		if err != nil {
			yield(Chunk{}, err)
			return
		}
		defer s.leave(j)
		defer context.AfterFunc(ctx, func() { s.leave(j) })() // also while the reader is busy
		for {
			c, resumed, err := j.next(ctx)
			if resumed {
				s.kick()
			}
			if !yield(c, err) || err != nil || c.Finish != "" {
				return
			}
		}
	}
}

// enter checks a request and puts it into the queue.
func (s *Service) enter(ctx context.Context, r Request) (*job, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := s.room(); err != nil { // before anything costs
		return nil, err
	}
	if err := r.check(s.o.Tokenizer, s.o.MaxTokens); err != nil {
		return nil, err
	}
	if err := s.shelf.known(r.Adapter); err != nil {
		return nil, err
	}
	j, err := newJob(s, &r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.roomLocked(); err != nil {
		return nil, err
	}
	s.queue = append(s.queue, j)
	s.stats.Requests++
	s.kick()
	return j, nil
}

// calls returns the grammar of calls of tools.
func (s *Service) calls(tools []json.RawMessage) (*grammar.Grammar, error) {
	v, err := s.vocabulary()
	if err != nil {
		return nil, err
	}
	g, err := v.ToolCalls(tools)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return g, nil
}

// room reports whether a request may enter.
func (s *Service) room() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roomLocked()
}

// roomLocked is room with s.mu held.
func (s *Service) roomLocked() error {
	switch {
	case s.closing:
		return ErrClosed
	case len(s.queue) >= s.o.MaxQueue:
		s.stats.Refused++
		return ErrFull
	}
	return nil
}

// leave takes a job out of the queue, or out of work. More than once is fine.
func (s *Service) leave(j *job) {
	j.leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(j)
	s.kick()
}

// drop takes a job out of the queue if it is there. s.mu is held.
func (s *Service) drop(j *job) {
	if i := slices.Index(s.queue, j); i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
	}
}

// kick wakes the engine's goroutine.
func (s *Service) kick() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

// Close refuses new requests, waits for those that are queued and at work, and
// frees the engine. When ctx ends before that, those that are left end with
// [ErrClosed], and Close returns the cause. Twice is fine.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.kick()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.killed = true
	s.mu.Unlock()
	s.kick()
	<-s.done
	return context.Cause(ctx)
}
