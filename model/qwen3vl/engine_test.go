package qwen3vl

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mole/batch"
	"mole/device"
	"mole/device/cpu"
	"mole/internal/kernel"
	"mole/lora"
	"mole/safetensors"
	"mole/vision"

	"github.com/google/go-cmp/cmp"
)

func newEngine(t *testing.T, m *Model, o EngineOptions) *Engine {
	t.Helper()
	e, err := m.NewEngine(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Free)
	return e
}

// attach adds an adapter that differs from others by its strength.
func attach(t *testing.T, e *Engine, preset string, strength float64) int {
	t.Helper()
	a := noisyAdapter(t, e.net.Model, preset)
	for _, p := range a.Pairs {
		p.Scale *= strength
	}
	id, err := e.Attach(a)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// player is a sequence that is run to its end: its prompt in pieces, and then
// some tokens.
type player struct {
	prompt  batch.Example
	adapter int
	piece   int
	answer  []int32

	number, cached int
	left           int // of the prompt
	got            [][]float32
}

func (p *player) turn() Turn {
	if p.left > 0 {
		return Turn{Sequence: p.number, Rows: min(p.piece, p.left)}
	}
	return Turn{Sequence: p.number, Token: p.answer[len(p.got)-1]}
}

func (p *player) done() bool { return p.left == 0 && len(p.got) > len(p.answer) }

func (p *player) open(t *testing.T, e *Engine) {
	t.Helper()
	var err error
	if p.number, p.cached, err = e.Open(p.prompt, p.adapter, len(p.answer)); err != nil {
		t.Fatal(err)
	}
	p.left, p.got = len(p.prompt.Tokens)-p.cached, nil
}

// play runs players together, each as far as it goes, and closes them.
func play(t *testing.T, e *Engine, players ...*player) {
	t.Helper()
	for _, p := range players {
		p.open(t, e)
	}
	for {
		active := slices.DeleteFunc(slices.Clone(players), (*player).done)
		if len(active) == 0 {
			break
		}
		round(t, e, active)
	}
	for _, p := range players {
		e.Close(p.number)
	}
}

func round(t *testing.T, e *Engine, active []*player) {
	t.Helper()
	var turns []Turn
	for _, p := range active {
		turns = append(turns, p.turn())
	}
	logits, err := e.Run(turns)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range active {
		p.left -= turns[i].Rows
		if (logits[i] != nil) != (p.left == 0) {
			t.Fatalf("turn %+v: logits %t with %d tokens of the prompt left", turns[i], logits[i] != nil, p.left)
		}
		if logits[i] != nil {
			p.got = append(p.got, logits[i])
		}
	}
}

// words returns n tokens of text.
func words(n int, seed uint64) []any {
	r := rand.New(rand.NewPCG(seed, 9))
	var list []any
	for range n {
		list = append(list, 1+r.IntN(50))
	}
	return list
}

// story is a prompt of text, with pictures if there are some.
func story(c *Config, n int, seed uint64, pictures ...*vision.Patches) batch.Example {
	pieces := words(n, seed)
	for i, p := range pictures {
		pieces = slices.Insert(pieces, len(pieces)-3-i, any(p))
	}
	return example(c, pieces...)
}

// inBF16 returns m with its matrices in bfloat16.
func inBF16(m memory) memory {
	out := memory{}
	for name, x := range m {
		data := make([]byte, len(x.Data)/2)
		for i := range len(data) / 2 {
			copy(data[2*i:], x.Data[4*i+2:][:2])
		}
		out[name] = safetensors.Tensor{DType: "BF16", Shape: x.Shape, Data: data}
	}
	return out
}

// engineModels calls f with a network on every tier, in both types of weights.
func engineModels(t *testing.T, f func(t *testing.T, m *Model)) {
	for _, tier := range kernel.Tiers() {
		for _, bf16 := range []bool{false, true} {
			c := mustConfig(t, tinyConfig)
			weights := fill(c.Tensors(), noise(21))
			o := cpu.Options{Tier: tier.String(), Workers: 2}
			if bf16 {
				weights, o.Precision = inBF16(weights), cpu.BF16
			}
			t.Run(fmt.Sprintf("%v bf16=%t", tier, bf16), func(t *testing.T) {
				m, err := New(openDevice(t, o), c, weights)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(m.Close)
				f(t, m)
			})
		}
	}
}

// others returns players that do all kinds of things beside another.
func others(c *Config, n int, adapters []int) []*player {
	var list []*player
	for i := range n {
		p := &player{
			prompt: story(c, 5+13*i, uint64(40+i)), adapter: adapters[i%len(adapters)], piece: 3 + 20*i,
			answer: []int32{9, 4, 33, 8, 1, 2, 3, 7, 8, 9}[:1+i],
		}
		if i%3 == 1 {
			p.prompt = story(c, 20, uint64(40+i), picture(c, 4, 6, uint64(i)))
		}
		list = append(list, p)
	}
	return list
}

// TestEngineBytes checks that a sequence gives the same bytes however its prompt
// is cut, and whatever runs beside it.
func TestEngineBytes(t *testing.T) {
	engineModels(t, func(t *testing.T, m *Model) {
		e := newEngine(t, m, EngineOptions{Tokens: 4096})
		c := m.Config()
		adapters := []int{0, attach(t, e, "text", 1), attach(t, e, "text", 0.5), attach(t, e, "full", 0.7)}
		one, two := picture(c, 4, 6, 5), picture(c, 6, 2, 6)
		for k, adapter := range []int{0, 1, 3} {
			want := &player{prompt: story(c, 150, 3, one, two, one), adapter: adapter, piece: 1000, answer: []int32{7, 61, 12}}
			play(t, e, want)
			for i, piece := range []int{1, 7, 64, 1000} {
				got := *want
				got.piece = piece
				drop(e)
				play(t, e, append(others(c, []int{2, 8, 0, 1}[i], adapters[k:]), &got)...)
				same(t, fmt.Sprintf("adapter %d, pieces of %d", adapter, piece), got.got, want.got)
			}
		}
		leftNothing(t, e)
	})
}

// drop forgets all beginnings of prompts.
func drop(e *Engine) {
	for adapter := range e.nets {
		e.pager.forget(adapter)
	}
}

func same(t *testing.T, what string, got, want [][]float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d logits, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("%s: logits %d differ by %.2g", what, i, relative(got[i], want[i]))
		}
	}
}

// leftNothing checks that no page is lost.
func leftNothing(t *testing.T, e *Engine) {
	t.Helper()
	if s := e.Stats(); s.Free+s.Cached != s.Pages || s.Sequences != 0 {
		t.Errorf("got %+v, want every page free or cached", s)
	}
}

// TestEngineAgainstNet compares an engine with passes over whole sequences.
func TestEngineAgainstNet(t *testing.T) {
	for _, page := range []int{5, 64, 100} {
		m := newModel(t, cpu.Options{}, noise(3))
		c := m.Config()
		for i, preset := range []string{"", "text", "full"} {
			e := newEngine(t, m, EngineOptions{Tokens: 400, PageTokens: page})
			n := newNet(t, m, preset)
			p := &player{prompt: story(c, 70, 8, picture(c, 4, 6, 5), picture(c, 6, 2, 6)), piece: 9, answer: []int32{7, 61, 12}}
			if preset != "" {
				p.adapter = attach(t, e, preset, 1)
			}
			play(t, e, append(others(c, i, []int{0, p.adapter}), p)...)
			compareWhole(t, n, p)
		}
	}
}

// compareWhole compares what p gave with a pass over the whole sequence.
func compareWhole(t *testing.T, n *Net, p *player) {
	t.Helper()
	b := pack(t, n.Model, p.prompt)
	next := b.Next(0)
	rows := []int32{int32(len(b.Tokens)) - 1}
	for i, id := range p.answer {
		at := next + int32(i)
		rows = append(rows, int32(len(b.Tokens)))
		b.Tokens, b.Pos = append(b.Tokens, id), append(b.Pos, [3]int32{at, at, at})
	}
	want := logits(t, n, b, rows...)
	near(t, "logits", slices.Concat(p.got...), want)
}

// TestEnginePrefix checks that kept beginnings are found, change nothing, belong
// to one adapter, and end before an image and before the last token.
func TestEnginePrefix(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(5))
	c := m.Config()
	e := newEngine(t, m, EngineOptions{Tokens: 640, PageTokens: 16})
	a, b := attach(t, e, "text", 1), attach(t, e, "text", 0.5)
	screen := picture(c, 4, 4, 1)
	system := words(40, 1)
	ask := func(adapter int, pieces ...any) *player {
		return &player{prompt: example(c, slices.Concat(system, pieces)...), adapter: adapter, piece: 7, answer: []int32{3}}
	}
	tests := []struct {
		player *player
		cached int
	}{
		{ask(a, words(60, 2)...), 0},
		{ask(a, words(60, 2)...), 96},
		{ask(a, slices.Concat(words(30, 2), words(5, 3))...), 64},
		{ask(b, words(60, 2)...), 0},
		{ask(a, screen, 3, 4), 32},
		{ask(a, screen, 3, 4), 32},
		{ask(0, words(8, 5)...), 0},
		{ask(0, words(8, 5)...), 32}, // 48 tokens, of which the last is run
	}
	for i, tt := range tests {
		play(t, e, tt.player)
		if tt.player.cached != tt.cached {
			t.Errorf("prompt %d: %d tokens cached, want %d", i, tt.player.cached, tt.cached)
		}
		drop := newEngine(t, m, EngineOptions{Tokens: 320, PageTokens: 16})
		alone := *tt.player
		if alone.adapter != 0 {
			alone.adapter = attach(t, drop, "text", map[int]float64{a: 1, b: 0.5}[alone.adapter])
		}
		play(t, drop, &alone)
		same(t, fmt.Sprintf("prompt %d", i), tt.player.got, alone.got)
	}
	leftNothing(t, e)
	kept := e.Stats().Cached
	e.Detach(a)
	if s := e.Stats(); s.Cached >= kept || s.Adapters != 1 || s.Free+s.Cached != s.Pages {
		t.Errorf("after detach: %+v", s)
	}
}

// TestEngineShares checks that sequences that are open at one time share pages.
func TestEngineShares(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(5))
	e := newEngine(t, m, EngineOptions{Tokens: 160, PageTokens: 16})
	prompt := example(m.Config(), words(70, 1)...)
	var first, second, third player
	first = player{prompt: prompt, piece: 1000, answer: []int32{3, 4}}
	second = first
	third = first
	first.open(t, e)
	second.open(t, e)
	round(t, e, []*player{&first, &second}) // both compute the same pages, and keep one of each
	if s := e.Stats(); s.Free != 4 || s.Cached != 0 {
		t.Errorf("two alike: %+v, want 4 pages free of 10", s)
	}
	third.open(t, e)
	if third.cached != 64 || e.Stats().Free != 3 {
		t.Errorf("a third: %d tokens cached and %+v", third.cached, e.Stats())
	}
	for !third.done() {
		round(t, e, []*player{&third})
	}
	round(t, e, []*player{&first, &second})
	same(t, "second", second.got, third.got[:2])
	same(t, "first", first.got, third.got[:2])
	for _, p := range []player{first, second, third} {
		e.Close(p.number)
	}
	leftNothing(t, e)
}

// TestEnginePages checks what happens when there is no room.
func TestEnginePages(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(5))
	e := newEngine(t, m, EngineOptions{Tokens: 64, PageTokens: 8})
	prompt := func(n int, seed uint64) batch.Example { return example(m.Config(), words(n, seed)...) }
	if _, _, err := e.Open(prompt(60, 1), 0, 5); !errors.Is(err, ErrTooLong) {
		t.Errorf("65 tokens: got %v, want %v", err, ErrTooLong)
	}
	for _, answer := range []int{math.MaxInt, -1} {
		if _, _, err := e.Open(prompt(6, 1), 0, answer); !errors.Is(err, ErrTooLong) {
			t.Errorf("an answer of %d: got %v, want %v", answer, err, ErrTooLong)
		}
	}
	play(t, e, &player{prompt: prompt(33, 1), piece: 100}) // keeps 4 pages
	open, _, err := e.Open(prompt(28, 2), 0, 4)            // takes the other 4
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Open(prompt(33, 3), 0, 0); !errors.Is(err, ErrNoPages) {
		t.Errorf("5 pages of 4: got %v, want %v", err, ErrNoPages)
	}
	if got, want := e.Stats(), (EngineStats{Pages: 8, Cached: 4, Sequences: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	third, cached, err := e.Open(prompt(17, 1), 0, 7) // has two of the kept pages, and gives up another
	if err != nil || cached != 16 {
		t.Fatalf("got %d tokens cached, %v, want 16", cached, err)
	}
	if got, want := e.Stats(), (EngineStats{Pages: 8, Cached: 1, Sequences: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	e.Close(open)
	e.Close(third)
	leftNothing(t, e)
}

// TestEngineFeatures checks when the tower runs.
func TestEngineFeatures(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(5))
	c := m.Config()
	e := newEngine(t, m, EngineOptions{Tokens: 640})
	text, full := attach(t, e, "text", 1), attach(t, e, "full", 1)
	screen := picture(c, 4, 4, 1)
	prompt := example(c, 4, screen, 5)
	play(t, e, &player{prompt: prompt, adapter: full, piece: 3})
	if screen.Features != nil {
		t.Error("features of an adapted tower stay with the image")
	}
	first := &player{prompt: prompt, adapter: text, piece: 3}
	play(t, e, first)
	if screen.Features == nil {
		t.Fatal("features of the tower are lost")
	}
	kept := *screen.Features
	screen.Pixels = nil
	second := &player{prompt: prompt, adapter: text, piece: 3}
	play(t, e, second)
	same(t, "with features", second.got, first.got)
	if d := cmp.Diff(kept, *screen.Features); d != "" {
		t.Error(d)
	}
	if _, _, err := e.Open(prompt, full, 1); err == nil {
		t.Error("an image without pixels was accepted for an adapted tower")
	}
}

// TestBadTurns checks that turns that cannot be change nothing.
func TestBadTurns(t *testing.T) {
	m := newModel(t, cpu.Options{}, sine)
	e := newEngine(t, m, EngineOptions{Tokens: 128})
	prompt := batch.Example{Tokens: []int32{1, 2, 3}}
	for _, bad := range []batch.Example{{}, {Tokens: []int32{64}}, {Tokens: []int32{61}}} {
		if _, _, err := e.Open(bad, 0, 1); err == nil {
			t.Errorf("prompt %v was accepted", bad.Tokens)
		}
	}
	if _, _, err := e.Open(prompt, 1, 1); err == nil {
		t.Error("an adapter that is not there was accepted")
	}
	s, _, err := e.Open(prompt, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(turns ...Turn) {
		t.Helper()
		if _, err := e.Run(turns); err == nil {
			t.Errorf("turns %+v were accepted", turns)
		}
	}
	refuse(Turn{Sequence: s + 1, Rows: 1})
	refuse(Turn{Sequence: s, Token: 1})
	refuse(Turn{Sequence: s, Rows: 4})
	refuse(Turn{Sequence: s, Rows: -1})
	refuse(Turn{Sequence: s, Rows: 1}, Turn{Sequence: s, Rows: 1})
	if out, err := e.Run(nil); err != nil || len(out) > 0 {
		t.Errorf("no turns: %v, %v", out, err)
	}
	if _, err := e.Run([]Turn{{Sequence: s, Rows: 3}}); err != nil {
		t.Fatal(err)
	}
	refuse(Turn{Sequence: s, Rows: 1})
	refuse(Turn{Sequence: s, Token: 64})
	refuse(Turn{Sequence: s, Token: -1})
	if _, err := e.Run([]Turn{{Sequence: s, Token: 2}}); err != nil {
		t.Fatal(err)
	}
	refuse(Turn{Sequence: s, Token: 2})
	e.Close(s)
}

// failing is a device that fails while it is told to.
type failing struct {
	device.Accelerator
	err error
}

func (f *failing) Sync() error { return errors.Join(f.err, f.Accelerator.Sync()) }

// TestBrokenPass checks that after a pass that broke its sequences can only be
// closed, and others run.
func TestBrokenPass(t *testing.T) {
	c := mustConfig(t, tinyConfig)
	f := &failing{Accelerator: openDevice(t, cpu.Options{})}
	m, err := New(f, c, fill(c.Tensors(), sine))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	e := newEngine(t, m, EngineOptions{Tokens: 256, PageTokens: 8})
	var broken, other player
	broken = player{prompt: story(c, 20, 1, picture(c, 2, 2, 1)), piece: 100}
	other = player{prompt: story(c, 20, 1), piece: 9, answer: []int32{4}}
	other.open(t, e)
	round(t, e, []*player{&other})
	for _, rows := range []int{4, 20} { // without logits, and where the tower runs
		broken.open(t, e)
		f.err = errors.New("no power")
		turns := []Turn{{Sequence: broken.number, Rows: min(rows, broken.left)}}
		if _, err := e.Run(turns); !errors.Is(err, f.err) {
			t.Errorf("got %v, want %v", err, f.err)
		}
		f.err = nil
		if _, err := e.Run(turns); err == nil {
			t.Error("a sequence of a pass that broke was run")
		}
		e.Close(broken.number)
	}
	for !other.done() {
		round(t, e, []*player{&other})
	}
	e.Close(other.number)
	leftNothing(t, e)
	alone := player{prompt: other.prompt, piece: 100, answer: other.answer}
	drop(e)
	play(t, e, &alone)
	same(t, "beside a pass that broke", other.got, alone.got)
}

// TestEngineMisuse checks what is a bug of the caller.
func TestEngineMisuse(t *testing.T) {
	m := newModel(t, cpu.Options{}, sine)
	e := newEngine(t, m, EngineOptions{Tokens: 128})
	a := attach(t, e, "text", 1)
	s, _, err := e.Open(batch.Example{Tokens: []int32{1}}, a, 1)
	if err != nil {
		t.Fatal(err)
	}
	panics := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", what)
			}
		}()
		f()
	}
	panics("detach of an adapter in use", func() { e.Detach(a) })
	panics("detach of none", func() { e.Detach(0) })
	panics("detach of another", func() { e.Detach(a + 1) })
	panics("close of another", func() { e.Close(s + 1) })
	e.Close(s)
	e.Detach(a)
	bad := &lora.Adapter{Pairs: []*lora.Pair{{Site: lora.Site{Name: "nowhere"}}}}
	if _, err := e.Attach(bad); err == nil {
		t.Error("an adapter for another network was accepted")
	}
	for _, o := range []EngineOptions{{}, {Tokens: 10}, {Tokens: 64, PageTokens: -1}} {
		if _, err := m.NewEngine(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
