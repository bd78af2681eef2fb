package lora_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/lora"

	"github.com/google/go-cmp/cmp"
)

// recordedNames are the folders of testdata with adapters that PEFT wrote.
var recordedNames = []string{"text", "full", "reference", "patterns"}

// readFile returns a file of testdata.
func readFile(t testing.TB, parts ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// checkErr fails the test unless err contains want, or is nil if want is "".
func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("got no error, want one with %q", want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
		t.Errorf("got error %v, want one with %q", err, want)
	}
}

// TestConfigRoundTrip encodes the configurations that PEFT wrote to the same
// bytes.
func TestConfigRoundTrip(t *testing.T) {
	for _, name := range recordedNames {
		want := readFile(t, name, lora.ConfigFile)
		c, err := lora.ParseConfig(want)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := c.Encode()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseConfig(t *testing.T) {
	got, err := lora.ParseConfig([]byte(`{
		"peft_type": "LORA", "r": 4, "lora_alpha": 2.5, "lora_dropout": 0.05, "use_rslora": true, "bias": "none",
		"target_modules": "^(?=.*visual).*", "exclude_modules": ["lm_head"], "base_model_name_or_path": "b", "revision": "r",
		"rank_pattern": {"z": 2, "a": 3}, "alpha_pattern": {"q_proj": 0.5}, "init_lora_weights": "orthogonal",
		"use_dora": false, "modules_to_save": [], "layers_to_transform": [1, 0], "layers_pattern": "layers", "eva_config": {"rho": 2}, "task_type": "CAUSAL_LM",
		"use_future": true, "other_future": null, "third": {"a": [1]}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := lora.Config{
		Rank: 4, Alpha: 2.5, Dropout: 0.05, RSLoRA: true, BaseModel: "b", Revision: "r",
		Targets: lora.Targets{Regexp: "^(?=.*visual).*"}, Exclude: lora.Targets{List: []string{"lm_head"}},
		Layers: []int{1, 0}, LayerNames: []string{"layers"},
		RankFor: []lora.Override{{Key: "z", Value: 2}, {Key: "a", Value: 3}}, AlphaFor: []lora.Override{{Key: "q_proj", Value: 0.5}},
		Unknown: []string{"use_future", "third"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	got, err = lora.ParseConfig([]byte(`{"peft_type":"LORA"}`))
	if diff := cmp.Diff(lora.Config{Rank: 8, Alpha: 8, InitWeights: true}, got); diff != "" || err != nil {
		t.Errorf("defaults: error %v (-want +got):\n%s", err, diff)
	}
}

func TestParseConfigErrors(t *testing.T) {
	const open, closed = `{"peft_type":"LORA",`, `}`
	tests := []struct{ name, members, want string }{
		{"use_dora", `"use_dora":true`, `"use_dora": true is not supported`},
		{"lora_bias", `"lora_bias":true`, `"lora_bias": true is not supported`},
		{"modules_to_save", `"modules_to_save":["lm_head"]`, `"modules_to_save": ["lm_head"] is not supported`},
		{"target_parameters", `"target_parameters":["w"]`, `"target_parameters"`},
		{"trainable tokens", `"trainable_token_indices":{"embed_tokens":[1]}`, `"trainable_token_indices"`},
		{"fan_in_fan_out", `"fan_in_fan_out":true`, `"fan_in_fan_out": true is not supported`},
		{"layers_to_transform", `"layers_to_transform":"all"`, `"layers_to_transform": "all", want one or a list of layer numbers`},
		{"layer_replication", `"layer_replication":[[0,4]]`, `"layer_replication"`},
		{"aLoRA", `"alora_invocation_tokens":[1,2]`, `"alora_invocation_tokens"`},
		{"KaSA", `"kasa_config":{"a":1}`, `"kasa_config"`},
		{"QALoRA", `"use_qalora":true`, `"use_qalora"`},
		{"long value", `"use_bdlora":{"a":"` + strings.Repeat("x", 99) + `"}`, `xxx... is not supported`},
		{"bias", `"bias":"lora_only"`, `"bias": "lora_only" is not supported, want "none"`},
		{"bias type", `"bias":true`, `"bias": true, want "none"`},
		{"pissa", `"init_lora_weights":"pissa_niter_4"`, `"init_lora_weights": "pissa_niter_4" is not supported`},
		{"init number", `"init_lora_weights":1`, `"init_lora_weights": 1, want true, false or a string`},
		{"r 0", `"r":0`, "r 0, lora_alpha 8, want both above 0"},
		{"r negative", `"r":-4`, "r: -4, want a whole number from 1 to 65536"},
		{"r huge", `"r":1000000`, "r: 1e+06, want a whole number from 1 to 65536"},
		{"r beyond 64 bits", `"r":100000000000000000000`, `"r": 100000000000000000000, want a whole number`},
		{"r fraction", `"r":8.5`, `"r": 8.5, want a whole number`},
		{"r string", `"r":"8"`, `"r": "8", want a whole number`},
		{"alpha 0", `"lora_alpha":0`, "r 8, lora_alpha 0, want both above 0"},
		{"alpha negative", `"lora_alpha":-1`, "lora_alpha: -1, want a number above 0"},
		{"alpha infinite", `"lora_alpha":1e999`, `"lora_alpha": 1e999, want a number`},
		{"alpha NaN", `"lora_alpha":NaN`, "invalid character 'N'"},
		{"dropout", `"lora_dropout":1`, "lora_dropout: 1, want a number from 0 to below 1"},
		{"targets", `"target_modules":[1]`, `"target_modules": [1], want a list of names or a regular expression`},
		{"rank_pattern value", `"rank_pattern":{"q_proj":0}`, `rank_pattern: "q_proj": 0, want a whole number`},
		{"rank_pattern fraction", `"rank_pattern":{"q_proj":1.5}`, `rank_pattern: "q_proj": 1.5, want a whole number`},
		{"rank_pattern kind", `"rank_pattern":[4]`, `"rank_pattern": [4], want an object`},
		{"alpha_pattern value", `"alpha_pattern":{"q_proj":"x"}`, `"alpha_pattern": "q_proj": "x", want a number`},
		{"alpha_pattern key", `"alpha_pattern":{"(?<=x)y":4}`, `alpha_pattern: regular expression "(?<=x)y"`},
		{"empty key", `"alpha_pattern":{"":4}`, "alpha_pattern: an empty key"},
		{"pattern twice", `"rank_pattern":{"a":4,"a":8}`, `"rank_pattern": key "a" occurs twice`},
		{"key twice", `"r":4,"r":8`, `key "r" occurs twice`},
		{"peft_type twice", `"peft_type":"LORA"`, `key "peft_type" occurs twice`},
		{"deep", `"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000), "exceeded max depth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := lora.ParseConfig([]byte(open + tt.members + closed))
			checkErr(t, err, tt.want)
		})
	}
}

func TestParseConfigForm(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "unexpected end of JSON input"},
		{"[]", "[], want an object"},
		{"null", "null, want an object"},
		{`{"r":4}`, `peft_type: missing, want "LORA"`},
		{`{"peft_type":"LOHA"}`, `peft_type: "LOHA", want "LORA"`},
		{`{"peft_type":"LORA"`, "unexpected end of JSON input"},
		{`{"peft_type":"LORA"} x`, "invalid character 'x' after top-level value"},
		{`{"peft_type":"LORA","rank_pattern":{` + manyKeys(4097) + `}}`, "rank_pattern: 4097 entries, want at most 4096"},
		{`{"peft_type":"LORA","rank_pattern":{` + strings.ReplaceAll(manyKeys(100), "k", strings.Repeat("x", 3000)) + `}}`, "the expressions before it are too long already"},
	}
	for _, tt := range tests {
		_, err := lora.ParseConfig([]byte(tt.text))
		checkErr(t, err, tt.want)
	}
}

// manyKeys returns n members of a pattern table.
func manyKeys(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(`"k%d":4`, i))
	}
	return strings.Join(out, ",")
}

func TestConfigEncode(t *testing.T) {
	c := lora.Config{
		Alpha: 0.5, Dropout: 0.05, BaseModel: "models/<Jörg> 𝄞", Targets: lora.Targets{Regexp: `^(?=.*visual).*\.qkv$`},
		RankFor: []lora.Override{{Key: "z", Value: 2}, {Key: "a", Value: 3}}, Exclude: lora.Targets{List: []string{"a", "b"}},
	}
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"lora_alpha": 0.5,`, `"lora_dropout": 0.05,`, `"base_model_name_or_path": "models/<J\u00f6rg> \ud834\udd1e",`, `"r": 8,`,
		`"target_modules": "^(?=.*visual).*\\.qkv$",`, "\"rank_pattern\": {\n    \"z\": 2,\n    \"a\": 3\n  },",
		"\"exclude_modules\": [\n    \"a\",\n    \"b\"\n  ],", `"init_lora_weights": false,`, `"revision": null,`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("got %s, want it to contain %s", text, want)
		}
	}
	got, err := lora.ParseConfig(text)
	c.Rank = 8 // what 0 means
	if diff := cmp.Diff(c, got); diff != "" || err != nil {
		t.Errorf("parsed: error %v (-want +got):\n%s", err, diff)
	}
}

func TestConfigEncodeErrors(t *testing.T) {
	tests := []struct {
		config lora.Config
		want   string
	}{
		{lora.Config{Alpha: math.NaN()}, "lora_alpha: NaN"},
		{lora.Config{Dropout: math.NaN()}, "lora_dropout: NaN"},
		{lora.Config{Rank: -1}, "r: -1"},
		{lora.Config{Targets: lora.Targets{List: []string{"a"}, Regexp: "b"}}, "target_modules: both"},
		{lora.Config{Exclude: lora.Targets{List: []string{"a"}, Regexp: "b"}}, "exclude_modules: both"},
	}
	for _, tt := range tests {
		_, err := tt.config.Encode()
		checkErr(t, err, tt.want)
	}
}

func TestScale(t *testing.T) {
	c := lora.Config{
		Rank: 16, Alpha: 32,
		RankFor:  []lora.Override{{Key: `layers\.0\..*`, Value: 4}, {Key: "q_proj", Value: 64}},
		AlphaFor: []lora.Override{{Key: "self_attn.q_proj", Value: 8}},
	}
	tests := []struct {
		site   string
		rslora bool
		rank   int
		scale  float64
	}{
		{"model.layers.1.mlp.up_proj", false, 16, 2},
		{"model.layers.1.mlp.up_proj", true, 16, 8},
		{"model.layers.1.self_attn.q_proj", false, 64, 0.125},
		{"model.layers.0.self_attn.q_proj", false, 4, 2}, // the first rank, the only alpha
		{"model.layers.0.self_attn.q_proj", true, 4, 4},
		{"model.layers.0.mlp.up_proj", false, 4, 8},
	}
	for _, tt := range tests {
		c.RSLoRA = tt.rslora
		rank, scale, err := c.Scale(tt.site)
		if rank != tt.rank || scale != tt.scale || err != nil {
			t.Errorf("%s rslora %v: got %d, %v, %v, want %d, %v", tt.site, tt.rslora, rank, scale, err, tt.rank, tt.scale)
		}
	}
	c.RankFor[0].Key = "("
	_, _, err := c.Scale("x")
	checkErr(t, err, `rank_pattern: regular expression "("`)
}
