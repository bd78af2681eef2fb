package parity

import (
	"math"
	"testing"

	"mole/safetensors"
)

// TestFillBF16 compares single weights with recorded ones of a network of
// 2048 channels, whose weights are rounded to float32 and then to bfloat16.
func TestFillBF16(t *testing.T) {
	tests := []struct {
		name   string
		shape  []int
		first  [2]float64
		last   float64
		sum    float64
		within float64 // of sum: the order of adding is not recorded
	}{
		{"model.visual.merger.norm.weight", []int{1024}, [2]float64{1.078125, 0.91796875}, 0.953125, 1022.99609375, 0},
		{"model.visual.blocks.0.attn.proj.bias", []int{1024}, [2]float64{0.0201416015625, -0.0673828125}, 0.02099609375, 1.3708610534667969, 0},
		{"model.visual.pos_embed.weight", []int{2304, 1024}, [2]float64{-0.0458984375, 0.00433349609375}, 0.0257568359375, -32.03919377399143, 1e-9},
		{"model.language_model.layers.0.self_attn.q_norm.weight", []int{128}, [2]float64{0.765625, 1.1171875}, 0.7578125, 128.42578125, 0},
		{"model.language_model.layers.2.mlp.down_proj.weight", []int{2048, 6144}, [2]float64{-0.0213623046875, -0.007568359375}, 0.01422119140625, -37.69595241951902, 1e-9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := source{ctx: t.Context(), fill: hashFill{seed: 3, gain: 1}, bf16: true,
				shape: map[string][]int{tt.name: tt.shape}, digests: map[string]digest{}}
			d, err := s.digest(tt.name)
			if err != nil {
				t.Fatal(err)
			}
			if d.first[0] != tt.first[0] || d.first[1] != tt.first[1] || d.last != tt.last {
				t.Errorf("got %v … %v, want %v … %v", d.first, d.last, tt.first, tt.last)
			}
			if math.Abs(d.sum-tt.sum) > tt.within {
				t.Errorf("got sum %v, want %v", d.sum, tt.sum)
			}
		})
	}
}

func TestSourceTypes(t *testing.T) {
	const name = "model.visual.merger.norm.bias"
	s := source{ctx: t.Context(), fill: hashFill{seed: 1, gain: 1}, shape: map[string][]int{name: {3}}, digests: map[string]digest{}}
	for _, bf16 := range []bool{false, true} {
		s.bf16 = bf16
		got, err := s.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		want := safetensors.F32
		if bf16 {
			want = safetensors.BF16
		}
		if got.DType != want || len(got.Data) != 3*want.Size() {
			t.Errorf("got %s of %d bytes, want %s", got.DType, len(got.Data), want)
		}
	}
	if _, err := s.Tensor("other"); err == nil {
		t.Error("unknown tensor: got no error")
	}
}

func TestKindOf(t *testing.T) {
	tests := []struct {
		name string
		want kind
	}{
		{"model.language_model.embed_tokens.weight", matrix},
		{"model.language_model.norm.weight", norm},
		{"model.language_model.layers.0.input_layernorm.weight", norm},
		{"model.language_model.layers.0.self_attn.q_norm.weight", norm},
		{"model.visual.blocks.0.norm1.weight", norm},
		{"model.visual.blocks.0.norm1.bias", bias},
		{"model.visual.patch_embed.proj.weight", matrix},
		{"model.visual.deepstack_merger_list.0.norm.weight", norm},
		{"lm_head.weight", matrix},
		{"weight", matrix},
	}
	for _, tt := range tests {
		if got := kindOf(tt.name); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestSplitmix pins the stream: the words of seed 0 without a name are those
// that the authors of splitmix64 give for that seed.
func TestSplitmix(t *testing.T) {
	want := []uint64{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f}
	for i, w := range want {
		if got := stream(0).word(i); got != w {
			t.Errorf("word %d: got %#x, want %#x", i, got, w)
		}
	}
	if got := stream(0).uniform(1); got < -1 || got >= 1 {
		t.Errorf("got %v, want a number in [-1, 1)", got)
	}
	if got := newStream("", 5); got != 0xcbf29ce484222325+5 {
		t.Errorf("state of the empty name: got %#x, want FNV's offset plus the seed", uint64(got))
	}
}
