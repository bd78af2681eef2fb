package lora_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"mole/lora"
	"mole/safetensors"
)

// TestLoadRecorded loads the adapters that PEFT wrote, and compares what it
// finds with their plans in the references' case.json.
func TestLoadRecorded(t *testing.T) {
	tests := []struct {
		name           string
		nt, nb, nm, np int
		scale          float64        // of all sites but
		ranks          map[string]int // 4 unless given
		scales         map[string]float64
	}{
		{"text", 28, 0, 0, 0, 2, nil, nil},
		{"full", 28, 16, 8, 0, 2, nil, nil},
		{"reference", 28, 4, 0, 1, 2, nil, nil},
		{
			"patterns", 28, 16, 8, 0, 4,
			map[string]int{"q_proj": 2, "visual.merger.linear_fc1": 6},
			map[string]float64{"q_proj": 8 / math.Sqrt(2), "visual.merger.linear_fc1": 8 / math.Sqrt(6), "layers.1.mlp.down_proj": 1.5},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := lora.Load("testdata/"+tt.name, tinySites())
			if err != nil {
				t.Fatal(err)
			}
			var sites []lora.Site
			for _, p := range a.Pairs {
				sites = append(sites, p.Site)
				if want := lookUp(tt.ranks, p.Site.Name, 4); p.Rank != want {
					t.Errorf("%s: got rank %d, want %d", p.Site.Name, p.Rank, want)
				}
				if want := lookUp(tt.scales, p.Site.Name, tt.scale); p.Scale != want {
					t.Errorf("%s: got scale %v, want %v", p.Site.Name, p.Scale, want)
				}
			}
			if nt, nb, nm, np := count(sites); nt != tt.nt || nb != tt.nb || nm != tt.nm || np != tt.np {
				t.Errorf("got %d, %d, %d, %d sites, want %d, %d, %d, %d", nt, nb, nm, np, tt.nt, tt.nb, tt.nm, tt.np)
			}
			checkTensors(t, a, parse(t, readFile(t, tt.name, lora.WeightsFile)))
		})
	}
}

// lookUp returns the value whose key the name ends in.
func lookUp[T any](m map[string]T, name string, byDefault T) T {
	for key, v := range m {
		if strings.HasSuffix(name, key) {
			return v
		}
	}
	return byDefault
}

// checkTensors checks that a and a file hold the same numbers.
func checkTensors(t *testing.T, a *lora.Adapter, f *safetensors.File) {
	t.Helper()
	if got, want := 2*len(a.Pairs), len(f.Names()); got != want {
		t.Errorf("got %d tensors, want %d", got, want)
	}
	for _, p := range a.Pairs {
		for key, got := range map[string][]float32{lora.KeyA(p.Site.Name): p.A, lora.KeyB(p.Site.Name): p.B} {
			tensor, err := f.Tensor(key)
			if err != nil {
				t.Error(err)
				continue
			}
			want, err := tensor.Float32s()
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: got other values than the file holds (%v)", key, err)
			}
		}
	}
}

// parse reads the contents of a safetensors file.
func parse(t *testing.T, data []byte) *safetensors.File {
	t.Helper()
	f, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The tests below change one thing at a time in a small sound adapter: rank 2
// on q_proj and the patch convolution.
const (
	q     = "model.language_model.layers.0.self_attn.q_proj"
	patch = "model.visual.patch_embed.proj"
)

const smallConfig = `{"peft_type":"LORA","r":2,"lora_alpha":4,"target_modules":["q_proj","patch_embed.proj"]}`

type tensors map[string]safetensors.Tensor

// filled returns a tensor of small distinct numbers, which every format holds
// exactly.
func filled(shape ...int) safetensors.Tensor {
	n := 1
	for _, e := range shape {
		n *= e
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i%127) / 64
	}
	return safetensors.FromFloat32s(shape, v)
}

func small() tensors {
	return tensors{
		lora.KeyA(q): filled(2, 32), lora.KeyB(q): filled(64, 2),
		lora.KeyA(patch): filled(2, 3, 2, 4, 4), lora.KeyB(patch): filled(24, 2, 1, 1, 1),
	}
}

// rename returns m with from replaced by to in every key.
func rename(m tensors, from, to string) tensors {
	out := tensors{}
	for key, t := range m {
		out[strings.Replace(key, from, to, 1)] = t
	}
	return out
}

// encode returns the contents of a file.
func encode(t testing.TB, m tensors) []byte {
	t.Helper()
	var entries []safetensors.Entry
	for _, name := range slices.Sorted(maps.Keys(m)) {
		entries = append(entries, safetensors.Entry{Name: name, Tensor: m[name]})
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, entries, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDecodeSpellings loads one adapter under every spelling that is met.
func TestDecodeSpellings(t *testing.T) {
	const text, visual = "base_model.model.model.language_model.", "base_model.model.model.visual."
	tests := []struct {
		name string
		file tensors
	}{
		{"PEFT", small()},
		{"adapter's name", rename(rename(small(), "_A.", "_A.default."), "_B.", "_B.default.")},
		{"no wrapper", rename(small(), "base_model.model.", "")},
		{"without the outer model", rename(rename(small(), text, "base_model.model.language_model."), visual, "base_model.model.visual.")},
		{"text model alone", rename(small(), text, "base_model.model.model.")},
		{"bare text model", rename(small(), text, "base_model.model.")},
		{"serving engine", rename(rename(small(), text, "base_model.model.language_model.model."), visual, "base_model.model.visual.")},
	}
	want := ""
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := lora.Decode([]byte(smallConfig), encode(t, tt.file), tinySites())
			if err != nil {
				t.Fatal(err)
			}
			if want == "" {
				want = a.Digest()
			}
			if got := a.Digest(); len(a.Pairs) != 2 || got != want {
				t.Errorf("got %d pairs, digest %s, want 2, %s", len(a.Pairs), got, want)
			}
		})
	}
}

// TestDecodeTypes loads the same numbers from the three element types.
func TestDecodeTypes(t *testing.T) {
	half := map[safetensors.DType]func(float32) uint16{
		safetensors.BF16: func(v float32) uint16 { return uint16(math.Float32bits(v) >> 16) },
		safetensors.F16:  float16Bits,
	}
	want, err := lora.Decode([]byte(smallConfig), encode(t, small()), tinySites())
	if err != nil {
		t.Fatal(err)
	}
	for dtype, bits := range half {
		file := small()
		for key, tensor := range file {
			values, err := tensor.Float32s()
			if err != nil {
				t.Fatal(err)
			}
			var data []byte
			for _, v := range values {
				data = binary.LittleEndian.AppendUint16(data, bits(v))
			}
			file[key] = safetensors.Tensor{DType: dtype, Shape: tensor.Shape, Data: data}
		}
		got, err := lora.Decode([]byte(smallConfig), encode(t, file), tinySites())
		if err != nil || got.Digest() != want.Digest() {
			t.Errorf("%s: got other numbers, error %v", dtype, err)
		}
	}
}

// float16Bits narrows a number that IEEE 754 binary16 holds exactly as a normal
// number, or 0.
func float16Bits(v float32) uint16 {
	b := math.Float32bits(v)
	if v == 0 {
		return uint16(b >> 16)
	}
	return uint16(b>>16&0x8000 | (b>>23&0xff-112)<<10 | b>>13&0x3ff)
}

// TestDecodeRank takes rank from the shape of A, and alpha from the settings.
func TestDecodeRank(t *testing.T) {
	file := small()
	file[lora.KeyA(q)], file[lora.KeyB(q)] = filled(5, 32), filled(64, 5)
	a, err := lora.Decode([]byte(smallConfig), encode(t, file), tinySites())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range a.Pairs {
		want := map[string]int{q: 5, patch: 2}[p.Site.Name]
		if p.Rank != want || p.Scale != 4/float64(want) {
			t.Errorf("%s: got rank %d, scale %v, want %d, %v", p.Site.Name, p.Rank, p.Scale, want, 4/float64(want))
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	with := func(key string, tensor safetensors.Tensor) tensors {
		m := small()
		m[key] = tensor
		return m
	}
	without := func(key string) tensors {
		m := small()
		delete(m, key)
		return m
	}
	bad := filled(64, 2)
	binary.LittleEndian.PutUint32(bad.Data[4*5:], math.Float32bits(float32(math.Inf(-1))))
	twice := with("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", filled(2, 32))
	tests := []struct {
		name string
		file tensors
		want string
	}{
		{"no tensors", tensors{}, "no tensors: the adapter would do nothing"},
		{"A alone", without(lora.KeyB(q)), `tensor "` + lora.KeyA(q) + `": has no partner "` + lora.KeyB(q) + `"`},
		{"B alone", without(lora.KeyA(patch)), `tensor "` + lora.KeyB(patch) + `": has no partner "` + lora.KeyA(patch) + `"`},
		{"input width", with(lora.KeyA(q), filled(2, 33)), `tensor "` + lora.KeyA(q) + `": shape [2 33], want [2 32]`},
		{"output width", with(lora.KeyB(q), filled(63, 2)), `tensor "` + lora.KeyB(q) + `": shape [63 2], want [64 2]`},
		{"two ranks", with(lora.KeyB(q), filled(64, 3)), `shape [64 3], want [64 2]`},
		{"transposed", with(lora.KeyA(q), filled(32, 2)), `shape [32 2], want [32 32]`},
		{"rank 0", with(lora.KeyA(q), filled(0, 32)), `shape [0 32], want a rank from 1 to 65536 first`},
		{"scalar", with(lora.KeyA(q), filled()), `shape [], want a rank`},
		{"flat kernel", with(lora.KeyA(patch), filled(2, 96)), `shape [2 96], want [2 3 2 4 4]`},
		{"kernel order", with(lora.KeyA(patch), filled(2, 2, 4, 4, 3)), `shape [2 2 4 4 3], want [2 3 2 4 4]`},
		{"flat convolution B", with(lora.KeyB(patch), filled(24, 2)), `shape [24 2], want [24 2 1 1 1]`},
		{"infinite", with(lora.KeyB(q), bad), `tensor "` + lora.KeyB(q) + `": element 5 is -Inf`},
		{"integers", with(lora.KeyB(q), safetensors.Tensor{DType: safetensors.I32, Shape: []int{64, 2}, Data: make([]byte, 512)}), "elements are I32, want F32, BF16 or F16"},
		{"unknown layer", with(lora.KeyA("model.language_model.layers.4.self_attn.q_proj"), filled(2, 32)), `the network has no such layer; the nearest is "model.language_model.layers.0.self_attn.q_proj"`},
		{"typing error", rename(small(), "visual", "visula"), `tensor "base_model.model.model.visula.patch_embed.proj.lora_A.weight": the network has no such layer; the nearest is "model.visual.patch_embed.proj"`},
		{"hostile key", with(lora.KeyA(strings.Repeat("x", 1<<20)), filled(2, 32)), "the network has no such layer"},
		{"DoRA", with("base_model.model."+q+".lora_magnitude_vector", filled(64)), `lora_magnitude_vector": not a matrix of an adapter`},
		{"bias", with("base_model.model."+q+".lora_B.bias", filled(64)), `lora_B.bias": not a matrix of an adapter`},
		{"embedding", with("base_model.model.model.language_model.embed_tokens.lora_embedding_A", filled(2, 64)), "not a matrix of an adapter"},
		{"other adapter's name", with("base_model.model."+q+".lora_A.router.weight", filled(2, 32)), "not a matrix of an adapter"},
		{"saved module", with("base_model.model.lm_head.weight", filled(64, 32)), "not a matrix of an adapter, whose keys end in .lora_A.weight or .lora_B.weight"},
		{"two spellings", twice, `tensors "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight" and "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": two spellings of one matrix`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := lora.Decode([]byte(smallConfig), encode(t, tt.file), tinySites())
			checkErr(t, err, tt.want)
			checkErr(t, err, "adapter_model.safetensors: ")
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("got a message of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestDecodeFileErrors(t *testing.T) {
	good := encode(t, small())
	_, err := lora.Decode([]byte("{}"), good, tinySites())
	checkErr(t, err, `adapter_config.json: peft_type: missing`)
	_, err = lora.Decode([]byte(smallConfig), good[:len(good)-1], tinySites())
	checkErr(t, err, "adapter_model.safetensors: ")
	_, err = lora.Decode([]byte(smallConfig), good, nil)
	checkErr(t, err, `the network has no such layer; the nearest is ""`)
	_, err = lora.Load("testdata", tinySites())
	checkErr(t, err, "adapter_config.json")
}
