package qwen3vl

import (
	"fmt"
	"math"
	"testing"

	"mole/batch"
	"mole/device/cpu"
	"mole/lora"
	"mole/tensor"
	"mole/vision"
)

// The expected values of this file are those of specification qwen3-vl, 13.1.

// sineAdapter is the adapter of section 13.1.
func sineAdapter(t *testing.T, m *Model) *lora.Adapter {
	t.Helper()
	targets, err := lora.Preset("text")
	if err != nil {
		t.Fatal(err)
	}
	a, err := lora.New(lora.Config{Rank: 2, Alpha: 4, Targets: targets, InitWeights: true}, m.Sites(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for j, p := range a.Pairs {
		for i := range p.A {
			p.A[i] = float32(math.Sin(0.3+0.5*float64(j)+0.8*float64(i)) / math.Sqrt(float64(p.Site.In)))
		}
		for i := range p.B {
			p.B[i] = float32(0.3 * math.Cos(0.2+0.4*float64(j)+1.1*float64(i)) / math.Sqrt2)
		}
	}
	return a
}

func sineBatch(t *testing.T, m *Model) *batch.Batch {
	t.Helper()
	im := &vision.Patches{Grid: vision.Grid{T: 1, H: 4, W: 6}}
	for i := range 24 * 96 {
		im.Pixels = append(im.Pixels, float32(math.Sin(0.05*float64(i))))
	}
	e := batch.Example{Tokens: []int32{3, 17, 42, 60, 61, 61, 61, 61, 61, 61, 62, 9, 23, 31, 2}, Images: []*vision.Patches{im}}
	for range 12 {
		e.Labels = append(e.Labels, batch.Ignore)
	}
	e.Labels = append(e.Labels, 23, 31, 2)
	return pack(t, m, e)
}

// expect compares some elements of v, from the first on or from an index.
func expect(t *testing.T, what string, v []float32, at int, want ...float64) {
	t.Helper()
	for i, w := range want {
		if got := float64(v[at+i]); math.Abs(got-w) > 2e-6*math.Max(1, math.Abs(w)) {
			t.Errorf("%s[%d]: got %.9g, want %.9g", what, at+i, got, w)
		}
	}
}

func TestForwardVectors(t *testing.T) {
	m := newModel(t, cpu.Options{}, sine)
	base := newNet(t, m, "")
	b := sineBatch(t, m)
	seen := map[string][]float32{}
	base.Trace = func(name string, x tensor.Tensor) { seen[name] = values(t, base, x) }
	all := logits(t, base, b)
	base.Trace = nil

	expect(t, "feats", seen["vision.feats"], 0, 0.128553196, 0.04205086, -0.156663513, -0.132680772)
	expect(t, "feats", seen["vision.feats"], 5*32+30, -0.185701012, 0.11994436)
	expect(t, "deep 0", seen["vision.deep.0"], 0, 0.165532182, 0.203575322, -0.0793293067)
	expect(t, "deep 0", seen["vision.deep.0"], 5*32+31, 0.0639997051)
	expect(t, "deep 1", seen["vision.deep.1"], 0, 0.0418798061, 0.205082628, -0.0185488471)
	expect(t, "deep 2", seen["vision.deep.2"], 5*32+31, -0.220973992)
	expect(t, "logits", all, 14*64, 1.0852656, -1.76444006, 1.96718, -1.63874153, 0.867809696)

	text := pack(t, m, batch.Example{Tokens: []int32{3, 17, 42, 9, 23}})
	expect(t, "text only", logits(t, base, text, 4), 0, -0.121153808, -0.0319767318, 0.176472907, -0.273317826, 0.296361402)
}

func TestBackwardVectors(t *testing.T) {
	m := newModel(t, cpu.Options{}, sine)
	n, err := m.With(sineAdapter(t, m))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	b := sineBatch(t, m)
	expect(t, "logits", logits(t, n, b, 14), 0, 0.592681653, -1.05680203, 1.23556447, -1.08069951, 0.634023808)
	for i := range b.Labels {
		b.Labels[i].Weight = 1.0 / 3
	}
	losses, grads := gradients(t, n, b)
	mean := (losses[0] + losses[1] + losses[2]) / 3
	expect(t, "loss", []float32{mean}, 0, 3.80063422588)

	tests := []struct {
		layer  int
		module string
		key    func(string) string
		at     int
		want   float64
	}{
		{0, "self_attn.q_proj", lora.KeyA, 0, 1.436699744e-02},
		{0, "self_attn.q_proj", lora.KeyB, 5*2 + 1, 3.010538296e-03},
		{1, "self_attn.k_proj", lora.KeyA, 32 + 3, 5.722049529e-03},
		{1, "self_attn.v_proj", lora.KeyB, 0, -4.307367925e-03},
		{2, "self_attn.o_proj", lora.KeyA, 7, -6.746423950e-03},
		{3, "mlp.gate_proj", lora.KeyB, 3 * 2, -1.694238136e-01},
		{0, "mlp.up_proj", lora.KeyA, 32 + 1, -3.990033725e-02},
		{3, "mlp.down_proj", lora.KeyB, 2*2 + 1, -5.856929676e-02},
	}
	for _, tt := range tests {
		key := tt.key(fmt.Sprintf("model.language_model.layers.%d.%s", tt.layer, tt.module))
		expect(t, key, grads[key], tt.at, tt.want)
	}
	var sum float64
	for _, g := range grads[lora.KeyA("model.language_model.layers.1.mlp.down_proj")] {
		sum += float64(g)
	}
	if want := -4.218430228e-01; math.Abs(sum-want) > 1e-5 { // of 96 elements
		t.Errorf("sum of down_proj A: got %v, want %v", sum, want)
	}
}

func TestTextAngles(t *testing.T) {
	c := TextConfig{HeadDim: 128, Theta: 5e6, Sections: [3]int{24, 20, 20}}
	cos, sin := textAngles(&c, [][3]int32{{5, 7, 9}})
	expect(t, "cos", cos, 0, 0.28366217, 0.70924079, 0.74821651)
	expect(t, "sin", sin, 0, -0.95892429, -0.70496631, -0.66345459)
	expect(t, "sin", sin, 60, 2.6223197e-6)
	counts := map[int]int{}
	for _, axis := range textAxes(&c) {
		counts[axis]++
	}
	if counts[0] != 24 || counts[1] != 20 || counts[2] != 20 {
		t.Errorf("got %v pairs per axis, want 24, 20, 20", counts)
	}
}

func TestTaps(t *testing.T) {
	v := &VisionConfig{Side: 48, Merge: 2}
	var got taps
	got.add(v, vision.Grid{T: 1, H: 4, W: 6})
	tests := []struct {
		patch  int
		rows   []int32
		shares []float64
	}{
		{0, []int32{0, 1, 48, 49}, []float64{1, 0, 0, 0}},
		{1, []int32{9, 10, 57, 58}, []float64{0.6, 0.4, 0, 0}},
		{2, []int32{720, 721, 768, 769}, []float64{0.333333, 0, 0.666667, 0}},
		{3, []int32{729, 730, 777, 778}, []float64{0.2, 0.133333, 0.4, 0.266667}},
		{23, []int32{2303, 2303, 2303, 2303}, []float64{1, 0, 0, 0}},
	}
	for _, tt := range tests {
		for i, want := range tt.rows {
			if r := got.rows[4*tt.patch+i]; r != want {
				t.Errorf("patch %d: row %d, want %d", tt.patch, r, want)
			}
		}
		expect(t, fmt.Sprintf("patch %d", tt.patch), got.shares, 4*tt.patch, tt.shares...)
	}
}
