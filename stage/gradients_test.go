package stage

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/base"
	"mole/base/tiny"
	"mole/batch"
	"mole/device"
	"mole/device/cpu"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/safetensors"
	"mole/tensor"
	"mole/train"
	"mole/vision"
)

// listed are examples in memory.
type listed []batch.Example

// Len implements train.Examples.
func (l listed) Len() int { return len(l) }

// Example implements train.Examples.
func (l listed) Example(i int) (batch.Example, error) { return l[i], nil }

// openTiny opens the embedded network.
func openTiny(t *testing.T) *qwen3vl.Model {
	t.Helper()
	b, err := base.Open(t.Context(), base.Tiny)
	if err != nil {
		t.Fatal(err)
	}
	d, err := cpu.Open(cpu.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	m, err := qwen3vl.New(d, b.Config, b.Weights)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(); _, _ = d.Close(), b.Close() })
	return m
}

// adapted puts an adapter of a preset on a model. B begins with zeros, as it
// does in training, or with small numbers.
func adapted(t *testing.T, m *qwen3vl.Model, preset string, zero bool) *qwen3vl.Net {
	t.Helper()
	c, err := Settings{Targets: preset, Rank: 2, Alpha: 4, VisionRank: 2, VisionAlpha: 4}.adapter()
	if err != nil {
		t.Fatal(err)
	}
	a, err := lora.New(c, m.Sites(), 1)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, p := range a.Pairs {
		for i := range p.B {
			if !zero {
				p.B[i] = random.Float32()/50 - 0.01
			}
		}
	}
	net, err := m.With(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(net.Close)
	return net
}

// pictured returns an example with a picture of noise.
func pictured(m *qwen3vl.Model) batch.Example {
	c := m.Config()
	grid := vision.Grid{T: 1, H: 4, W: 4}
	random := rand.New(rand.NewPCG(3, 4))
	p := &vision.Patches{Grid: grid, Pixels: make([]float32, grid.T*grid.H*grid.W*3*c.Vision.Temporal*c.Vision.Patch*c.Vision.Patch)}
	for i := range p.Pixels {
		p.Pixels[i] = 2*random.Float32() - 1
	}
	e := batch.Example{Images: []*vision.Patches{p}, Tokens: []int32{5, c.VisionStart}}
	for range grid.Tokens(c.Vision.Merge) {
		e.Tokens = append(e.Tokens, c.ImageToken)
	}
	e.Tokens = append(e.Tokens, c.VisionEnd, 7, 9)
	for range e.Tokens {
		e.Labels = append(e.Labels, batch.Ignore)
	}
	e.Labels[len(e.Labels)-1] = 9
	return e
}

// TestVisionGradients is acceptance scenario 8 of the specification mole: with
// the presets that adapt the vision tower, every matrix of the adapter gets a
// gradient.
func TestVisionGradients(t *testing.T) {
	m := openTiny(t)
	light := pictured(m) // counts nothing, which is no fault of the network
	light.Weights = make([]float32, len(light.Tokens))
	for _, preset := range []string{"reference", "full"} {
		for _, e := range []batch.Example{pictured(m), light} {
			if err := checkGradients(adapted(t, m, preset, true), m.Layout(), listed{e}); err != nil {
				t.Errorf("%s: %v", preset, err)
			}
		}
		wantAll(t, preset, m)
	}
}

// wantAll checks that every matrix of an adapter gets a gradient once B is not
// zero any more.
func wantAll(t *testing.T, preset string, m *qwen3vl.Model) {
	t.Helper()
	net := adapted(t, m, preset, false)
	b, err := batch.Pack(m.Layout(), []batch.Example{pictured(m)})
	if err != nil {
		t.Fatal(err)
	}
	params := net.Params()
	if _, err = net.Forward(b); err == nil {
		err = net.Backward()
	}
	if err != nil {
		t.Fatal(err)
	}
	tower := 0
	for _, p := range params {
		if err := someGradient(net.Device(), []lora.Param{p}); err != nil {
			t.Errorf("%s: %s: %v", preset, p.Name, err)
		}
		if strings.Contains(p.Name, ".visual.") {
			tower++
		}
	}
	if tower == 0 || tower == len(params) {
		t.Errorf("%s: got %d of %d matrices in the vision tower, want some", preset, tower, len(params))
	}
}

// deaf is a network whose backward pass does nothing, or whose loss is no
// number.
type deaf struct {
	*qwen3vl.Net
	loss float32
}

// Forward implements train.Network.
func (d deaf) Forward(b *batch.Batch) ([]float32, error) {
	if d.loss != 0 {
		return []float32{d.loss}, nil
	}
	return d.Net.Forward(b)
}

// Backward implements train.Network.
func (d deaf) Backward() error { return nil }

// TestVisionGradientsRefuse breaks one thing at a time (scenario 8).
func TestVisionGradientsRefuse(t *testing.T) {
	m := openTiny(t)
	full := adapted(t, m, "full", true)
	e := pictured(m)
	plain := batch.Example{Tokens: []int32{5, 7}, Labels: []int32{batch.Ignore, 7}}
	var late listed
	for range pictureWithin {
		late = append(late, plain)
	}
	for _, tt := range []struct {
		net  train.Network
		from listed
		want string
	}{
		{adapted(t, m, "text", true), listed{e}, "no matrix of the adapter is in it"},
		{full, listed{plain, plain}, "no picture in the first 2 examples"},
		{full, append(late, e), "no picture in the first 32 examples"},
		{full, append(late[:pictureWithin-1:pictureWithin-1], e), ""},
		{deaf{full, 0}, listed{e}, "the sum of the squares over its"},
		{deaf{full, float32(math.NaN())}, listed{e}, "the loss of the first picture is NaN"},
	} {
		err := checkGradients(tt.net, m.Layout(), tt.from)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), "gradients of the vision tower: "+tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
	for _, p := range full.Params() {
		if !isZero(full.Device(), p.Grad) {
			t.Errorf("%s: a gradient is left", p.Name)
		}
	}
}

// isZero reports whether all elements of a tensor are +0.
func isZero(d device.Accelerator, x tensor.Tensor) bool {
	raw := make([]byte, x.Len()*x.DType.Size())
	d.Read(raw, x)
	return bytes.Equal(raw, make([]byte, len(raw)))
}

// TestRenamedVision opens a checkpoint whose vision modules have other names:
// there is a reason before there is a first step (scenario 8).
func TestRenamedVision(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // digests of checkpoints are kept there
	dir := t.TempDir()
	if err := os.CopyFS(dir, tiny.FS()); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	var entries []safetensors.Entry
	for _, n := range f.Names() {
		x, err := f.Tensor(n)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, safetensors.Entry{Name: strings.Replace(n, ".attn.qkv.", ".attn.in_proj.", 1), Tensor: x})
	}
	var renamed bytes.Buffer
	if err := safetensors.Write(&renamed, entries, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, renamed.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	wantLack(t, dir)
}

// wantLack opens the checkpoint in a folder as a run does.
func wantLack(t *testing.T, dir string) {
	t.Helper()
	b, err := base.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	d, err := cpu.Open(cpu.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	_, _, err = (&Train{Base: b, Device: d}).make(t.Context(), t.TempDir(), nil, Settings{Targets: "full"})
	if text := fmt.Sprint(err); !strings.Contains(text, "checkpoint lacks model.visual.blocks.0.attn.qkv") || !strings.Contains(text, "attn.in_proj") {
		t.Errorf("got %v, want what is lacking, and what is there", err)
	}
}
