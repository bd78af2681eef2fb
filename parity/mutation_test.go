package parity

import (
	"regexp"
	"strings"
	"testing"

	"mole/safetensors"
)

// mutations lists, for each case, what is recorded and compared. Every number
// at a path that outputs matches is changed, every tensor too, and then every
// comparison must fail, but for those that stay names.
var mutations = []struct {
	name    string
	outputs string // regular expression for paths of case.json
	stay    []string
}{
	{"spec", `^(weights .*|rope_delta|loss.*|steps \d+ (loss|grad_norm|lr))$`, []string{"config"}},
	{"tiny-text", `^(weights .*|rope_delta|loss.*|steps \d+ (loss|grad_norm|lr))$`, []string{"config"}},
	{"tiny-full", `^(weights .*|rope_delta|loss.*|steps \d+ (loss|grad_norm|lr))$`, []string{"config"}},
	{"tiny-batch", `^(rope_deltas .*|runs \w+ (tokens|\w+_mean|samples \d+ (sum|mean)))$`, []string{"config"}},
	{"wide-small", `^(weights .*|rope_delta|label_rows .*|hidden .*|runs .*)$`,
		[]string{"config", "top-1/", "recorded.float32/.* grad_norm"}},
	{"generate", `^(rope_delta|runs \w+ (margins .*|smallest_margin|distinct))$`,
		[]string{"config", "recorded/.*.ids", "base.ids", "adapter.ids"}},
	{"adapter", `^adapters \w+ largest_change$`, []string{"config", "settings", "adapter weights"}},
	{"processor", `^images \d+ (height|width|stride|grid_thw .*|.*sha256|.*from_path_grid_thw .*|\w+ sample .*|backend.*)$`,
		[]string{"refused", "lossy decoder"}},
	{"tokens-small", `^(strings|decode) \d+ ids \d+$`, []string{"rendered", "ids/strings.0 ", "decoded"}},
}

// TestEveryNumberCounts changes everything that was recorded at once, which
// shows for each comparison that it depends on its own number, without a run
// for each of the thousands.
func TestEveryNumberCounts(t *testing.T) {
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			files := load(t, m.name)
			outputs := regexp.MustCompile(m.outputs)
			editJSON(t, files, metaFile, func(v any) any { return perturb(v, "", outputs.MatchString) })
			if files[arrayFile] != nil {
				editArrays(t, files, arrayFile, nudge)
			}
			r := check(t, files, Options{Workers: 2})
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			checkAllFail(t, r, m.stay)
		})
	}
}

// checkAllFail reports values that are good although they were changed. stay
// lists quantities, or quantity/value, that were not.
func checkAllFail(t *testing.T, r *Result, stay []string) {
	t.Helper()
	spared := regexp.MustCompile("^(" + strings.Join(stay, "|") + ")")
	failed := 0
	for _, q := range r.Quantities {
		for _, v := range q.Values {
			if q.Kind != Checked || spared.MatchString(q.Name+"/"+v.Name) {
				continue
			}
			if v.Error <= q.Tolerance {
				t.Errorf("%s, %s: got error %v under %v, want a failure", q.Name, v.Name, v.Error, q.Tolerance)
			}
			failed++
		}
	}
	if failed == 0 || r.Status() != StatusFailed {
		t.Errorf("got status %s with %d values out of tolerance, want %s", r.Status(), failed, StatusFailed)
	}
}

func TestAdapterWeightsCount(t *testing.T) {
	files := load(t, "adapter")
	for _, name := range []string{"text", "full", "reference", "patterns"} {
		editArrays(t, files, name+"/"+adapterModelFile, nudge)
	}
	r := check(t, files, Options{})
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	checkAllFail(t, r, []string{"config", "settings", "recorded", "logits/base", "mixed.logits/base"})
}

// TestEveryInputCounts changes what a run starts from, one at a time: the
// result must then be an error or out of tolerance.
func TestEveryInputCounts(t *testing.T) {
	tests := []struct {
		name, path string
		value      any
	}{
		{"tiny-text", "seed", 2},
		{"tiny-text", "gain", 1.001},
		{"tiny-text", "fill", "sine"},
		{"tiny-text", "weights_bf16", true},
		{"tiny-text", "sample ids 1", 18},
		{"tiny-text", "sample labels 13", -100},
		{"tiny-text", "sample labels 13", 30},
		{"tiny-text", "sample images 0 0", "b"},
		{"tiny-text", "adapter preset", "full"},
		{"tiny-text", "adapter r", 3},
		{"tiny-text", "adapter alpha", 8.01},
		{"tiny-text", "optimizer lr", 0.00101},
		{"tiny-text", "optimizer warmup", 3},
		{"tiny-text", "optimizer clip", 1000},
		{"tiny-text", "optimizer steps", 9},
		{"tiny-text", "steps 4 step", 5},
		{"tiny-batch", "seed", 3},
		{"tiny-batch", "samples 8 ids 1", 6},
		{"tiny-batch", "runs full samples 1 tokens", 3},
		{"wide-small", "seed", 8},
		{"wide-small", "weights_bf16", false},
		{"wide-small", "sample labels 14", -100},
		{"wide-small", "runs text.f32 grad_norm", 1.0},
		{"wide-small", "adapter r", 2},
		{"generate", "seed", 108},
		{"generate", "gain", 2.01},
		{"generate", "runs base ids 7", 1},
		{"generate", "adapter preset", "full"},
		{"adapter", "seed", 7},
		{"adapter", "adapters text r", 5},
		{"adapter", "adapters patterns alpha", 9},
		{"adapter", "adapters full preset", "text"},
		{"adapter", "adapters patterns extra rank_pattern q_proj", 3},
		{"adapter", "adapters text seed", 8},
		{"tokens-small", "tokenizer_sha256", strings.Repeat("0", 64)},
		{"tokens-small", "strings 8 text", "other"},
		{"tokens-small", "decode 1 decoded", "other"},
		{"tokens-small", "decode 1 decoded_skip_special", "other"},
		{"tokens-small", "chat_qwen3_template 0 rendered", "other"},
		{"tokens-small", "chat_qwen3_template 0 generation_prompt", true},
		{"processor", "images 2 min_pixels", 1000000},
		{"processor", "images 2 max_pixels", 1000},
		{"processor", "images 2 file", "1x1.png"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.path, func(t *testing.T) {
			t.Parallel()
			files := load(t, tt.name)
			set(t, files, tt.path, tt.value)
			if got := check(t, files, Options{Workers: 1}).Status(); got != StatusFailed && got != StatusError {
				t.Errorf("got %s, want %s or %s", got, StatusFailed, StatusError)
			}
		})
	}
}

// TestUnreadArrays checks that a tensor that nothing reads is not passed over.
func TestUnreadArrays(t *testing.T) {
	for _, name := range []string{"tiny-text", "tiny-batch", "wide-small", "generate", "adapter"} {
		files := load(t, name)
		extra := safetensors.Entry{Name: "extra.numbers", Tensor: safetensors.FromFloat32s([]int{1}, []float32{1})}
		entries := []safetensors.Entry{extra}
		editArrays(t, files, arrayFile, func(e safetensors.Entry) safetensors.Entry {
			entries = append(entries, e)
			return e
		})
		writeArrays(t, files, arrayFile, entries)
		r := check(t, files, Options{})
		report := Report{Results: []*Result{r}}
		if r.Status() != StatusNotChecked || !report.OK(false) || report.OK(true) {
			t.Errorf("%s: got %s, want %s, which fails only a strict run", name, r.Status(), StatusNotChecked)
		}
	}
}
