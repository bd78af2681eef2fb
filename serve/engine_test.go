package serve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"mole/base"
	"mole/batch"
	"mole/generate"
	"mole/prompt"
	"mole/route"
	"mole/router"
	"mole/spec"
	"mole/tokenizer"
)

// speaker is a generator that says what it is told.
type speaker struct {
	pieces []string // of the answer
	err    error    // after them
	stale  int      // so many requests first hear that the adapter has changed
	hold   chan struct{}
	finish generate.Finish

	mu       sync.Mutex
	requests []generate.Request
	ended    int // answers that nobody reads any more, or that are whole
}

// Generate implements [Generator].
func (s *speaker) Generate(ctx context.Context, r generate.Request) iter.Seq2[generate.Chunk, error] {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	stale := len(s.requests) <= s.stale
	s.mu.Unlock()
	return func(yield func(generate.Chunk, error) bool) {
		if stale {
			yield(generate.Chunk{}, fmt.Errorf("%w: it is new", generate.ErrChanged))
			return
		}
		defer func() {
			s.mu.Lock()
			s.ended++
			s.mu.Unlock()
		}()
		for i, text := range s.pieces {
			if err := s.wait(ctx, i); err != nil {
				yield(generate.Chunk{}, err)
				return
			}
			c := generate.Chunk{Text: text, Tokens: s.tokens(r, text)}
			if i == len(s.pieces)-1 && s.err == nil {
				c.Finish, c.Usage = cmp.Or(s.finish, generate.Stop), generate.Usage{Prompt: len(r.Prompt.Tokens), Cached: 3, Answer: len(s.pieces)}
			}
			if !yield(c, nil) {
				return
			}
		}
		if s.err != nil {
			yield(generate.Chunk{}, s.err)
		}
	}
}

// wait waits before each piece but the first, if it is to.
func (s *speaker) wait(ctx context.Context, i int) error {
	if i == 0 || s.hold == nil {
		return nil
	}
	select {
	case <-s.hold:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tokens returns one token for a piece, if the request wants them.
func (s *speaker) tokens(r generate.Request, text string) []generate.Token {
	if !r.LogProbs {
		return nil
	}
	t := generate.Token{Bytes: []byte(text), LogProb: -0.5}
	for i := range r.Top {
		t.Top = append(t.Top, generate.Alternative{Bytes: []byte{byte('a' + i)}, LogProb: -float64(i)})
	}
	return []generate.Token{t}
}

// last returns the newest request.
func (s *speaker) last(t *testing.T) generate.Request {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		t.Fatal("nobody asked the generator")
	}
	return s.requests[len(s.requests)-1]
}

// shelf is a set of adapters in memory.
type shelf struct {
	mu   sync.Mutex
	list map[string]AdapterInfo
}

// List implements [Adapters].
func (s *shelf) List() []AdapterInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.list))
}

// Set implements [Adapters].
func (s *shelf) Set(name, dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasSuffix(dir, "broken") {
		return fmt.Errorf("%s: no adapter_config.json", dir)
	}
	s.list[name] = AdapterInfo{Name: name, Dir: dir, Generation: s.list[name].Generation + 1, Loaded: true}
	return nil
}

// Remove implements [Adapters].
func (s *shelf) Remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.list[name]; !ok {
		return fmt.Errorf("adapter %s: %w", name, generate.ErrNoAdapter)
	}
	delete(s.list, name)
	return nil
}

// tiny opens the embedded network once for all tests.
var tiny = sync.OnceValues(func() (*base.Base, error) { return base.Open(context.Background(), base.Tiny) })

// tinyTokenizer returns the tokenizer of the embedded network.
func tinyTokenizer(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	b, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	return b.Tokenizer
}

// trained is what the adapters of tests were trained to read.
func trained(name string) *spec.Expert {
	text, _ := prompt.ComputerSystem(prompt.ComputerV1)
	return &spec.Expert{
		Version: 1, Expert: name, PromptID: prompt.ComputerV1, Prompt: prompt.Digest(text),
		Image: spec.Image{Patch: 16, Merge: 2, MinTokens: 4, MaxTokens: 64, Resample: "bicubic-torchvision"},
	}
}

// speaking returns a deployment with a router and a generator, and adapters for
// desktop, which was trained with a prompt of ours, and calendar, of which nobody
// knows.
func speaking(t testing.TB, r Router, g Generator) *Deployment {
	t.Helper()
	b, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	renderer, err := prompt.New(b.Tokenizer, b.Vision.MergeSize)
	if err != nil {
		t.Fatal(err)
	}
	d := deployment("1", r)
	d.About.Digest = "0123abcd"
	d.Engine = &Engine{
		Base: "tiny", Generator: g, Renderer: renderer, Vision: b.Vision,
		Adapters: &shelf{list: map[string]AdapterInfo{
			"desktop":  {Name: "desktop", Generation: 7, Loaded: true, Expert: trained("desktop")},
			"calendar": {Name: "calendar", Generation: 2},
		}},
		Figures: func() Figures { return Figures{Running: 2, AdapterLoads: 5} },
	}
	return d
}

// unsure is a decision for desktop that is not to be relied on.
var unsure = func() route.Answer {
	a := sure
	a.Decision = router.Decision{Expert: "desktop", Label: 3, Probs: []float64{0.3, 0.3, 0.4}, Confidence: 0.4, Distance: 3, Unsure: true, Reason: "probability 0.40"}
	return a
}()

// dot is a small picture.
var dot = func() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		panic(err)
	}
	return b.Bytes()
}()

// dotURL is dot as an address with data.
var dotURL = "data:image/png;base64," + b64(dot)

// ask is a request with a text and a picture.
func ask(model string, more map[string]any) map[string]any {
	q := map[string]any{"model": model, "messages": []any{map[string]any{"role": "user", "content": []any{
		map[string]any{"type": "image_url", "image_url": map[string]any{"url": dotURL}}, map[string]any{"type": "text", "text": "open it"},
	}}}}
	maps.Copy(q, more)
	return q
}

// problemOf returns the members of an error in OpenAI's form.
func problemOf(t *testing.T, a map[string]any) (message, kind, param, code string) {
	t.Helper()
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Error struct{ Message, Type, Param, Code string }
	}
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f.Error.Message, f.Error.Type, f.Error.Param, f.Error.Code
}

// count returns how often a control token is in a prompt.
func count(t *testing.T, e batch.Example, token string) int {
	t.Helper()
	id, ok := tinyTokenizer(t).ID(token)
	if !ok {
		t.Fatalf("no token %q", token)
	}
	n := 0
	for _, k := range e.Tokens {
		if k == id {
			n++
		}
	}
	return n
}

// same checks that two values print alike.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
