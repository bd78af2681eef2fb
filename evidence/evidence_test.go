package evidence_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"mole/base"
	"mole/device/cpu"
	"mole/evidence"
	"mole/expert"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/route/routetest"
	"mole/router"
	"mole/view"
	"mole/vision"
)

// bench is an opened network with a view.
type bench struct {
	model   *qwen3vl.Model
	view    *view.View
	adapter *lora.Adapter
}

func newBench(t *testing.T, experts expert.Table) *bench {
	t.Helper()
	b, err := base.Open(t.Context(), base.Tiny)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := cpu.Open(cpu.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = dev.Close(), b.Close() })
	var out bench
	if out.model, err = qwen3vl.New(dev, b.Config, b.Weights); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.model.Close)
	if out.view, err = view.New(view.Options{Experts: experts, Tokenizer: b.Tokenizer, Base: b.Digest, Vision: b.Vision, MaxTokens: 16}); err != nil {
		t.Fatal(err)
	}
	targets, err := lora.Preset("text")
	if err != nil {
		t.Fatal(err)
	}
	out.adapter, err = lora.New(lora.Config{Rank: 2, Alpha: 4, Targets: targets}, out.model.Sites(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return &out
}

// network returns a network that runs so many pictures in a pass.
func (b *bench) network(t *testing.T, together int) *evidence.Network {
	t.Helper()
	n, err := evidence.New(b.model, b.adapter, evidence.Options{View: b.view, Features: router.PooledColour, Batch: together})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// pictures returns new pictures of each kind of screen.
func (b *bench) pictures(t *testing.T, n int) []*evidence.Picture {
	t.Helper()
	var out []*evidence.Picture
	for i := range n {
		im, patches, err := b.view.Look(routetest.Picture(i%routetest.Classes, i))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, &evidence.Picture{Image: im, Patches: patches})
	}
	return out
}

// TestBatch gathers the same evidence, however many pictures share a pass.
func TestBatch(t *testing.T) {
	b := newBench(t, routetest.Experts())
	var want []router.Evidence
	for _, together := range []int{1, 3, 8} {
		got, err := b.network(t, together).Gather(t.Context(), b.pictures(t, 7))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		for i := range got {
			compare(t, i, got[i], want[i])
		}
	}
	if len(want) != 7 || len(want[0].Logits) != 3 || len(want[0].Hidden) == 0 || slices.Equal(want[0].Logits, want[1].Logits) {
		t.Errorf("got %d pieces of evidence with %d logits, want 7 different ones with 3", len(want), len(want[0].Logits))
	}
}

func compare(t *testing.T, i int, got, want router.Evidence) {
	t.Helper()
	for _, v := range []struct {
		name      string
		got, want []float64
	}{{"logits", got.Logits, want.Logits}, {"hidden state", got.Hidden, want.Hidden}, {"features", got.Pooled, want.Pooled}} {
		if !slices.Equal(v.got, v.want) {
			t.Errorf("picture %d: %s differ: got %.8v, want %.8v", i, v.name, v.got, v.want)
		}
	}
}

// TestManyLabels has labels of several tokens, so that answers part at more
// than one point.
func TestManyLabels(t *testing.T) {
	var rows []expert.Expert
	for i := range 12 {
		rows = append(rows, expert.Expert{Name: "screen-" + string(rune('a'+i)), Label: i})
	}
	table, err := expert.NewTable(rows)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, table)
	alone, err := b.network(t, 1).Gather(t.Context(), b.pictures(t, 3))
	if err != nil {
		t.Fatal(err)
	}
	together, err := b.network(t, 8).Gather(t.Context(), b.pictures(t, 3))
	if err != nil {
		t.Fatal(err)
	}
	for i := range alone {
		compare(t, i, together[i], alone[i])
		if len(alone[i].Logits) != 12 {
			t.Errorf("got %d logits, want 12", len(alone[i].Logits))
		}
	}
}

// TestQuestion takes what preprocessing rendered instead of the instruction.
func TestQuestion(t *testing.T) {
	b := newBench(t, routetest.Experts())
	pictures := b.pictures(t, 1)
	question, err := b.view.Question(pictures[0].Patches, "")
	if err != nil {
		t.Fatal(err)
	}
	net := b.network(t, 8)
	want, err := net.Gather(t.Context(), pictures)
	if err != nil {
		t.Fatal(err)
	}
	again := b.pictures(t, 1)
	again[0].Question = question.Tokens
	got, err := net.Gather(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, 0, got[0], want[0])
}

func TestFrozen(t *testing.T) {
	b := newBench(t, routetest.Experts())
	b.adapter = nil
	got, err := b.network(t, 8).Gather(t.Context(), b.pictures(t, 2))
	if err != nil || got[0].Logits != nil || got[0].Hidden != nil || len(got[0].Pooled) == 0 {
		t.Errorf("got %+v, %v, want frozen features only", got, err)
	}
}

func TestGatherRefuses(t *testing.T) {
	b := newBench(t, routetest.Experts())
	net := b.network(t, 8)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := net.Gather(ctx, b.pictures(t, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	pictures := b.pictures(t, 1)
	pictures[0].Patches.Features = &vision.Features{Tokens: make([]float32, 5)}
	if _, err := net.Gather(t.Context(), pictures); err == nil || !strings.Contains(err.Error(), "5 features") {
		t.Errorf("features of another picture: got %v", err)
	}
	if got, err := net.Gather(t.Context(), nil); err != nil || got != nil {
		t.Errorf("no pictures: got %v, %v", got, err)
	}
}
