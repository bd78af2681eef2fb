package qwen3vl

import (
	"math"
	"math/rand/v2"
	"testing"

	"mole/device/cpu"
	"mole/lora"
	"mole/tensor"
)

// TestLinear checks by what must hold of a linear map: ⟨dy, y⟩ is ⟨dx, x⟩, and what
// passes through the adapter is ⟨dA, A⟩ and ⟨dB, B⟩.
func TestLinear(t *testing.T) {
	n, random := openAlone(t)
	const site = "model.language_model.layers.1.mlp.down_proj"
	const rows = 5
	draw := func(cols int) tensor.Tensor {
		v := make([]float32, rows*cols)
		for i := range v {
			v[i] = float32(random.NormFloat64())
		}
		return n.upload(v, rows, cols)
	}
	x, y, dy, dx := draw(48), draw(32), draw(32), draw(48)
	if err := n.Linear(site, x, y, dy, dx); err != nil {
		t.Fatal(err)
	}
	checkNear(t, "whole layer", dot(t, n, dx, x), dot(t, n, dy, y))
	var through []float64
	for _, p := range n.Params() {
		if p.Name == lora.KeyA(site) || p.Name == lora.KeyB(site) {
			through = append(through, dot(t, n, p.Grad, p.Weight))
		}
	}
	if len(through) != 2 || through[0] == 0 {
		t.Fatalf("got %v through the adapter, want two numbers", through)
	}
	checkNear(t, "adapter", through[0], through[1])
	if err := n.Linear("model.visual.blocks.0.attn.qkv", x, y, dy, dx); err == nil {
		t.Error("a layer outside the text model was accepted")
	}
}

// openAlone returns a net whose adapter is nowhere zero.
func openAlone(t *testing.T) (*Net, *rand.Rand) {
	t.Helper()
	c, err := ParseConfig([]byte(tinyConfig))
	if err != nil {
		t.Fatal(err)
	}
	dev, err := cpu.Open(cpu.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	m, err := New(dev, c, fill(c.Tensors(), noise(3)))
	if err != nil {
		t.Fatal(err)
	}
	targets, err := lora.Preset("text")
	if err != nil {
		t.Fatal(err)
	}
	a, err := lora.New(lora.Config{Rank: 4, Alpha: 8, Targets: targets}, m.Sites(), 1)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for _, p := range a.Pairs {
		for i := range p.B {
			p.B[i] = float32(random.NormFloat64())
		}
	}
	n, err := m.With(a)
	if err != nil {
		t.Fatal(err)
	}
	return n, random
}

// dot returns the sum of products of elements.
func dot(t *testing.T, n *Net, a, b tensor.Tensor) float64 {
	t.Helper()
	x, err := n.readFloats(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := n.readFloats(b)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i := range x {
		sum += float64(x[i]) * float64(y[i])
	}
	return sum
}

func checkNear(t *testing.T, name string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-4*(1+math.Abs(want)) {
		t.Errorf("%s: got %v, want %v", name, got, want)
	}
}
