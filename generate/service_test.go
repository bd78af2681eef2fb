package generate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestGenerate answers the same requests alone and beside others: every answer
// is what its own logits give, whatever chunk and batch it came in.
func TestGenerate(t *testing.T) {
	for _, o := range []Options{{}, {Chunk: 1}, {Chunk: 7, MaxBatch: 3}, {MaxBatch: 1, Ahead: 1}} {
		s := start(t, newFake(500), o)
		for n := range 3 {
			checkAnswer(t, s, n)
		}
		var readers sync.WaitGroup
		for n := range 40 {
			readers.Go(func() { checkAnswer(t, s, n) })
		}
		readers.Wait()
	}
}

// checkAnswer checks the answer to a request to the base network.
func checkAnswer(t *testing.T, s *Service, n int) {
	t.Helper()
	got, err := get(t.Context(), s, request(n))
	if w := want(t, s, 0, request(n)); err != nil || !got.equal(w) {
		t.Errorf("request %d: got %+v, %v, want %+v", n, got, err, w)
	}
}

// TestChunks checks what the last chunk tells, and a stop text.
func TestChunks(t *testing.T) {
	s := start(t, newFake(500), Options{})
	r := request(1)
	full, err := get(t.Context(), s, r)
	if err != nil || full.finish != Length {
		t.Fatalf("got %+v, %v", full, err)
	}
	if got, want := full.chunk.Usage, (Usage{Prompt: 4, Cached: 2, Answer: 6}); got != want {
		t.Errorf("usage: got %+v, want %+v", got, want)
	}
	r.Stop = []string{full.text[2:4]}
	cut, err := get(t.Context(), s, r)
	if err != nil || cut.finish != Stop || cut.text != full.text[:strings.Index(full.text, r.Stop[0])] {
		t.Errorf("got %+v, %v, want %q up to %q", cut, err, full.text, r.Stop)
	}
}

func TestStats(t *testing.T) {
	s := start(t, newFake(500), Options{MaxBatch: 1})
	tokens := 0
	for range 2 {
		got, err := get(t.Context(), s, request(1))
		if err != nil {
			t.Fatal(err)
		}
		tokens += got.chunk.Usage.Answer
	}
	eventually(t, "passes are counted", func() bool { return s.Stats().Active == 0 })
	passes := uint64(tokens) // the prompts are short
	want := Stats{
		Engine: EngineStats{Free: 500, Pages: 500}, Requests: 2, Passes: passes, Batch: []uint64{0, passes},
		PromptTokens: 8, CachedTokens: 4, PromptRows: 4, AnswerTokens: passes,
	}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Error(diff)
	}
}

func TestGenerateRefuses(t *testing.T) {
	s := start(t, newFake(100), Options{MaxTokens: 90})
	for _, tt := range []struct {
		change func(*Request)
		want   error
	}{
		{func(r *Request) { r.Prompt.Tokens = nil }, ErrRequest},
		{func(r *Request) { r.Prompt.Tokens = []int32{-1} }, ErrRequest},
		{func(r *Request) { r.Prompt.Tokens = []int32{1 << 20} }, ErrRequest},
		{func(r *Request) { r.MaxTokens = 91 }, ErrRequest},
		{func(r *Request) { r.MaxTokens = -1 }, ErrRequest},
		{func(r *Request) { r.Stop = []string{""} }, ErrRequest},
		{func(r *Request) { r.Stop = []string{"\xff"} }, ErrRequest},
		{func(r *Request) { r.Stop = make([]string, 17) }, ErrRequest},
		{func(r *Request) { r.LogProbs, r.Top = true, 21 }, ErrRequest},
		{func(r *Request) { r.LogProbs, r.Top = false, 1 }, ErrRequest},
		{func(r *Request) { r.Constrain = "x" }, ErrRequest},
		{func(r *Request) { r.Sampling.TopP = 2 }, ErrRequest},
		{func(r *Request) { r.Adapter = "nobody" }, ErrNoAdapter},
		{func(r *Request) { r.Prompt.Tokens = make([]int32, 99) }, ErrTooLong},
	} {
		r := request(3)
		tt.change(&r)
		if got, err := get(t.Context(), s, r); !errors.Is(err, tt.want) {
			t.Errorf("got %+v, %v, want %v", got, err, tt.want)
		}
	}
}

// TestOverload fills the queue: the next request is refused at once, and those
// inside are answered.
func TestOverload(t *testing.T) {
	e := newFake(1000)
	g := newGate(e)
	s := start(t, e, Options{MaxBatch: 2, MaxQueue: 3})
	var readers sync.WaitGroup
	readers.Go(func() { checkAnswer(t, s, 0) })
	<-g.reached // a pass is under way, so nobody is admitted now
	for n := range 3 {
		readers.Go(func() { checkAnswer(t, s, n+1) })
	}
	eventually(t, "queue is full", func() bool { return s.Stats().Queued == 3 })
	began := time.Now()
	if got, err := get(t.Context(), s, request(9)); !errors.Is(err, ErrFull) {
		t.Errorf("got %+v, %v, want ErrFull", got, err)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("refused after %v, want at once", d)
	}
	close(g.opened)
	readers.Wait()
	if got := s.Stats(); got.Refused != 1 || got.Requests != 4 {
		t.Errorf("got %+v, want 1 refused of 5", got)
	}
}

// TestCancel ends requests in the queue, between chunks and by leaving the
// loop: what they held is free again.
func TestCancel(t *testing.T) {
	s := start(t, newFake(60), Options{Ahead: 1})
	long := request(19) // 22 + 24 pages: two do not fit
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	cause := errors.New("client is gone")
	next, stop := iter.Pull2(s.Generate(ctx, long))
	defer stop()
	if _, err, ok := next(); err != nil || !ok {
		t.Fatalf("got %v, %t, want a chunk", err, ok)
	}
	waiting, end := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer end()
	if got, err := get(waiting, s, long); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("in the queue: got %+v, %v", got, err)
	}
	cancel(cause) // while nobody reads
	eventually(t, "pages are free", func() bool { n := s.Stats(); return n.Engine.Free == 60 && n.Active == 0 && n.Queued == 0 })
	if _, err, _ := next(); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause", err)
	}
	if _, err := get(ctx, s, long); !errors.Is(err, cause) {
		t.Errorf("got %v, want the cause", err)
	}
}

// TestLeave leaves the loop after a chunk.
func TestLeave(t *testing.T) {
	s := start(t, newFake(60), Options{Ahead: 1})
	long := request(19)
	chunks := 0
	for _, err := range s.Generate(t.Context(), long) {
		if chunks++; err != nil || chunks == 2 {
			break
		}
	}
	eventually(t, "pages are free", func() bool { n := s.Stats(); return n.Engine.Free == 60 && n.Active == 0 })
	if got, err := get(t.Context(), s, long); err != nil || !got.equal(want(t, s, 0, long)) {
		t.Errorf("after it: got %+v, %v", got, err)
	}
}

// TestSlowReader has a reader that stops reading: its answer stops some chunks
// ahead, the others go on, even where a pass has one place.
func TestSlowReader(t *testing.T) {
	e := newFake(1000)
	s := start(t, e, Options{MaxBatch: 1, Ahead: 2})
	slow := request(39)
	got := answer{}
	for c, err := range s.Generate(t.Context(), slow) {
		if err != nil {
			t.Fatal(err)
		}
		if got.text == "" { // after the first chunk, while this loop stands still
			for n := range 5 {
				checkAnswer(t, s, n)
			}
			eventually(t, "the slow one stays", func() bool { return s.Stats().Active == 1 })
		}
		got.add(c)
	}
	if w := want(t, s, 0, slow); !got.equal(w) {
		t.Errorf("got %+v, want %+v", got, w)
	}
}

// TestFair looks at the passes beside long prompts: whoever writes is in each of
// them, and no more rows are read than a chunk has.
func TestFair(t *testing.T) {
	e := newFake(2000)
	g := newGate(e)
	wait := e.run
	var passes [][]Turn
	e.run = func(turns []Turn) error {
		passes = append(passes, slices.Clone(turns))
		return wait(turns)
	}
	s := start(t, e, Options{Chunk: 8})
	var readers sync.WaitGroup
	long := request(39)
	long.Prompt.Tokens = slices.Repeat(long.Prompt.Tokens, 10)
	for n, r := range []Request{request(18), long, long} {
		readers.Go(func() {
			if _, err := get(t.Context(), s, r); err != nil {
				t.Error(err)
			}
		})
		eventually(t, "it is inside", func() bool { return s.Stats().Requests == uint64(n+1) })
	}
	close(g.opened)
	readers.Wait()
	if len(passes) < 100 {
		t.Errorf("%d passes, want those of two long prompts", len(passes))
	}
	for i, turns := range passes {
		if rows, writers := weighed(turns); rows > 8 || writers != 1 && i >= 10 && i < 20 {
			t.Errorf("pass %d: %d rows and %d that write, want 8 rows at most beside the one that writes", i, rows, writers)
		}
	}
}

// weighed returns how many rows turns read and how many of them write.
func weighed(turns []Turn) (rows, writers int) {
	for _, t := range turns {
		rows += t.Rows
		writers += boolean(t.Rows == 0)
	}
	return rows, writers
}

// TestFaults has a pass that goes wrong: its requests end with an error, the
// next are answered.
func TestFaults(t *testing.T) {
	for _, fault := range []func() error{func() error { return errFake }, func() error { panic("bug") }} {
		e := newFake(1000)
		e.run = func([]Turn) error {
			if e.passes.Load() == 3 {
				return fault()
			}
			return nil
		}
		s := start(t, e, Options{})
		if _, err := get(t.Context(), s, request(5)); err == nil || !strings.HasPrefix(err.Error(), "pass of 1 sequences: ") || strings.Contains(err.Error(), "goroutine") {
			t.Errorf("got %v", err)
		}
		checkAnswer(t, s, 5)
	}
}

// TestClose drains: requests inside are answered, new ones are refused.
func TestClose(t *testing.T) {
	e := newFake(1000)
	g := newGate(e)
	s := start(t, e, Options{MaxBatch: 1})
	var readers sync.WaitGroup
	for n := range 4 {
		readers.Go(func() { checkAnswer(t, s, n) })
	}
	eventually(t, "all inside", func() bool { return s.Stats().Requests == 4 })
	closed := make(chan error)
	go func() { closed <- s.Close(t.Context()) }()
	eventually(t, "it is closing", func() bool { return s.room() != nil })
	if got, err := get(t.Context(), s, request(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("got %+v, %v, want ErrClosed", got, err)
	}
	if err := s.Exclusive(t.Context(), func() {}); !errors.Is(err, ErrClosed) {
		t.Errorf("exclusive: got %v, want ErrClosed", err)
	}
	close(g.opened)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	readers.Wait()
}

// TestCloseCutsOff closes with no time to wait.
func TestCloseCutsOff(t *testing.T) {
	e := newFake(1000)
	g := newGate(e)
	s := start(t, e, Options{MaxBatch: 1})
	failed := make(chan error)
	for n := range 2 {
		go func() { _, err := get(t.Context(), s, request(n)); failed <- err }()
	}
	eventually(t, "both inside", func() bool { return s.Stats().Requests == 2 })
	<-g.reached
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	go func() { time.Sleep(10 * time.Millisecond); close(g.opened) }()
	if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context ended", err)
	}
	for range 2 {
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
}

// TestExclusive runs functions between passes.
func TestExclusive(t *testing.T) {
	e := newFake(1000)
	s := start(t, e, Options{})
	var callers sync.WaitGroup
	ran := 0
	for n := range 10 {
		callers.Go(func() {
			if err := s.Exclusive(t.Context(), func() { defer e.enter()(); ran++ }); err != nil {
				t.Error(err)
			}
		})
		callers.Go(func() {
			if _, err := get(t.Context(), s, request(n)); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if ran != 10 {
		t.Errorf("ran %d functions, want 10", ran)
	}
	func() {
		defer func() {
			if p := recover(); fmt.Sprint(p) != "mine" {
				t.Errorf("got panic %v, want that of the function", p)
			}
		}()
		_ = s.Exclusive(t.Context(), func() { panic("mine") })
	}()
	hold := make(chan struct{})
	go func() { _ = s.Exclusive(t.Context(), func() { <-hold }) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	time.Sleep(time.Millisecond)
	err := s.Exclusive(ctx, func() { t.Error("ran after its context ended") })
	if close(hold); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
