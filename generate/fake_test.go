package generate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"mole/batch"
	"mole/lora"
)

// fakeEngine is an engine whose language is a hash: logits follow from what is
// signed into the adapter and the tokens so far. It panics where a service
// breaks the rules.
type fakeEngine struct {
	free, total int // pages of one token each
	vocabulary  int
	run         func(turns []Turn) error // before every pass, if set
	busy        atomic.Bool
	last        int
	adapters    map[int]float32 // signatures
	sequences   map[int]*fakeSequence
	freed       atomic.Bool
	passes      atomic.Int64
	open        atomic.Int64
	attached    atomic.Int64
}

type fakeSequence struct {
	adapter, pages int
	prompt         []int32
	rows           int // of the prompt, run
	tokens         []int32
}

func newFake(pages int) *fakeEngine {
	return &fakeEngine{free: pages, total: pages, vocabulary: 800, adapters: map[int]float32{}, sequences: map[int]*fakeSequence{}}
}

// enter panics if two goroutines are in the engine.
func (e *fakeEngine) enter() func() {
	if !e.busy.CompareAndSwap(false, true) || e.freed.Load() {
		panic("engine entered twice, or after it was freed")
	}
	return func() { e.busy.Store(false) }
}

func (e *fakeEngine) Attach(a *lora.Adapter) (int, error) {
	defer e.enter()()
	e.last++
	e.adapters[e.last] = a.Pairs[0].B[0]
	e.attached.Add(1)
	return e.last, nil
}

func (e *fakeEngine) Detach(adapter int) {
	defer e.enter()()
	if _, ok := e.adapters[adapter]; !ok {
		panic("no such adapter")
	}
	for _, s := range e.sequences {
		if s.adapter == adapter {
			panic("adapter in use")
		}
	}
	delete(e.adapters, adapter)
	e.attached.Add(-1)
}

func (e *fakeEngine) Open(prompt batch.Example, adapter, answer int) (int, int, error) {
	defer e.enter()()
	if _, ok := e.adapters[adapter]; adapter != 0 && !ok {
		panic("no such adapter")
	}
	pages := len(prompt.Tokens) + answer
	switch {
	case pages > e.total:
		return 0, 0, fmt.Errorf("%d tokens: %w", pages, ErrTooLong)
	case pages > e.free:
		return 0, 0, fmt.Errorf("%d tokens: %w", pages, ErrNoPages)
	}
	e.free -= pages
	e.last++
	cached := min(2, len(prompt.Tokens)-1)
	e.sequences[e.last] = &fakeSequence{adapter: adapter, pages: pages, prompt: prompt.Tokens, rows: cached}
	e.open.Add(1)
	return e.last, cached, nil
}

func (e *fakeEngine) Run(turns []Turn) ([][]float32, error) {
	defer e.enter()()
	e.passes.Add(1)
	if e.run != nil {
		if err := e.run(turns); err != nil {
			return nil, err
		}
	}
	out := make([][]float32, len(turns))
	seen := map[int]bool{}
	for i, t := range turns {
		s := e.sequences[t.Sequence]
		if s == nil || seen[t.Sequence] {
			panic("sequence is closed, or twice in a pass")
		}
		seen[t.Sequence] = true
		if !s.take(t) {
			continue
		}
		out[i] = fakeLogits(e.adapters[s.adapter], slices.Concat(s.prompt, s.tokens), e.vocabulary)
	}
	return out, nil
}

// take runs a turn and reports whether it has logits.
func (s *fakeSequence) take(t Turn) bool {
	if t.Rows == 0 {
		if s.rows < len(s.prompt) {
			panic("token before the end of the prompt")
		}
		s.tokens = append(s.tokens, t.Token)
		return true
	}
	if s.rows += t.Rows; s.rows > len(s.prompt) {
		panic("more rows than the prompt has")
	}
	return s.rows == len(s.prompt)
}

func (e *fakeEngine) Close(sequence int) {
	defer e.enter()()
	s := e.sequences[sequence]
	if s == nil {
		panic("sequence closed twice")
	}
	e.free += s.pages
	delete(e.sequences, sequence)
	e.open.Add(-1)
}

func (e *fakeEngine) Stats() EngineStats {
	defer e.enter()()
	return EngineStats{Free: e.free, Pages: e.total, Adapters: len(e.adapters), Sequences: len(e.sequences)}
}

func (e *fakeEngine) Free() {
	defer e.enter()()
	if len(e.sequences) > 0 || len(e.adapters) > 0 {
		panic("freed with sequences or adapters")
	}
	e.freed.Store(true)
}

// fakeLogits returns the logits behind some tokens.
func fakeLogits(signature float32, tokens []int32, vocabulary int) []float32 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, math.Float32bits(signature))
	_ = binary.Write(h, binary.LittleEndian, tokens)
	x := h.Sum64()
	out := make([]float32, vocabulary)
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = float32(x>>40) / (1 << 20) // 0 to 16
	}
	return out
}

// answer is what a reader got.
type answer struct {
	text   string
	ids    []int32
	finish Finish
	chunk  Chunk // the last
}

// want returns the answer to r by an adapter with this signature, without any
// service.
func want(t testing.TB, s *Service, signature float32, r Request) answer {
	t.Helper()
	if err := r.check(s.o.Tokenizer, s.o.MaxTokens); err != nil {
		t.Fatal(err)
	}
	j, err := newJob(s, &r)
	if err != nil {
		t.Fatal(err)
	}
	tokens := slices.Clone(r.Prompt.Tokens)
	var a answer
	for a.finish == "" {
		c, err := j.advance(&s.o, s.ends, fakeLogits(signature, tokens, 800), new(scratch))
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, j.token)
		a.add(c)
	}
	return a
}

func (a *answer) add(c Chunk) {
	a.text += c.Text
	a.ids = append(a.ids, idsOf(c.Tokens)...)
	a.finish, a.chunk = c.Finish, c
}

// get reads an answer.
func get(ctx context.Context, s *Service, r Request) (a answer, err error) {
	for c, err := range s.Generate(ctx, r) {
		if err != nil {
			return a, err
		}
		a.add(c)
	}
	return a, nil
}

// equal compares two answers.
func (a answer) equal(b answer) bool {
	return a.text == b.text && a.finish == b.finish && slices.Equal(a.ids, b.ids)
}

// request returns a request that differs for each n.
func request(n int) Request {
	tokens := make([]int32, 3+n%40)
	for i := range tokens {
		tokens[i] = int32((n*31 + i*7) % 700)
	}
	return Request{
		Prompt: batch.Example{Tokens: tokens}, MaxTokens: 5 + n%20, LogProbs: n%3 == 0,
		Sampling: Sampling{Temperature: float64(n%4) / 2, TopP: 0.9, Seed: uint64(n)},
	}
}

// start begins a service on e that ends with the test, and checks that nothing
// leaks.
func start(t *testing.T, e *fakeEngine, o Options) *Service {
	t.Helper()
	before := runtime.NumGoroutine()
	o.Engine, o.Tokenizer, o.Sites = e, loadTokenizer(t), fakeSites
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if !e.freed.Load() || e.free != e.total {
			t.Errorf("freed %t, %d of %d pages free", e.freed.Load(), e.free, e.total)
		}
		eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	})
	return s
}

// fakeSites is the one layer of the network.
var fakeSites = []lora.Site{{Name: "model.x", In: 4, Out: 4}}

// save writes an adapter of 128 bytes with a signature into a folder.
func save(t testing.TB, dir string, signature float32) string {
	t.Helper()
	c := lora.Config{Rank: 4, Targets: lora.Targets{List: []string{"x"}}}
	a, err := lora.New(c, fakeSites, 1)
	if err != nil {
		t.Fatal(err)
	}
	a.Pairs[0].B[0] = signature
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// saveAll writes adapters a0, a1 and so on, signed 1, 2 and so on.
func saveAll(t testing.TB, n int) (root string) {
	root = t.TempDir()
	for i := range n {
		save(t, filepath.Join(root, fmt.Sprintf("a%d", i), "adapter"), float32(i+1))
	}
	return root
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Errorf("%s: not within 10 s", what)
}

// gate holds passes up until it is opened.
type gate struct {
	reached, opened chan struct{}
}

func newGate(e *fakeEngine) gate {
	g := gate{make(chan struct{}, 1), make(chan struct{})}
	e.run = func([]Turn) error {
		select {
		case g.reached <- struct{}{}:
		default:
		}
		<-g.opened
		return nil
	}
	return g
}

var errFake = errors.New("fake fault")
