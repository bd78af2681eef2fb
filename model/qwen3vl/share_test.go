package qwen3vl

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"mole/batch"
	"mole/device"
	"mole/device/cpu"
	"mole/internal/kernel"
	"mole/lora"
	"mole/tensor"
	"mole/vision"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func share(t *testing.T, m *Model, ex ...batch.Example) *batch.Batch {
	t.Helper()
	b, err := batch.Share(m.Layout(), ex)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// screenExamples are six router examples about two screens under one system
// prompt, of which two are equal and one is the beginning of another.
func screenExamples(c *Config) []batch.Example {
	one, two := picture(c, 4, 6, 1), picture(c, 6, 4, 2)
	ask := func(im *vision.Patches, question int, answer ...int32) batch.Example {
		e := example(c, 1, 5, 9, 12, im, question, 33, answer)
		e.Weight = 0.25
		return e
	}
	return []batch.Example{
		ask(one, 14, 21, 2), ask(two, 14, 22, 2), ask(one, 15, 21, 55, 2), ask(one, 14, 23), ask(two, 14, 22, 2), ask(one, 14, 21),
	}
}

// TestShared compares what examples share computed once with each example
// packed on its own, on every tier.
func TestShared(t *testing.T) {
	for _, tier := range kernel.Tiers() {
		m := newModel(t, cpu.Options{Tier: tier.String()}, noise(11))
		for _, preset := range []string{"text", "full", "reference"} {
			t.Run(tier.String()+" "+preset, func(t *testing.T) {
				n := newNet(t, m, preset)
				ex := screenExamples(m.Config())
				packed, shared := pack(t, m, ex...), share(t, m, ex...)
				if got, want := len(shared.Tokens), 4+2*8+2*2+2*2+3+3; got > want || got < len(packed.Tokens)/4 {
					t.Errorf("%d tokens of %d, want at most %d", got, len(packed.Tokens), want)
				}
				wantLosses, want := gradients(t, n, packed)
				gotLosses, got := gradients(t, n, shared)
				near(t, "losses", gotLosses, wantLosses)
				nearAll(t, got, want)
			})
		}
	}
}

// TestTokenWeights compares the gradient of a tree whose tokens have weights with
// the sum of the gradients of its labels one by one, times their weights.
func TestTokenWeights(t *testing.T) {
	m := newModel(t, cpu.Options{Tier: "generic"}, noise(14))
	n := newNet(t, m, "full")
	whole := screenExamples(m.Config())
	want := map[string][]float32{}
	for i := range whole {
		e := &whole[i]
		e.Weights = make([]float32, len(e.Tokens))
		for k, label := range e.Labels {
			if label == batch.Ignore {
				continue
			}
			e.Weights[k] = []float32{0.5, 0, 3}[(i+k)%3]
			one := *e
			one.Weight, one.Weights = 1, make([]float32, len(e.Tokens))
			one.Weights[k] = 1
			_, alone := gradients(t, n, pack(t, m, one))
			for name, g := range alone {
				want[name] = plus(want[name], g, e.Weight*e.Weights[k])
			}
		}
	}
	_, got := gradients(t, n, share(t, m, whole...))
	nearAll(t, got, want)
}

// plus returns sum + factor·v; nil is a sum of nothing.
func plus(sum, v []float32, factor float32) []float32 {
	if sum == nil {
		sum = make([]float32, len(v))
	}
	for i := range v {
		sum[i] += factor * v[i]
	}
	return sum
}

// drawTree draws examples that often begin alike.
func drawTree(t *rapid.T, c *Config, pool []*vision.Patches) []batch.Example {
	var ex []batch.Example
	for range rapid.IntRange(1, 6).Draw(t, "examples") {
		var pieces []any
		for range rapid.IntRange(1, 5).Draw(t, "pieces") {
			switch i := rapid.IntRange(0, 4+len(pool)).Draw(t, "piece"); i {
			case 0, 1, 2:
				pieces = append(pieces, 10+i)
			case 3, 4:
				pieces = append(pieces, []int32{int32(20 + i), 7})
			default:
				pieces = append(pieces, pool[i-5])
			}
		}
		// The first token cannot be supervised, and one must be.
		e := example(c, append(append([]any{1}, pieces...), []int32{2})...)
		e.Weight = rapid.SampledFrom([]float32{0, 0.5}).Draw(t, "weight")
		if rapid.Bool().Draw(t, "token weights") {
			for i := range e.Tokens {
				e.Weights = append(e.Weights, float32(i%3)) // 0 among them
			}
		}
		ex = append(ex, e)
	}
	return ex
}

// TestSharedTrees compares random trees with plain packing.
func TestSharedTrees(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(12))
	n := newNet(t, m, "full")
	c := m.Config()
	pool := []*vision.Patches{picture(c, 2, 4, 1), picture(c, 4, 2, 2)}
	rapid.Check(t, func(r *rapid.T) {
		ex := drawTree(r, c, pool)
		wantLosses, want := gradients(t, n, pack(t, m, ex...))
		gotLosses, got := gradients(t, n, share(t, m, ex...))
		near(t, "losses", gotLosses, wantLosses)
		nearWhole(t, got, want)
		if t.Failed() {
			r.FailNow()
		}
	})
}

// nearWhole compares gradients of which single tensors may be almost nothing,
// by the size of all of them.
func nearWhole(t *testing.T, got, want map[string][]float32) {
	t.Helper()
	var all, wanted []float32
	for _, k := range slices.Sorted(maps.Keys(want)) {
		all, wanted = append(all, got[k]...), append(wanted, want[k]...)
	}
	near(t, "gradient", all, wanted)
}

// TestSharedSameBytes checks that a tree gives the same bytes with any number
// of workers.
func TestSharedSameBytes(t *testing.T) {
	var want map[string][]float32
	for _, workers := range []int{1, 2, 3} {
		m := newModel(t, cpu.Options{Workers: workers}, noise(13))
		_, got := gradients(t, newNet(t, m, "full"), share(t, m, screenExamples(m.Config())...))
		if want == nil {
			want = got
		}
		if !maps.EqualFunc(got, want, slices.Equal[[]float32]) {
			t.Errorf("%d workers: gradients differ from those of 1", workers)
		}
	}
}

// TestLastLayer compares passes whose last layer computes the rows of labels
// only with passes that compute all rows, which a trace brings about.
func TestLastLayer(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(14))
	c := m.Config()
	batches := map[string]*batch.Batch{
		"packed": pack(t, m, examples(c)...), "shared": share(t, m, screenExamples(c)...),
		"every row": pack(t, m, example(c, 1, []int32{2, 3, 4}), example(c, 1, []int32{9})),
	}
	adapters := map[string]*lora.Adapter{
		"text": noisyAdapter(t, m, "text"), "full": noisyAdapter(t, m, "full"),
		"last q": noisyPairs(t, m, lora.Targets{List: []string{"model.language_model.layers.3.self_attn.q_proj"}}),
		"last k": noisyPairs(t, m, lora.Targets{List: []string{"model.language_model.layers.3.self_attn.k_proj"}}),
		"head":   noisyPairs(t, m, lora.Targets{List: []string{"lm_head"}}),
	}
	for kind, b := range batches {
		for name, a := range adapters {
			t.Run(kind+" "+name, func(t *testing.T) {
				n, err := m.With(a)
				if err != nil {
					t.Fatal(err)
				}
				defer n.Close()
				gotLosses, got := gradients(t, n, b)
				n.Trace = func(string, tensor.Tensor) {}
				wantLosses, want := gradients(t, n, b)
				near(t, "losses", gotLosses, wantLosses)
				nearAll(t, got, want)
			})
		}
	}
}

// TestOutputs compares what a network says at some rows, in any order and
// several times, with what it says at all of them.
func TestOutputs(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(15))
	n := newNet(t, m, "text")
	b := share(t, m, screenExamples(m.Config())...)
	all, err := n.Outputs(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := []int32{int32(len(b.Tokens)) - 1, 3, 0, 17, 16, 3}
	got, err := n.Outputs(b, rows)
	if err != nil {
		t.Fatal(err)
	}
	c := m.Config().Text
	var logits, hidden []float32
	for _, r := range rows {
		logits = append(logits, all.Logits[int(r)*c.Vocab:][:c.Vocab]...)
		hidden = append(hidden, all.Hidden[int(r)*c.Hidden:][:c.Hidden]...)
	}
	near(t, "logits", got.Logits, logits)
	near(t, "hidden", got.Hidden, hidden)
	for _, r := range []int32{-1, int32(len(b.Tokens))} {
		if _, err := n.Outputs(b, []int32{0, r}); err == nil {
			t.Errorf("row %d of %d: got no error", r, len(b.Tokens))
		}
	}
}

// TestTraceRows checks that a trace holds all rows of the last layer.
func TestTraceRows(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(16))
	n := newNet(t, m, "")
	b := pack(t, m, examples(m.Config())...)
	rows := map[string]int{}
	n.Trace = func(name string, x tensor.Tensor) { rows[name] = x.Shape[0] }
	logits(t, n, b, 4)
	for _, name := range []string{"text.embed", "text.layers.0", "text.layers.3"} {
		if rows[name] != len(b.Tokens) {
			t.Errorf("%s: got %d rows, want %d", name, rows[name], len(b.Tokens))
		}
	}
}

// TestDeepLast runs a network whose last layer takes features of the deep stack.
func TestDeepLast(t *testing.T) {
	c := mustConfig(t, tinyConfig)
	c.Text.Layers = len(c.Vision.DeepStack)
	m, err := New(openDevice(t, cpu.Options{}), c, fill(c.Tensors(), noise(17)))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	n := newNet(t, m, "full")
	ex := screenExamples(c)
	wantLosses, want := gradients(t, n, pack(t, m, ex...))
	gotLosses, got := gradients(t, n, share(t, m, ex...))
	near(t, "losses", gotLosses, wantLosses)
	nearAll(t, got, want)
	text := pack(t, m, example(c, 1, 5, []int32{3}))
	if got := n.asked(text, []int32{1}); !slices.Equal(got, []int32{1}) {
		t.Errorf("without images: got rows %v, want [1]", got)
	}
}

func TestAskedSegments(t *testing.T) {
	b := &batch.Batch{ // 0..3, below it 4..6 and 7..9, and 10..11 alone
		Tokens:   make([]int32, 12),
		Segments: []batch.Segment{{Start: 0, Parent: -1}, {Start: 4, Parent: 0}, {Start: 7, Parent: 0}, {Start: 10, Parent: -1}},
	}
	span := func(bounds ...int32) (out []device.Span) {
		for i := 0; i < len(bounds); i += 2 {
			out = append(out, device.Span{Start: bounds[i], End: bounds[i+1]})
		}
		return out
	}
	tests := []struct {
		asked []int32
		want  []device.Segment
	}{
		{[]int32{0}, []device.Segment{{Start: 0, End: 1, Key: 0, Causal: true}}},
		{[]int32{2, 3, 4}, []device.Segment{{Start: 0, End: 2, Key: 2, Causal: true, Past: span(0, 2)}, {Start: 2, End: 3, Key: 4, Causal: true, Past: span(0, 4)}}},
		{[]int32{5, 6, 9}, []device.Segment{{Start: 0, End: 2, Key: 5, Causal: true, Past: span(0, 4, 4, 5)}, {Start: 2, End: 3, Key: 9, Causal: true, Past: span(0, 4, 7, 9)}}},
		{[]int32{3, 7, 11}, []device.Segment{
			{Start: 0, End: 1, Key: 3, Causal: true, Past: span(0, 3)}, {Start: 1, End: 2, Key: 7, Causal: true, Past: span(0, 4)},
			{Start: 2, End: 3, Key: 11, Causal: true, Past: span(10, 11)},
		}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.asked), func(t *testing.T) {
			if diff := cmp.Diff(tt.want, askedSegments(segments(b), tt.asked)); diff != "" {
				t.Errorf("segments (-want +got):\n%s", diff)
			}
		})
	}
}
