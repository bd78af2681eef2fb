package qwen3vl

import (
	"strings"
	"testing"

	"mole/device/cpu"
	"mole/safetensors"
	"mole/vision"
)

// TestPlan compares what passes are said to take with what they took.
func TestPlan(t *testing.T) {
	m := newModel(t, cpu.Options{Workers: 1}, noise(1))
	c := m.config
	for _, size := range []int{2, 6, 20} { // patches on a side
		n := newNet(t, m, "")
		im := picture(c, size, size, 1)
		cells := im.Grid.Tokens(c.Vision.Merge)
		features, err := n.Encode([]*vision.Patches{im})
		if err != nil {
			t.Fatal(err)
		}
		wantNear(t, "encode", n.arena.Peak(), c.EncodeBytes(cells))
		n = newNet(t, m, "")
		im.Features = features[0]
		b := pack(t, m, example(c, 30, im, 60))
		if _, err := n.Outputs(b, b.Ends); err != nil {
			t.Fatal(err)
		}
		wantNear(t, "outputs", n.arena.Peak(), c.OutputsBytes(len(b.Tokens), cells, 1))
	}
}

// wantNear checks a number of bytes. Tensors begin at cache lines, which small
// ones pay for.
func wantNear(t *testing.T, what string, got int, want int64) {
	t.Helper()
	if ratio := float64(got) / float64(want); ratio < 0.93 || ratio > 1.07 {
		t.Errorf("%s: took %d bytes, %.2f of %d", what, got, ratio, want)
	}
}

func TestConfigCheck(t *testing.T) {
	m := newModel(t, cpu.Options{Workers: 1}, noise(1))
	tests := []struct {
		name, want string
		damage     func(w memory)
	}{
		{"sound", "", func(memory) {}},
		{"missing", "checkpoint lacks", func(w memory) { delete(w, "model.language_model.norm.weight") }},
		{"shape", "shape [3], want", func(w memory) {
			w["model.language_model.norm.weight"] = safetensors.FromFloat32s([]int{3}, []float32{1, 2, 3})
		}},
		{"type", "type I32, want BF16, F16 or F32", func(w memory) {
			x := w["model.language_model.norm.weight"]
			x.DType = safetensors.I32
			w["model.language_model.norm.weight"] = x
		}},
	}
	for _, tt := range tests {
		w := fill(m.config.Tensors(), noise(1))
		tt.damage(w)
		err := m.config.Check(w)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
