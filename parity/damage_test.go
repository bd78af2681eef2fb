package parity

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"mole/safetensors"
)

// damage is one way to spoil a recorded case, and the error that must come of
// it.
type damage struct {
	name  string
	base  string // the case that is spoilt
	spoil func(t *testing.T, files fstest.MapFS)
	want  []string // parts of the message
}

// set1 returns an edit of one key of case.json.
func set1(path string, value any) func(*testing.T, fstest.MapFS) {
	return func(t *testing.T, files fstest.MapFS) { set(t, files, path, value) }
}

// replace returns an edit that gives a file new contents; nil removes it.
func replace(name string, data []byte) func(*testing.T, fstest.MapFS) {
	return func(_ *testing.T, files fstest.MapFS) {
		files[name] = &fstest.MapFile{Data: data}
		if data == nil {
			delete(files, name)
		}
	}
}

// truncate returns an edit that cuts the last n bytes off a file.
func truncate(name string, n int) func(*testing.T, fstest.MapFS) {
	return func(_ *testing.T, files fstest.MapFS) {
		data := files[name].Data
		files[name] = &fstest.MapFile{Data: data[:len(data)-n]}
	}
}

// spoilArray returns an edit of one tensor of the case.
func spoilArray(name string, edit func(e safetensors.Entry) safetensors.Entry) func(*testing.T, fstest.MapFS) {
	return func(t *testing.T, files fstest.MapFS) { editArrays(t, files, arrayFile, only(name, edit)) }
}

// fileDamages spoil files as a whole.
var fileDamages = []damage{
	{"no case.json", "tiny-text", replace(metaFile, nil), []string{metaFile, "not exist"}},
	{"case.json is empty", "tiny-text", replace(metaFile, []byte{}), []string{metaFile, "type"}},
	{"case.json is cut off", "tiny-text", truncate(metaFile, 20), []string{metaFile, "unexpected end"}},
	{"case.json is null", "tiny-text", replace(metaFile, []byte("null")), []string{metaFile, "null, want an object"}},
	{"case.json is a list", "tiny-text", replace(metaFile, []byte("[1]")), []string{metaFile, "array"}},
	{"case.json is deep", "tiny-text", replace(metaFile, bytes.Repeat([]byte(`{"type":`), 20000)), []string{metaFile, "depth"}},
	{"no type", "tiny-text", set1("type", nil), []string{metaFile, `no key "type"`}},
	{"unknown type", "tiny-text", set1("type", "dance"), []string{`type "dance"`, "adapter batch generate"}},
	{"type of another case", "tiny-text", set1("type", "batch"), []string{`no key "samples"`}},
	{"no tensors", "tiny-text", replace(arrayFile, nil), []string{arrayFile, "not exist"}},
	{"tensors are cut off", "tiny-text", truncate(arrayFile, 100), []string{arrayFile}},
	{"tensors are empty", "generate", replace(arrayFile, []byte{}), []string{arrayFile}},
	{"no config.json", "tiny-text", replace(configFile, nil), []string{configFile, "not exist"}},
	{"no config-r4.json", "tiny-text", replace(oldFile, nil), []string{oldFile, "not exist"}},
	{"config.json is cut off", "generate", truncate(configFile, 3), []string{configFile, "unexpected end"}},
	{"no adapter file", "adapter", replace("full/"+adapterModelFile, nil), []string{"full/" + adapterModelFile, "not exist"}},
	{"adapter file is cut off", "adapter", truncate("text/"+adapterModelFile, 4), []string{"text/" + adapterModelFile}},
	{"adapter config is cut off", "adapter", truncate("text/"+adapterConfigFile, 4), []string{"text/" + adapterConfigFile}},
	{"no image", "processor", replace("28x28.png", nil), []string{"28x28.png", "not exist"}},
	{"image is cut off", "processor", truncate("28x28.png", 300), []string{"28x28.png", "decode PNG"}},
	{"decoded image is cut off", "processor", truncate("cmyk-80x120.decoded.png", 300), []string{"cmyk-80x120.jpg"}},
}

// arrayDamages spoil single tensors.
var arrayDamages = []damage{
	{"missing", "tiny-text", spoilArray("base.logits", func(safetensors.Entry) safetensors.Entry { return safetensors.Entry{} }),
		[]string{arrayFile, `"base.logits"`}},
	{"missing gradient", "tiny-batch", spoilArray("text.grad_token_mean."+someKey, func(safetensors.Entry) safetensors.Entry { return safetensors.Entry{} }),
		[]string{arrayFile, someKey}},
	{"other name", "tiny-full", spoilArray("final."+someKey, func(e safetensors.Entry) safetensors.Entry { e.Name += "s"; return e }),
		[]string{arrayFile, `"final.` + someKey + `"`}},
	{"NaN", "tiny-text", spoilArray("adapter.vision.feats", withFirst(math.NaN())),
		[]string{arrayFile, `"adapter.vision.feats"`, "element 0 is NaN"}},
	{"infinity", "wide-small", spoilArray("base.label_logits", withFirst(math.Inf(1))),
		[]string{arrayFile, `"base.label_logits"`, "element 0 is +Inf"}},
	{"other shape", "tiny-text", spoilArray("grad."+someKey, flatten),
		[]string{arrayFile, someKey, "shape [128], want [4 32]"}},
	{"other type", "generate", spoilArray("base.logits", func(e safetensors.Entry) safetensors.Entry { e.Tensor.DType = "I32"; return e }),
		[]string{arrayFile, `"base.logits"`, "I32, want F64 or F32"}},
	{"positions are no integers", "tiny-text", spoilArray("position_ids", func(e safetensors.Entry) safetensors.Entry { e.Tensor.DType = "F64"; return e }),
		[]string{arrayFile, `"position_ids"`, "want integers"}},
}

const someKey = "base_model.model.model.language_model.layers.1.self_attn.q_proj.lora_A.weight"

// withFirst returns an edit that sets element 0 of an F64 tensor.
func withFirst(x float64) func(safetensors.Entry) safetensors.Entry {
	return func(e safetensors.Entry) safetensors.Entry {
		binary.LittleEndian.PutUint64(e.Tensor.Data, math.Float64bits(x))
		return e
	}
}

func flatten(e safetensors.Entry) safetensors.Entry {
	e.Tensor.Shape = []int{e.Tensor.Len()}
	return e
}

// keyDamages spoil single keys of case.json.
var keyDamages = []damage{
	{"no seed", "tiny-text", set1("seed", nil), []string{metaFile, `no key "seed"`}},
	{"seed is text", "generate", set1("seed", "1"), []string{metaFile, "seed: want a whole number"}},
	{"seed is a fraction", "generate", set1("seed", 1.5), []string{metaFile, "seed: want a whole number"}},
	{"no gain", "tiny-batch", set1("gain", nil), []string{metaFile, `no key "gain"`}},
	{"unknown fill", "tiny-text", set1("fill", "ones"), []string{metaFile, `fill "ones", want hash or sine`}},
	{"rank 0", "tiny-text", set1("adapter r", 0), []string{metaFile, "adapter.r: 0, want 1 to"}},
	{"rank of a million", "tiny-batch", set1("adapter r", 1e6), []string{metaFile, "adapter.r: 1000000, want 1 to"}},
	{"rank of the sine rule", "spec", set1("adapter r", 4), []string{metaFile, "r 4, want 2"}},
	{"unknown preset", "tiny-text", set1("adapter preset", "most"), []string{metaFile, `preset "most"`}},
	{"loss is null", "tiny-text", func(_ *testing.T, files fstest.MapFS) {
		data := bytes.Replace(files[metaFile].Data, []byte(`"loss_base": 4`), []byte(`"loss_base": null, "x": 4`), 1)
		files[metaFile] = &fstest.MapFile{Data: data}
	}, []string{metaFile, "loss_base: null, want a number"}},
	{"loss is text", "tiny-text", set1("loss", "4.3"), []string{metaFile, "loss", "want a number"}},
	{"entry is null", "wide-small", func(t *testing.T, files fstest.MapFS) {
		set(t, files, "hidden logits entries 3", any(nil))
		editJSON(t, files, metaFile, func(v any) any { return v })
	}, []string{metaFile, "hidden.logits.entries", "null"}},
	{"too few entries", "wide-small", set1("hidden text.norm entries", []float64{1}), []string{metaFile, "hidden.text.norm.entries: 1 of them, want 64"}},
	{"no gradient", "wide-small", set1("runs full.f64 gradients "+someKey, nil), []string{metaFile, "gradients: 55 tensors, want 56"}},
	{"no weight", "tiny-text", set1("weights model.visual.pos_embed.weight", nil), []string{metaFile, `no key "weights.model.visual.pos_embed.weight"`}},
	{"no run", "tiny-batch", set1("runs full", nil), []string{metaFile, `no key "runs.full"`}},
	{"no steps", "tiny-text", set1("steps", []any{}), []string{metaFile, "steps: 0 of them, want optimizer.steps 10"}},
	{"fewer labels than ids", "tiny-text", set1("sample labels", []int{1}), []string{metaFile, "16 of them and 1 labels"}},
	{"no ids", "generate", set1("sample ids", []int{}), []string{metaFile, "0 of them"}},
	{"id outside the vocabulary", "generate", set1("sample ids 0", 64), []string{metaFile, "token 0 is 64, outside the vocabulary of 64"}},
	{"id beyond 32 bits", "generate", set1("sample ids 0", 1e12), []string{metaFile, "sample.ids"}},
	{"image too many", "generate", set1("sample images", []any{[]any{"a", 4, 6}, []any{"b", 4, 6}}), []string{metaFile, "2 images for 1 grids"}},
	{"image of another size", "tiny-text", set1("sample images 0", []any{"a", 6, 4}), []string{metaFile, "image 0", "6 by 4 patches"}},
	{"image without name", "tiny-text", set1("sample images 0", []any{4, 6}), []string{metaFile, "images", "[name, rows, columns]"}},
	{"huge image", "tiny-text", set1("sample grids 0", []any{1, 1 << 40, 1 << 40}), []string{metaFile, "grids: 0"}},
	{"image with no patches", "tiny-text", set1("sample grids 0", []any{1, 0, 6}), []string{metaFile, "grids: 0"}},
	{"large image for few tokens", "tiny-text", set1("sample grids 0", []any{1, 16000, 16000}), []string{metaFile, "6 image tokens, want 64000000"}},
	{"file outside the case", "processor", set1("images 2 file", "../spec/case.json"), []string{metaFile, `"../spec/case.json" is no name`}},
	{"height 0", "processor", set1("images 2 height", 0), []string{metaFile, "images[2].height: 0, want 1 to"}},
	{"no images", "processor", set1("images", []any{}), []string{metaFile, "images: none"}},
	{"no adapters", "adapter", set1("adapters", map[string]any{}), []string{metaFile, "adapters: none"}},
	{"no strings", "tokens-small", set1("strings", []any{}), []string{metaFile, "strings: none"}},
}

func TestDamage(t *testing.T) {
	for _, table := range [][]damage{fileDamages, arrayDamages, keyDamages} {
		for _, d := range table {
			t.Run(d.base+" "+d.name, func(t *testing.T) {
				t.Parallel()
				files := load(t, d.base)
				d.spoil(t, files)
				r := check(t, files, Options{Workers: 1})
				report := Report{Results: []*Result{r}}
				if r.Err == nil || report.OK(false) {
					t.Fatalf("got status %s without error, want one with %q", r.Status(), d.want)
				}
				for _, part := range d.want {
					if !strings.Contains(r.Err.Error(), part) {
						t.Errorf("got error %q, want it to hold %q", r.Err, part)
					}
				}
			})
		}
	}
}

// TestHostileNetwork checks that a few bytes of configuration do not take all
// memory.
func TestHostileNetwork(t *testing.T) {
	grow := func(v any) any {
		text := v.(map[string]any)["text_config"].(map[string]any)
		text["intermediate_size"], text["num_hidden_layers"] = 1<<17, 1<<12
		return v
	}
	files := load(t, "generate")
	editJSON(t, files, configFile, grow)
	editJSON(t, files, oldFile, grow)
	r := check(t, files, Options{Workers: 1})
	if r.Err == nil || !strings.Contains(r.Err.Error(), "config.json: the network takes more than 16 GiB") {
		t.Errorf("got %v, want a refusal of the size", r.Err)
	}
}

// TestConfigsDiffer checks that the two spellings must be one network.
func TestConfigsDiffer(t *testing.T) {
	files := load(t, "generate")
	editJSON(t, files, oldFile, func(v any) any {
		v.(map[string]any)["text_config"].(map[string]any)["rms_norm_eps"] = 1e-5
		return v
	})
	r := check(t, files, Options{Workers: 1})
	if q := r.quantity("config", Checked, 0); r.Err != nil || q.Status() != StatusFailed {
		t.Errorf("got %v and %s, want a failed comparison", r.Err, q.Status())
	}
}

// TestUnknownKeys checks that what nobody reads is listed, with its place.
func TestUnknownKeys(t *testing.T) {
	tests := []struct{ base, path, want string }{
		{"tiny-text", "surprise", "surprise"},
		{"tiny-text", "sample extra", "sample.extra"},
		{"tiny-text", "steps 3 extra", "steps[3].extra"},
		{"tiny-text", "weights some.weight", "weights.some.weight"},
		{"tiny-batch", "runs other", "runs.other"},
		{"wide-small", "runs text.f64 gradients " + someKey + " mode", "runs.text.f64.gradients." + someKey + ".mode"},
		{"generate", "runs adapter entropy", "runs.adapter.entropy"},
		{"adapter", "adapters text note", "adapters.text.note"},
		{"processor", "images 0 pil new", "images[0].pil.new"},
	}
	for _, tt := range tests {
		t.Run(tt.base+" "+tt.path, func(t *testing.T) {
			t.Parallel()
			files := load(t, tt.base)
			set(t, files, tt.path, 1)
			r := check(t, files, Options{Workers: 1})
			q := r.quantity(metaFile, NotChecked, 0)
			if len(q.Values) != 1 || q.Values[0].Name != tt.want {
				t.Errorf("got %v, want %s", q.Values, tt.want)
			}
			if got := r.Status(); r.Err != nil || got != StatusNotChecked {
				t.Errorf("got %v and %s, want %s", r.Err, got, StatusNotChecked)
			}
		})
	}
}
