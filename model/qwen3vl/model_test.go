package qwen3vl

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"mole/batch"
	"mole/device/cpu"
	"mole/lora"
	"mole/safetensors"
)

func TestTensorCounts(t *testing.T) {
	c := mustConfig(t, tinyConfig)
	if got := len(c.Tensors()); got != 121 { // specification qwen3-vl, 13.1
		t.Errorf("got %d tensors, want 121", got)
	}
	c.Tied = false
	if s := c.Tensors(); s[len(s)-1].Name != "lm_head.weight" {
		t.Errorf("got %q last, want the untied head", s[len(s)-1].Name)
	}
	m := newModel(t, cpu.Options{}, sine)
	if got, want := len(m.Sites()), 4*7+1+4*4+4*2+1; got != want {
		t.Errorf("got %d sites, want %d", got, want)
	}
}

// TestNames loads the spellings of other tools; all give the same network.
func TestNames(t *testing.T) {
	want := logits(t, newNet(t, newModel(t, cpu.Options{}, sine), ""), sineBatch(t, newModel(t, cpu.Options{}, sine)))
	tests := []struct{ name, text, vision string }{
		{"text-only export", "model.", "visual."},
		{"mlx", "language_model.model.", "vision_tower."},
		{"vllm", "language_model.model.", "visual."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustConfig(t, tinyConfig)
			renamed := memory{}
			for name, x := range fill(c.Tensors(), sine) {
				name = strings.Replace(name, "model.language_model.", tt.text, 1)
				renamed[strings.Replace(name, "model.visual.", tt.vision, 1)] = x
			}
			m, err := New(openDevice(t, cpu.Options{}), c, renamed)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			near(t, "logits", logits(t, newNet(t, m, ""), sineBatch(t, m)), want)
		})
	}
}

func TestNewRefuses(t *testing.T) {
	const norm = "model.language_model.norm.weight"
	tests := []struct {
		name  string
		spoil func(memory)
		want  string
	}{
		{"missing", func(m memory) { delete(m, norm) }, "checkpoint lacks " + norm},
		{"unexpected", func(m memory) { m["model.extra.weight"] = m[norm] }, "checkpoint has tensors that this network does not: model.extra.weight"},
		{"both", func(m memory) { m["x"] = m[norm]; delete(m, norm) }, "checkpoint lacks " + norm + "; it has, unexpectedly, x"},
		{"twice", func(m memory) { m["model.norm.weight"] = m[norm] }, "are the same weight"},
		{"shape", func(m memory) {
			m[norm] = safetensors.Tensor{DType: "F32", Shape: []int{31}, Data: make([]byte, 4*31)}
		}, `tensor "` + norm + `": shape [31], want [32]`},
		{"type", func(m memory) {
			m[norm] = safetensors.Tensor{DType: "I32", Shape: []int{32}, Data: make([]byte, 4*32)}
		}, `tensor "` + norm + `": type I32, want BF16, F16 or F32`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustConfig(t, tinyConfig)
			src := fill(c.Tensors(), sine)
			tt.spoil(src)
			_, err := New(openDevice(t, cpu.Options{}), c, src)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestHead checks that a tied network ignores a stored head, and that an
// untied one uses it.
func TestHead(t *testing.T) {
	c := mustConfig(t, tinyConfig)
	src := fill(c.Tensors(), noise(1))
	embed := src["model.language_model.embed_tokens.weight"]
	zero := safetensors.Tensor{DType: "F32", Shape: embed.Shape, Data: make([]byte, len(embed.Data))}
	src["lm_head.weight"] = zero
	for _, tied := range []bool{true, false} {
		c.Tied = tied
		m, err := New(openDevice(t, cpu.Options{}), c, src)
		if err != nil {
			t.Fatal(err)
		}
		got := logits(t, newNet(t, m, ""), pack(t, m, batch.Example{Tokens: []int32{3, 17}}), 1)
		if isZero := relative(got, make([]float32, len(got))) == 0; isZero == tied {
			t.Errorf("tied %v: logits are zero: %v", tied, isZero)
		}
		m.Close()
	}
}

// TestTypes loads weights in the narrow types and compares with the same
// rounded values in F32.
func TestTypes(t *testing.T) {
	c := mustConfig(t, tinyConfig)
	b := func(m *Model) *batch.Batch { return pack(t, m, examples(c)...) }
	for _, dtype := range []safetensors.DType{"BF16", "F16"} {
		narrow, wide := memory{}, memory{}
		for name, x := range fill(c.Tensors(), noise(2)) {
			narrow[name] = narrowed(x, dtype)
			v, err := narrow[name].Float32s()
			if err != nil {
				t.Fatal(err)
			}
			wide[name] = safetensors.Tensor{DType: "F32", Shape: x.Shape, Data: elementBytes(v)}
		}
		var got [2][]float32
		for i, src := range []memory{narrow, wide} {
			m, err := New(openDevice(t, cpu.Options{}), c, src)
			if err != nil {
				t.Fatal(err)
			}
			got[i] = logits(t, newNet(t, m, "full"), b(m))
			m.Close()
		}
		near(t, string(dtype), got[0], got[1])
	}
}

// narrowed cuts F32 elements to their upper half, or to a half float of three
// digits: any value of the type will do here.
func narrowed(x safetensors.Tensor, dtype safetensors.DType) safetensors.Tensor {
	out := safetensors.Tensor{DType: dtype, Shape: x.Shape, Data: make([]byte, len(x.Data)/2)}
	for i := range len(out.Data) / 2 {
		bits := binary.LittleEndian.Uint32(x.Data[4*i:])
		half := uint16(bits >> 16)
		if dtype == "F16" { // sign, exponent rebased from 127 to 15, ten bits of fraction
			half = uint16(bits>>16)&0x8000 | uint16(max(int(bits>>23&0xff)-112, 0)<<10) | uint16(bits>>13)&0x3ff
		}
		binary.LittleEndian.PutUint16(out.Data[2*i:], half)
	}
	return out
}

func TestWithRefuses(t *testing.T) {
	m := newModel(t, cpu.Options{}, sine)
	tests := []struct {
		name  string
		spoil func(*lora.Adapter)
		want  string
	}{
		{"unknown site", func(a *lora.Adapter) { a.Pairs[0].Site.Name = "model.embed_tokens" }, `no site "model.embed_tokens"`},
		{"twice", func(a *lora.Adapter) { a.Pairs[1] = a.Pairs[0] }, "occurs twice"},
		{"width", func(a *lora.Adapter) { a.Pairs[0].Site.In++ }, "channels, want 32 to 64"},
		{"elements", func(a *lora.Adapter) { a.Pairs[0].A = a.Pairs[0].A[1:] }, "rank 3 with 95 and 192 elements"},
	}
	for _, tt := range tests {
		a := noisyAdapter(t, m, "text")
		tt.spoil(a)
		if _, err := m.With(a); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestBadBatches(t *testing.T) {
	m := newModel(t, cpu.Options{}, sine)
	n := newNet(t, m, "text")
	good := func() *batch.Batch {
		return pack(t, m, example(m.Config(), 1, picture(m.Config(), 4, 4, 1), 5, []int32{7}))
	}
	tests := []struct {
		name  string
		spoil func(*batch.Batch)
		want  string
	}{
		{"token", func(b *batch.Batch) { b.Tokens[0] = 64 }, "token 64 at row 0 is outside the vocabulary of 64"},
		{"negative token", func(b *batch.Batch) { b.Tokens[0] = -1 }, "token -1 is negative"},
		{"no labels", func(b *batch.Batch) { b.Labels = nil }, "has no labels"},
		{"label", func(b *batch.Batch) { b.Labels[0].Target = 64 }, "label 64"},
		{"pixels", func(b *batch.Batch) { b.Images[0].Pixels = b.Images[0].Pixels[1:] }, "1535 samples for a grid of 1×4×4"},
	}
	for _, tt := range tests {
		b := good()
		tt.spoil(b)
		if _, err := n.Forward(b); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	if err := n.Backward(); err == nil {
		t.Error("backward after a refused forward pass worked")
	}
	n.drop = 0.05
	if _, err := n.Forward(good()); err != nil {
		t.Error(err)
	}
	if err := n.Backward(); err == nil || !strings.Contains(err.Error(), "lora_dropout 0.05") {
		t.Errorf("dropout: got %v", err)
	}
	base := newNet(t, m, "")
	if _, err := base.Forward(good()); err != nil {
		t.Error(err)
	}
	if err := base.Backward(); err == nil {
		t.Error("backward without an adapter worked")
	}
}

// addProduct adds scale·B·A of p to F32 elements.
func addProduct(data []byte, p *lora.Pair) {
	for at := range p.Site.Out * p.Site.In {
		o, i := at/p.Site.In, at%p.Site.In
		w := math.Float32frombits(binary.LittleEndian.Uint32(data[4*at:]))
		for r := range p.Rank {
			w += float32(p.Scale) * p.B[o*p.Rank+r] * p.A[r*p.Site.In+i]
		}
		binary.LittleEndian.PutUint32(data[4*at:], math.Float32bits(w))
	}
}

// TestMerge compares an adapter with the same adapter added to the weights.
func TestMerge(t *testing.T) {
	m := newModel(t, cpu.Options{}, noise(3))
	a := noisyAdapter(t, m, "full")
	c := m.Config()
	merged := fill(c.Tensors(), noise(3))
	for _, p := range a.Pairs {
		addProduct(merged[p.Site.Name+".weight"].Data, p)
	}
	other, err := New(openDevice(t, cpu.Options{}), c, merged)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	b := pack(t, m, examples(c)...)
	near(t, "logits", logits(t, newNet(t, other, ""), b), logits(t, newNet(t, m, "full"), b))
}
