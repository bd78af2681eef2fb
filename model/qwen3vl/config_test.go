package qwen3vl

import (
	"reflect"
	"strings"
	"testing"
)

// oldSpelling turns the rotary settings of tinyConfig into those of the
// published files.
func oldSpelling(text string) string {
	return strings.NewReplacer(
		`"rope_parameters": {"rope_type": "default", "rope_theta": 5000000.0, `, `"rope_theta": 5e6, "rope_scaling": {"type": "default", `,
		`"qwen3_vl_vision"`, `"qwen3_vl"`).Replace(text)
}

func TestParseConfigSpellings(t *testing.T) {
	old := oldSpelling(tinyConfig)
	if old == tinyConfig {
		t.Fatal("the spelling did not change")
	}
	got, want := mustConfig(t, old), mustConfig(t, tinyConfig)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if want.Text.Sections != [3]int{4, 2, 2} || want.Text.Theta != 5e6 || want.Vision.Side != 6 || !want.Tied {
		t.Errorf("got %+v", want)
	}
}

func TestParseConfigDefaults(t *testing.T) {
	text := strings.Replace(tinyConfig, `, "mrope_section": [4, 2, 2]`, "", 1)
	text = strings.Replace(text, `"head_dim": 16`, `"head_dim": 128`, 1)
	text = strings.Replace(text, `"tie_word_embeddings": true,`, "", 1)
	text = strings.Replace(text, `"hidden_size": 32,`, `"hidden_size": 32, "tie_word_embeddings": true,`, 1)
	c := mustConfig(t, text)
	if c.Text.Sections != [3]int{24, 20, 20} {
		t.Errorf("got sections %v, want those of the released sizes", c.Text.Sections)
	}
	if c.Tied {
		t.Error("text_config.tie_word_embeddings was read; only the top level counts")
	}
}

func TestParseConfigRefuses(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"mixture of experts", `"model_type": "qwen3_vl",`, `"model_type": "qwen3_vl_moe",`, "mixture of experts; MOLE runs dense Qwen3-VL only"},
		{"hidden experts", `"hidden_act": "silu"`, `"hidden_act": "silu", "num_experts": 128`, "mixture of experts"},
		{"other family", `"model_type": "qwen3_vl",`, `"model_type": "llama",`, `model_type "llama", want "qwen3_vl"`},
		{"quantised", `"image_token_id"`, `"quantization_config": {"quant_method": "fp8"}, "image_token_id"`, "unquantised weights only"},
		{"no theta", `"rope_theta": 5000000.0, `, ``, "rope_parameters: rope_theta: missing"},
		{"rope type", `"rope_type": "default"`, `"rope_type": "yarn"`, `rope_type: "yarn", want default`},
		{"not interleaved", `"mrope_interleaved": true`, `"mrope_interleaved": false`, "mrope_interleaved: false, want true"},
		{"two sections", `[4, 2, 2]`, `[4, 2]`, "mrope_section: 2 sections, want 3"},
		{"missing width", `"hidden_size": 32,`, ``, "text_config: hidden_size: missing"},
		{"zero layers", `"num_hidden_layers": 4`, `"num_hidden_layers": 0`, "num_hidden_layers: 0, want 1 to"},
		{"negative", `"intermediate_size": 48`, `"intermediate_size": -1`, "intermediate_size: -1, want 1 to"},
		{"huge", `"vocab_size": 64`, `"vocab_size": 9223372036854775807`, "vocab_size: 9223372036854775807, want 1 to"},
		{"beyond int64", `"vocab_size": 64`, `"vocab_size": 1e40`, "vocab_size: json"},
		{"text for a number", `"depth": 4`, `"depth": "4"`, "vision_config: depth: json"},
		{"heads", `"num_key_value_heads": 2`, `"num_key_value_heads": 3`, "num_attention_heads 4 is no multiple of num_key_value_heads 3"},
		{"odd head", `"head_dim": 16`, `"head_dim": 15`, "head_dim 15 is odd"},
		{"eps", `"rms_norm_eps": 1e-6`, `"rms_norm_eps": 0`, "rms_norm_eps 0 is not positive"},
		{"attention bias", `"attention_bias": false`, `"attention_bias": true`, "attention_bias: true, want false"},
		{"activation", `"gelu_pytorch_tanh"`, `"gelu"`, `hidden_act: "gelu", want gelu_pytorch_tanh`},
		{"vision heads", `"num_heads": 2`, `"num_heads": 4`, "not num_heads 4 times a multiple of 4"},
		{"deep stack order", `[0, 1, 2]`, `[0, 2, 2]`, "do not increase"},
		{"deep stack depth", `[0, 1, 2]`, `[0, 1, 4]`, "reach beyond depth 4"},
		{"position table", `"num_position_embeddings": 36`, `"num_position_embeddings": 37`, "37 is not the number of cells of a square"},
		{"output width", `"out_hidden_size": 32`, `"out_hidden_size": 48`, "out_hidden_size: 48, want text_config.hidden_size 32"},
		{"token id", `"image_token_id": 61`, `"image_token_id": 64`, "token id 64 is outside the vocabulary of 64"},
		{"vision rope", `"patch_size": 4`, `"patch_size": 4, "rope_parameters": {"rope_type": "golden", "rope_theta": 1e4}`, `rope_type: "golden", want axial`},
		{"text is a list", `"text_config": {`, `"text_config": [], "x": {`, "text_config: json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(tinyConfig, tt.old, tt.new, 1)
			if text == tinyConfig {
				t.Fatal("nothing was replaced")
			}
			_, err := ParseConfig([]byte(text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	for _, text := range []string{"", "null", "[]", `{"model_type": "qwen3_vl"`, strings.Repeat(`{"a":`, 20000)} {
		if _, err := ParseConfig([]byte(text)); err == nil {
			t.Errorf("%.20q was accepted", text)
		}
	}
}

// FuzzParseConfig checks that what is accepted is within its limits, so that
// the list of tensors is finite and sane.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(tinyConfig))
	f.Add([]byte(oldSpelling(tinyConfig)))
	f.Add([]byte(`{"model_type": "qwen3_vl", "text_config": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			return
		}
		if n := 11*c.Text.Layers + 12*c.Vision.Depth; n > 64*maxDepth {
			t.Fatalf("%d tensors were accepted", n)
		}
		for _, s := range c.Tensors() {
			if product(s.Shape) < 1 {
				t.Fatalf("%s: shape %v", s.Name, s.Shape)
			}
		}
	})
}
