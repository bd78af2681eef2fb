package shard

import (
	"slices"
	"testing"

	"mole/base"
	"mole/batch"
	"mole/device/cpu"
	"mole/model/qwen3vl"
	"mole/vision"
)

// openTiny returns the embedded network.
func openTiny(t *testing.T) *qwen3vl.Net {
	t.Helper()
	b, err := base.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	dev, err := cpu.Open(cpu.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	m, err := qwen3vl.New(dev, b.Config, b.Weights)
	if err != nil {
		t.Fatal(err)
	}
	n, err := m.With(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n.Close()
		m.Close()
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// encode puts the features of all pictures of a set.
func encode(t *testing.T, n *qwen3vl.Net, s *Set, f *Features) {
	t.Helper()
	for _, digest := range s.Images() {
		im, err := s.Patches(digest)
		if err != nil {
			t.Fatal(err)
		}
		out, err := n.Encode([]*vision.Patches{im})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Put(digest, im.Grid.Tokens(n.Layout().Merge), out[0]); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
}

// logits returns the logits of all tokens of an example.
func logits(t *testing.T, n *qwen3vl.Net, ex batch.Example) []float32 {
	t.Helper()
	for i, id := range ex.Tokens {
		if id == imageToken {
			ex.Tokens[i] = n.Layout().ImageToken
		}
	}
	b, err := batch.Pack(n.Layout(), []batch.Example{{Tokens: ex.Tokens, Images: ex.Images}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := n.Logits(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestNetwork goes the way from files to logits: stored features have to give
// what pixels give.
func TestNetwork(t *testing.T) {
	n, split := openTiny(t), openSplit(t, 3)
	f := mustFeatures(t, t.TempDir(), "tiny")
	encode(t, n, split.set, f)
	got := logits(t, n, must(t, split.Examples(ExampleOptions{Features: f}), 0))
	want := logits(t, n, must(t, split.Examples(ExampleOptions{}), 0))
	if !slices.Equal(got, want) {
		t.Error("logits of stored features differ from those of pixels")
	}
}
