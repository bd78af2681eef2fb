package base

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/device/cpu"
	"mole/model/qwen3vl"
)

// made makes a checkpoint of a released shape, as small as it gets, in a new
// folder.
func made(t *testing.T, o MakeOptions) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "made")
	if err := Make(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	return dir
}

// build builds the network, which checks every tensor.
func build(t *testing.T, b *Base) {
	t.Helper()
	dev, err := cpu.Open(cpu.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	m, err := qwen3vl.New(dev, b.Config, b.Weights)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if err := dev.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMake(t *testing.T) {
	var done, total int64
	dir := made(t, MakeOptions{Shape: Tiny, Seed: 1, ShardBytes: 1 << 20, Progress: func(d, t int64) { done, total = d, t }})
	b := open(t, dir)
	build(t, b)
	if want := 2 * b.Config.Parameters(); done != want || total != want {
		t.Errorf("progress ended at %d of %d, want %d", done, total, want)
	}
	files, err := filepath.Glob(filepath.Join(dir, "model-*-of-*.safetensors"))
	if err != nil || len(files) < 8 {
		t.Errorf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Size() > 1<<20+1<<14 {
			t.Errorf("%s: %v, %v", name, info.Size(), err)
		}
	}
}

// TestMakeSeed checks that weights follow from the seed.
func TestMakeSeed(t *testing.T) {
	b := open(t, made(t, MakeOptions{Shape: Tiny, Seed: 1, ShardBytes: 1 << 20}))
	same, other := open(t, made(t, MakeOptions{Shape: Tiny, Seed: 1})), open(t, made(t, MakeOptions{Shape: Tiny, Seed: 2}))
	build(t, same)
	const matrix = "model.language_model.layers.1.mlp.up_proj.weight"
	x, y, z := tensorOf(t, b, matrix), tensorOf(t, same, matrix), tensorOf(t, other, matrix)
	if !bytes.Equal(x, y) || bytes.Equal(x, z) {
		t.Error("weights do not follow from the seed")
	}
	if norm := tensorOf(t, b, "model.visual.blocks.0.norm1.weight"); norm[0] != 0x80 || norm[1] != 0x3f {
		t.Errorf("a norm is % x, want 1", norm[:2])
	}
}

func tensorOf(t *testing.T, b *Base, name string) []byte {
	t.Helper()
	x, err := b.Weights.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return x.Data
}

// TestMakeUntied makes a shape whose head is not the embedding, cut to one
// layer. Its weights have a gigabyte and more, so that only their shapes are
// looked at here.
func TestMakeUntied(t *testing.T) {
	c, err := shapeOf(MakeOptions{Shape: "8b", Layers: 1, VisionLayers: 1})
	if err != nil {
		t.Fatal(err)
	}
	list, total := shards(c, shardBytes)
	last := list[len(list)-1].specs
	if c.Tied || total != 2*c.Parameters() || last[len(last)-1].Name != "lm_head.weight" || c.Text.Vocab != 151936 || c.ImageToken != 754 {
		t.Errorf("got %+v, %d bytes", c, total)
	}
	whole, err := shapeOf(MakeOptions{Shape: "8b"})
	if err != nil {
		t.Fatal(err)
	}
	if list, _ := shards(whole, shardBytes); len(list) != 4 || list[0].bytes > shardBytes {
		t.Errorf("%d files, want 4", len(list))
	}
}

func TestMakeRefuses(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		o    MakeOptions
		dir  string
		want string
	}{
		{MakeOptions{Shape: "9b"}, filepath.Join(dir, "a"), "want one of 2b, 4b, 8b, 32b, or tiny"},
		{MakeOptions{Shape: Tiny, Layers: 6}, filepath.Join(dir, "a"), "want at most 5 and 4"},
		{MakeOptions{Shape: Tiny}, unpack(t), "want a new or empty folder"},
	}
	for _, tt := range tests {
		if err := Make(t.Context(), tt.dir, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.o, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Make(ctx, filepath.Join(dir, "b"), MakeOptions{Shape: Tiny}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	if _, err := Open(t.Context(), filepath.Join(dir, "b")); !errors.Is(err, ErrIncomplete) {
		t.Errorf("half a checkpoint: got %v", err)
	}
}

// TestRandomPieces checks that a tensor in pieces is the tensor as a whole.
func TestRandomPieces(t *testing.T) {
	r := NewRandom(&qwen3vl.Config{}, 3)
	for _, shape := range [][]int{{1, 1}, {3, 7}, {5, 65536}, {65537, 11}, {7}, {0, 3}} {
		var w bytes.Buffer
		if err := r.Write(&w, "x", shape); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(w.Bytes(), r.Make("x", shape).Data) {
			t.Errorf("%v: pieces differ from the whole", shape)
		}
	}
}
