package qwen3vl

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"mole/batch"
	"mole/device/cpu"
	"mole/internal/kernel"
	"mole/lora"
	"mole/tensor"
)

// examples is a mixture of what a batch can hold: two screens, one of them in
// two examples, text alone, and answers of one to three tokens.
func examples(c *Config) []batch.Example {
	a, wide, tall := picture(c, 4, 6, 1), picture(c, 2, 8, 2), picture(c, 6, 2, 3)
	return []batch.Example{
		example(c, 1, 5, a, 9, []int32{31, 2}),
		example(c, 1, 5, wide, tall, 6, []int32{18}),
		example(c, 44, 3, 29, []int32{16, 2}, 38, []int32{49, 17, 2}),
		example(c, a, 14, []int32{20, 2}),
	}
}

// TestPacking compares a packed batch with its examples run alone.
func TestPacking(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(1))
	for _, preset := range []string{"text", "full", "reference"} {
		t.Run(preset, func(t *testing.T) {
			n := newNet(t, m, preset)
			ex := examples(m.Config())
			var losses []float32
			sum := map[string][]float32{}
			for _, e := range ex {
				l, g := gradients(t, n, pack(t, m, e))
				losses = append(losses, l...)
				addTo(sum, g)
			}
			gotLosses, gotGrads := gradients(t, n, pack(t, m, ex...))
			near(t, "losses", gotLosses, losses)
			nearAll(t, gotGrads, sum)
		})
	}
}

func addTo(sum, g map[string][]float32) {
	for k, v := range g {
		if sum[k] == nil {
			sum[k] = make([]float32, len(v))
		}
		for i := range v {
			sum[k][i] += v[i]
		}
	}
}

// TestForest compares a prefix tree made by hand with its paths run alone:
// one screen with two questions, one of which has two answers.
func TestForest(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(2))
	c := m.Config()
	screen := picture(c, 4, 4, 4)
	paths := []batch.Example{
		example(c, 1, screen, 15, []int32{21, 2}),
		example(c, 1, screen, 33, 8, []int32{22, 55}),
		example(c, 1, screen, 33, 8, []int32{23}),
	}
	n := newNet(t, m, "full")
	wantLosses, want := gradients(t, n, pack(t, m, paths...))
	gotLosses, got := gradients(t, n, forest(t, m, paths))
	near(t, "losses", gotLosses, wantLosses)
	nearAll(t, got, want)
}

// forest lays out the paths of TestForest as a tree: the screen, the two
// questions under it, and the answers under those.
func forest(t *testing.T, m *Model, paths []batch.Example) *batch.Batch {
	t.Helper()
	p0, p1, p2 := pack(t, m, paths[0]), pack(t, m, paths[1]), pack(t, m, paths[2])
	root := len(paths[0].Tokens) - 3 // all but the question and the answer of the first path
	b := &batch.Batch{Images: p0.Images, Visual: p0.Visual, Merge: p0.Merge}
	add := func(parent int32, p *batch.Batch, lo, hi int) {
		b.Segments = append(b.Segments, batch.Segment{Start: int32(len(b.Tokens)), Parent: parent})
		b.Tokens = append(b.Tokens, p.Tokens[lo:hi]...)
		b.Pos = append(b.Pos, p.Pos[lo:hi]...)
	}
	add(batch.NoParent, p0, 0, root)
	add(0, p0, root, root+3)
	add(0, p1, root, root+2)
	add(2, p1, root+2, root+4)
	add(2, p2, root+2, root+3)
	start := func(i int) int32 { return b.Segments[i].Start }
	b.Labels = []batch.Label{
		{Row: start(1), Target: 21, Weight: 1}, {Row: start(1) + 1, Target: 2, Weight: 1},
		{Row: start(2) + 1, Target: 22, Weight: 1}, {Row: start(3), Target: 55, Weight: 1},
		{Row: start(2) + 1, Target: 23, Weight: 1},
	}
	return b
}

// TestTwoImages compares the features of two images encoded together with
// those of each alone.
func TestTwoImages(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(4))
	c := m.Config()
	n := newNet(t, m, "full")
	one, two := picture(c, 4, 6, 7), picture(c, 8, 2, 8)
	features := func(ex batch.Example) map[string][]float32 {
		seen := map[string][]float32{}
		n.Trace = func(name string, x tensor.Tensor) { seen[name] = values(t, n, x) }
		logits(t, n, pack(t, m, ex), 0)
		n.Trace = nil
		return seen
	}
	first, second := features(example(c, one)), features(example(c, two))
	both := features(example(c, one, two))
	for _, name := range []string{"vision.embed", "vision.blocks.3", "vision.feats", "vision.deep.0", "vision.deep.2"} {
		near(t, name, both[name], append(slices.Clone(first[name]), second[name]...))
	}
}

// TestPruning compares the gradient of few adapters, which stops early on its
// way down, with that of the same adapters among others that do nothing.
func TestPruning(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(5))
	b := pack(t, m, examples(m.Config())...)
	tests := [][]string{
		{"model.language_model.layers.3.mlp.down_proj"},
		{"model.language_model.layers.2.self_attn.k_proj", "model.language_model.layers.3.self_attn.v_proj"},
		{"lm_head"},
		{"model.visual.merger.linear_fc2"},
		{"model.visual.deepstack_merger_list.1.linear_fc1"},
		{"model.visual.blocks.2.attn.qkv"},
		{"model.visual.patch_embed.proj", "model.language_model.layers.1.mlp.up_proj"},
	}
	for _, names := range tests {
		t.Run(names[0], func(t *testing.T) {
			few := &lora.Adapter{}
			all := noisyAdapter(t, m, "reference")
			all.Pairs = append(all.Pairs, extraPairs(t, m, all)...)
			for _, p := range all.Pairs {
				if slices.Contains(names, p.Site.Name) {
					few.Pairs = append(few.Pairs, p)
				} else {
					clear(p.B)
				}
			}
			wantLosses, want := gradientsOf(t, m, all, b)
			gotLosses, got := gradientsOf(t, m, few, b)
			near(t, "losses", gotLosses, wantLosses)
			maps.DeleteFunc(want, func(k string, _ []float32) bool { return got[k] == nil })
			nearAll(t, got, want)
			for k, g := range got {
				if relative(g, make([]float32, len(g))) == 0 {
					t.Errorf("%s: gradient is zero", k)
				}
			}
		})
	}
}

// extraPairs returns the pairs of preset full that a lacks, and the head's.
func extraPairs(t *testing.T, m *Model, a *lora.Adapter) []*lora.Pair {
	t.Helper()
	have := map[string]bool{}
	for _, p := range a.Pairs {
		have[p.Site.Name] = true
	}
	extra := slices.DeleteFunc(noisyAdapter(t, m, "full").Pairs, func(p *lora.Pair) bool { return have[p.Site.Name] })
	return append(extra, noisyPairs(t, m, lora.Targets{List: []string{"lm_head"}}).Pairs...)
}

func gradientsOf(t *testing.T, m *Model, a *lora.Adapter, b *batch.Batch) ([]float32, map[string][]float32) {
	t.Helper()
	n, err := m.With(a)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	return gradients(t, n, b)
}

// TestSlope compares the gradient with the slope of the loss along it: the
// whole backward pass against nothing but forward passes.
func TestSlope(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(6))
	b := pack(t, m, examples(m.Config())...)
	a := noisyAdapter(t, m, "reference")
	_, grads := gradientsOf(t, m, a, b)
	var square float64
	for _, g := range grads {
		for _, v := range g {
			square += float64(v) * float64(v)
		}
	}
	const step = 2e-2
	loss := func(sign float64) float64 {
		moved := noisyAdapter(t, m, "reference")
		for _, p := range moved.Pairs {
			move(p.A, grads[lora.KeyA(p.Site.Name)], sign*step/math.Sqrt(square))
			move(p.B, grads[lora.KeyB(p.Site.Name)], sign*step/math.Sqrt(square))
		}
		losses, _ := gradientsOf(t, m, moved, b)
		var sum float64
		for _, l := range losses {
			sum += float64(l)
		}
		return sum
	}
	got, want := (loss(1)-loss(-1))/(2*step), math.Sqrt(square)
	if math.Abs(got-want) > 2e-3*want { // the third derivative, and float32
		t.Errorf("slope along the gradient: got %v, want its norm %v", got, want)
	}
}

func move(v, direction []float32, by float64) {
	for i := range v {
		v[i] += float32(by * float64(direction[i]))
	}
}

// TestSameBytes checks that the number of workers changes nothing, and that a
// second pass through used memory does not either.
func TestSameBytes(t *testing.T) {
	for _, tier := range kernel.Tiers() {
		want := twice(t, cpu.Options{Workers: 1, Tier: tier.String()})
		for _, workers := range []int{2, 3} {
			got := twice(t, cpu.Options{Workers: workers, Tier: tier.String()})
			if !maps.EqualFunc(got, want, slices.Equal[[]float32]) {
				t.Errorf("%v, %d workers: gradients differ from those of 1", tier, workers)
			}
		}
	}
}

// twice returns the gradients of two passes, which must be equal.
func twice(t *testing.T, o cpu.Options) map[string][]float32 {
	t.Helper()
	m := newModel(t, o, noise(7))
	n := newNet(t, m, "full")
	b := pack(t, m, examples(m.Config())...)
	_, first := gradients(t, n, b)
	_, second := gradients(t, n, b)
	if !maps.EqualFunc(first, second, slices.Equal[[]float32]) {
		t.Errorf("%+v: the second pass differs from the first", o)
	}
	return first
}

// TestFeatures compares passes that take the features of some or all images
// from before with passes that encode them.
func TestFeatures(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(8))
	n := newNet(t, m, "text")
	ex := examples(m.Config())
	wantLosses, want := gradients(t, n, pack(t, m, ex...))
	images := pack(t, m, ex...).Images
	features, err := n.Encode(images)
	if err != nil {
		t.Fatal(err)
	}
	for i, im := range images {
		im.Features, im.Pixels = features[i], nil
		gotLosses, got := gradients(t, n, pack(t, m, ex...))
		near(t, fmt.Sprintf("losses, %d images known", i+1), gotLosses, wantLosses)
		nearAll(t, got, want)
	}
	images[0].Features.Deep = images[0].Features.Deep[:1]
	if _, err := n.Forward(pack(t, m, ex...)); err == nil {
		t.Error("features without their deep stack were accepted")
	}
	full := newNet(t, m, "full")
	if _, err := full.Forward(pack(t, m, ex...)); err == nil {
		t.Error("an adapted tower ran without pixels")
	}
}
