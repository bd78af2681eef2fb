package serve

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mole/generate"
)

// signer is a generator whose adapters sign their answers, as slow as a small
// network.
type signer struct{ at atomic.Int32 }

// Generate implements [Generator].
func (s *signer) Generate(ctx context.Context, r generate.Request) iter.Seq2[generate.Chunk, error] {
	return func(yield func(generate.Chunk, error) bool) {
		s.at.Add(1)
		defer s.at.Add(-1)
		const pieces = 20
		for i := range pieces {
			select {
			case <-ctx.Done():
				yield(generate.Chunk{}, ctx.Err())
				return
			case <-time.After(time.Millisecond):
			}
			c := generate.Chunk{Text: "<" + r.Adapter + ">"}
			if i == pieces-1 {
				c.Finish = generate.Stop
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// soak is what came of many requests.
type soak struct {
	url    string
	mu     sync.Mutex
	status map[int]int
	health []time.Duration
	signed atomic.Int64 // pieces with the right signature
}

// TestSoak asks for four times as much as the queue takes, with clients that read
// slowly or go away, while adapters come and go and some are broken: every answer
// is signed by who was asked, what is too much is refused, and nothing is left
// over.
func TestSoak(t *testing.T) {
	length := 300 * time.Millisecond
	if os.Getenv("MOLE_TEST_HEAVY") != "" {
		length = 8 * time.Second
	}
	before := runtime.NumGoroutine()
	root := t.TempDir()
	for _, dir := range []string{"good", "broken"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	g := &signer{}
	server, url, stop := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g)), MaxQueue: 8, ClientTime: 200 * time.Millisecond, AdminTokenFile: file(t, adminToken), AdapterRoot: root})
	ready(t, url)
	s := &soak{url: url, status: map[int]int{}}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() { s.client(ctx, t, rand.New(rand.NewPCG(420, uint64(i)))) })
	}
	group.Go(func() { s.swap(ctx, t) })
	group.Go(func() { s.look(ctx, t) })
	group.Wait()
	until(t, "nothing is at work", func() bool { return g.at.Load() == 0 && len(server.queue) == 0 })
	http.DefaultClient.CloseIdleConnections() // the server would wait for those that never sent a request
	if err := stop(); err != nil {
		t.Error(err)
	}
	until(t, "no goroutine is left over", func() bool { return runtime.NumGoroutine() <= before+2 })
	slices.Sort(s.health)
	t.Logf("%d signed pieces, statuses %v; /health p50 %v, p99 %v of %d", s.signed.Load(), s.status, s.health[len(s.health)/2], s.health[len(s.health)*99/100], len(s.health))
	if s.status[200] == 0 || s.status[503] == 0 || s.signed.Load() == 0 {
		t.Errorf("got statuses %v and %d signed pieces, want answers and refusals", s.status, s.signed.Load())
	}
}

// client asks again and again.
func (s *soak) client(ctx context.Context, t *testing.T, random *rand.Rand) {
	for ctx.Err() == nil {
		model := []string{"desktop", "calendar", "swapped", "broken"}[random.IntN(4)]
		one, cancel := context.WithTimeout(ctx, time.Duration(1+random.IntN(80))*time.Millisecond)
		s.ask(one, t, model, random.IntN(8) == 0)
		cancel()
	}
}

// ask asks once, and checks who signed. A slow client reads little of its answer,
// and late.
func (s *soak) ask(ctx context.Context, t *testing.T, model string, slow bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(jsonOf(t, ask(model, map[string]any{"stream": true}))))
	if err != nil {
		t.Error(err)
		return
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return // its time was over
	}
	defer func() { _ = w.Body.Close() }()
	s.mu.Lock()
	s.status[w.StatusCode]++
	s.mu.Unlock()
	if slow {
		<-ctx.Done()
		return
	}
	s.check(t, w, model)
}

// check checks an answer.
func (s *soak) check(t *testing.T, w *http.Response, model string) {
	switch w.StatusCode {
	case http.StatusOK:
		s.read(t, w.Body, model)
	case http.StatusServiceUnavailable:
		if w.Header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		time.Sleep(10 * time.Millisecond) // less patient than Retry-After, but not idle work for this machine
	case http.StatusNotFound:
		if model != "swapped" && model != "broken" {
			t.Errorf("%s was not there", model)
		}
	default:
		text, _ := io.ReadAll(w.Body)
		t.Errorf("%s: got %d and %s", model, w.StatusCode, text)
	}
}

// read reads an answer and checks its signatures.
func (s *soak) read(t *testing.T, body io.Reader, model string) {
	for in := bufio.NewScanner(body); in.Scan(); {
		_, signed, found := strings.Cut(in.Text(), `"content":"\u003c`)
		switch {
		case !found:
		case strings.HasPrefix(signed, model+`\u003e"`):
			s.signed.Add(1)
		default:
			t.Errorf("%s: got %s", model, in.Text())
		}
	}
}

// swap loads and unloads an adapter, and tries one that is broken.
func (s *soak) swap(ctx context.Context, t *testing.T) {
	for i := 0; ctx.Err() == nil; i++ {
		want, body := http.StatusOK, `{"name":"swapped","dir":"good"}`
		if i%3 == 2 {
			want, body = http.StatusBadRequest, `{"name":"broken","dir":"broken"}`
		}
		if status, _, a := call(t, http.MethodPost, s.url+"/v1/adapters", adminToken, body); status != want {
			t.Errorf("got %d and %v, want %d", status, a, want)
		}
		if i%3 == 1 {
			call(t, http.MethodDelete, s.url+"/v1/adapters/swapped", adminToken, "")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// look asks for /health.
func (s *soak) look(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		begin := time.Now()
		status, _, _ := get(t, s.url+"/health")
		s.health = append(s.health, time.Since(begin))
		if status != http.StatusOK {
			t.Error(fmt.Sprint("health: got ", status))
		}
		time.Sleep(5 * time.Millisecond)
	}
}
