package answer_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"mole/answer"
	"mole/base"
	"mole/batch"
	"mole/device/cpu"
	"mole/generate"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/prompt"
	"mole/spec"
	"mole/vision"
)

// names are the adapters of the tests.
var names = []string{"a", "b", "c", "d", "e", "f", "g", "h"}

// open opens the embedded network with an adapter of each name.
func open(t *testing.T, o answer.Options) *answer.Writer {
	t.Helper()
	o.Base, o.Keys = base.Tiny, 64<<20
	w, err := answer.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	places := sites(t, w)
	for i, name := range names {
		dir := filepath.Join(t.TempDir(), name)
		if err := adapter(t, places, uint64(i)).Save(dir); err != nil {
			t.Fatal(err)
		}
		if err := w.Set(name, dir); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// sites returns the places that an adapter of w's network may have.
func sites(t *testing.T, w *answer.Writer) []lora.Site {
	t.Helper()
	dev, err := cpu.Open(cpu.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dev.Close() }()
	m, err := qwen3vl.New(dev, w.Base.Config, w.Base.Weights)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	return m.Sites()
}

// adapter returns one that changes much.
func adapter(t *testing.T, sites []lora.Site, seed uint64) *lora.Adapter {
	t.Helper()
	targets, err := lora.Preset("text")
	if err != nil {
		t.Fatal(err)
	}
	a, err := lora.New(lora.Config{Rank: 4, Alpha: 8, Targets: targets, InitWeights: true}, sites, seed)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 9))
	for _, p := range a.Pairs {
		for i := range p.B {
			p.B[i] = 0.5 * (2*r.Float32() - 1)
		}
	}
	return a
}

// question renders a question about a grey picture.
func question(t *testing.T, w *answer.Writer, text string) batch.Example {
	t.Helper()
	im := &vision.Image{W: 64, H: 64, RGB: []uint8(strings.Repeat("\x60\x80\xa0", 64*64))}
	p, err := vision.Patchify(im, w.Base.Vision)
	if err != nil {
		t.Fatal(err)
	}
	e, err := w.Renderer.Example(prompt.Conversation{Messages: []prompt.Message{
		{Role: prompt.System, Parts: []prompt.Part{{Text: strings.Repeat("You see a screen. ", 20)}}},
		{Role: prompt.User, Parts: []prompt.Part{{Image: p}, {Text: text}}},
	}}, prompt.Options{Generate: true})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// say returns the tokens of an answer.
func say(t *testing.T, w *answer.Writer, r generate.Request) []int32 {
	t.Helper()
	r.LogProbs = true
	var ids []int32
	for c, err := range w.Generate(t.Context(), r) {
		if err != nil {
			t.Error(err)
			return nil
		}
		for _, token := range c.Tokens {
			ids = append(ids, token.ID)
		}
	}
	return ids
}

// TestBesideOthers asks the same of each adapter and of the base network alone,
// and beside 1, 2 and 8 other requests: the tokens are the same.
func TestBesideOthers(t *testing.T) {
	w := open(t, answer.Options{Workers: 2, MaxBatch: 9})
	ask := func(name string) []int32 {
		return say(t, w, generate.Request{
			Prompt: question(t, w, "what is "+name), Adapter: name, MaxTokens: 12, Sampling: generate.Sampling{Temperature: 1, Seed: 3},
		})
	}
	who := append([]string{""}, names...)
	alone := map[string][]int32{}
	for _, name := range who {
		alone[name] = ask(name)
		if len(alone[name]) < 2 {
			t.Fatalf("%q says %v", name, alone[name])
		}
	}
	if slices.Equal(alone["a"], alone["b"]) && slices.Equal(alone["b"], alone["c"]) {
		t.Error("adapters change nothing")
	}
	for _, others := range []int{1, 2, 8} {
		var all sync.WaitGroup
		for i := range others + 1 {
			name := who[i%len(who)]
			all.Go(func() {
				if got := ask(name); !slices.Equal(got, alone[name]) {
					t.Errorf("%q beside %d others: got %v, alone %v", name, others, got, alone[name])
				}
			})
		}
		all.Wait()
	}
}

// TestCached asks twice: what the prompts begin with is computed once.
func TestCached(t *testing.T) {
	w := open(t, answer.Options{Workers: 1})
	var usage [2]generate.Usage
	var texts [2]string
	for i := range usage {
		for c, err := range w.Generate(t.Context(), generate.Request{Prompt: question(t, w, "again"), Adapter: "a", MaxTokens: 6}) {
			if err != nil {
				t.Fatal(err)
			}
			texts[i] += c.Text
			usage[i] = c.Usage
		}
	}
	if usage[0].Cached != 0 || usage[1].Cached < 64 || usage[1].Prompt != usage[0].Prompt || texts[0] != texts[1] {
		t.Errorf("got %q with %+v, then %q with %+v, want the same with 64 tokens cached at least", texts[0], usage[0], texts[1], usage[1])
	}
}

// TestOtherBase refuses adapters that were trained on something else.
func TestOtherBase(t *testing.T) {
	w := open(t, answer.Options{Workers: 1})
	for i, e := range []string{
		fmt.Sprintf(`{"version":1,"expert":"x","base_model":%q}`, strings.Repeat("0", 64)),
		fmt.Sprintf(`{"version":1,"expert":"x","base_model":%q,"tokenizer_sha256":"0123"}`, w.Base.Digest),
		fmt.Sprintf(`{"version":1,"expert":"x","base_model":%q,"tokenizer_sha256":%q}`, w.Base.Digest, w.Base.Tokenizer.Digest()),
	} {
		dir := t.TempDir()
		write(t, w, dir, e)
		err := w.Set("x", dir)
		want := []string{"trained on the base model with digest 000000000000", "trained with the tokenizer of digest 0123", ""}[i]
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", e, err, want)
		}
	}
}

// TestOpenRefuses names what cannot be opened.
func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct {
		o    answer.Options
		want string
	}{
		{answer.Options{Base: filepath.Join(t.TempDir(), "none")}, "no such directory"},
		{answer.Options{Keys: 100}, "room for 0 tokens"},
	} {
		if _, err := answer.Open(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.o, err, tt.want)
		}
	}
}

// write writes an adapter with what it was trained to read.
func write(t *testing.T, w *answer.Writer, dir, expert string) {
	t.Helper()
	if err := adapter(t, sites(t, w), 1).Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, spec.ExpertFile), []byte(expert), 0o666); err != nil {
		t.Fatal(err)
	}
}
