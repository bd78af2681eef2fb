package router

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mole/vision"
)

func TestPool(t *testing.T) {
	tests := []struct {
		name  string
		h, w  int
		feats []float32 // one channel
		want  []float64
	}{
		{"one cell", 1, 1, []float32{3}, []float64{3, 3, 3, 3}},
		{"even", 2, 2, []float32{1, 2, 3, 4}, []float64{1, 2, 3, 4}},
		{"one row", 1, 3, []float32{1, 2, 6}, []float64{1.5, 4, 1.5, 4}},
		{"odd", 3, 3, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9}, []float64{3, 4, 6, 7}},
		{"wide", 2, 4, []float32{1, 3, 5, 7, 2, 4, 6, 8}, []float64{2, 6, 3, 7}},
	}
	for _, tt := range tests {
		if got := Pool(tt.feats, tt.h, tt.w, 1); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	got := Pool([]float32{1, 10, 3, 30}, 1, 2, 2)
	if want := []float64{1, 10, 3, 30, 1, 10, 3, 30}; !slices.Equal(got, want) {
		t.Errorf("two channels: got %v, want %v", got, want)
	}
}

func TestColour(t *testing.T) {
	im := &vision.Image{W: 1, H: 1, RGB: []uint8{255, 255, 255}}
	x := PooledColour.Of([]float32{1, 2, 3}, 1, 1, 3, im)
	if len(x) != PooledColour.Width(3) || x[0] != 1 || x[len(x)-1] != 1 {
		t.Errorf("got %d features, want %d, the last one 1", len(x), PooledColour.Width(3))
	}
	im.Colours = make([]float32, vision.ColourBins)
	im.Colours[3] = 0.5
	if x = PooledColour.Of([]float32{1, 2, 3}, 1, 1, 3, im); x[12+3] != 0.5 || x[len(x)-1] != 0 {
		t.Errorf("got %v and %v, want the colours before the resize", x[12+3], x[len(x)-1])
	}
}

func TestParseNames(t *testing.T) {
	for _, r := range Rungs() {
		if got, err := ParseRung(string(r)); err != nil || got != r {
			t.Errorf("got %q, %v", got, err)
		}
	}
	_, err := ParseRung("ladder")
	checkErr(t, "rung", err, `rung "ladder", want lora, linear or prototype`)
	_, err = ParseFeatures("smell")
	checkErr(t, "features", err, `features "smell", want "pooled" or "pooled+colour"`)
}

// TestTrie scores labels 1, 10, 12, 2 whose every token has a made-up logit,
// and compares with the product of the choices, written out.
func TestTrie(t *testing.T) {
	const stop = 99
	trie, err := NewTrie([][]int32{{1, stop}, {1, 0, stop}, {1, 2, stop}, {2, stop}})
	if err != nil {
		t.Fatal(err)
	}
	branches := trie.Branches()
	if len(branches) != 2 || !slices.Equal(branches[1].Prefix, []int32{1}) || !slices.Equal(branches[1].Next, []int32{0, 2, stop}) {
		t.Fatalf("got branches %v", branches)
	}
	got, err := trie.Score(func([]Branch) ([][]float64, error) {
		return [][]float64{{math.Log(3), 0}, {math.Log(5) + 7, 7, math.Log(2) + 7}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.75 * 2 / 8, 0.75 * 5 / 8, 0.75 * 1 / 8, 0.25} {
		if p := math.Exp(got[i]); math.Abs(p-want) > 1e-15 {
			t.Errorf("answer %d: got %v, want %v", i, p, want)
		}
	}
}

func TestTrieOfSingleTokens(t *testing.T) {
	trie, err := NewTrie([][]int32{{7, 1}, {5, 1}, {6, 1}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := trie.Score(func([]Branch) ([][]float64, error) {
		return [][]float64{{math.Log(5), math.Log(6), math.Log(7)}}, nil // of tokens 5, 6, 7
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{7.0 / 18, 5.0 / 18, 6.0 / 18} {
		if p := math.Exp(got[i]); math.Abs(p-want) > 1e-15 {
			t.Errorf("answer %d: got %v, want %v", i, p, want)
		}
	}
	one, err := NewTrie([][]int32{{7, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := one.Score(nil); err != nil || got[0] != 0 {
		t.Errorf("got %v, %v, want certainty", got, err)
	}
}

// TestTrieSumsToOne scores random answers with random logits.
func TestTrieSumsToOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var answers [][]int32
		seen := map[string]bool{}
		for range 1 + r.IntN(20) {
			a := []int32{}
			for range r.IntN(4) {
				a = append(a, int32(r.IntN(3)))
			}
			a = append(a, 9)
			if !seen[key(a)] {
				answers = append(answers, a)
			}
			seen[key(a)] = true
		}
		trie, err := NewTrie(answers)
		if err != nil {
			t.Fatal(err)
		}
		scores, err := trie.Score(func(branches []Branch) ([][]float64, error) {
			out := make([][]float64, len(branches))
			for i, b := range branches {
				for range b.Next {
					out[i] = append(out[i], 5*r.NormFloat64())
				}
			}
			return out, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if s := logSum(scores); math.Abs(s) > 1e-12 {
			t.Errorf("%v: probabilities sum to %v", answers, math.Exp(s))
		}
	}
}

func TestTrieRefuses(t *testing.T) {
	tests := []struct {
		answers [][]int32
		want    string
	}{
		{nil, "no answers"},
		{[][]int32{{}, {1}}, "an answer has no tokens"},
		{[][]int32{{1, 2}, {3}, {1, 2}}, "[1 2] is the beginning of answer [1 2]"},
		{[][]int32{{1, 0}, {1}, {0}}, "[1] is the beginning of answer [1 0]"},
	}
	for _, tt := range tests {
		_, err := NewTrie(tt.answers)
		checkErr(t, "", err, tt.want)
	}
	trie, err := NewTrie([][]int32{{1}, {2}})
	if err != nil {
		t.Fatal(err)
	}
	for _, scores := range [][][]float64{nil, {{1}}, {{1, math.NaN()}}, {{1, 2}, {3}}} {
		_, err := trie.Score(func([]Branch) ([][]float64, error) { return scores, nil })
		checkErr(t, "scores", err, "score answers: ")
	}
	broken := errors.New("no network")
	if _, err := trie.Score(func([]Branch) ([][]float64, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestParseRefuses changes one thing at a time in files that are sound.
func TestParseRefuses(t *testing.T) {
	table := newTable(t, 3)
	c, err := Calibrate(table, LoRA, Pooled, nil, known(2, 60, 3), Options{})
	if err != nil {
		t.Fatal(err)
	}
	sound := string(toJSON(t, c))
	tests := []struct{ old, new, want string }{
		{`"version":1`, `"version":2`, "version 2 of its layout, want 1"},
		{`"rung":"lora"`, `"rung":"rope"`, `rung "rope"`},
		{`["a","b","c"]`, `["a","c","b"]`, `made for experts ["a" "c" "b"], the table has ["a" "b" "c"]`},
		{`"temperature":`, `"temperature":-`, "temperature -"},
		{`"min_confidence":`, `"min_confidence":7,"x":`, `unknown field "x"`},
		{`"min_confidence":`, `"min_confidence":1`, "min_confidence 1"},
		{`"space":"hidden"`, `"space":"outer"`, `distance: space "outer"`},
		{`"rest":`, `"rest":-`, "mahalanobis: rest and variance: number 0 is -"},
		{`"columns":12,"float32":"`, `"columns":12,"float32":"AAAA`, "matrix: "},
		{`"rows":1,"columns":12`, `"rows":3,"columns":4`, "scale: 3×4 numbers, want 1×12"},
		{`"rows":1,"columns":12`, `"rows":-1,"columns":-12`, "matrix: "},
		{`"typical":[`, `"typical":[0,`, "typical: 3 numbers, want 2"},
		{`"rung":"prototype"`, `"rung":"linear"`, `prototypes: rung "linear"`},
	}
	for _, tt := range tests {
		text := strings.Replace(sound, tt.old, tt.new, 1)
		if text == sound {
			t.Fatalf("%s is not in the file", tt.old)
		}
		_, err := ParseCalibration([]byte(text), table)
		checkErr(t, tt.new, err, tt.want)
	}
	_, err = ParseCalibration([]byte(sound+"{}"), table)
	checkErr(t, "twice", err, "text after the end")
}

func FuzzParse(f *testing.F) {
	table := newTable(f, 2)
	e := clouds(1, 8, 3, 2, 1)
	h, err := FitLinear(table, Pooled, e, e)
	if err != nil {
		f.Fatal(err)
	}
	p, err := FitPrototype(table, Pooled, e)
	if err != nil {
		f.Fatal(err)
	}
	c, err := Calibrate(table, LoRA, Pooled, nil, known(2, 9, 2), Options{})
	if err != nil {
		f.Fatal(err)
	}
	for _, v := range []any{h, p, c} {
		f.Add(toJSON(f, v))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		x := make([]float64, 12)
		if h, err := ParseLinear(text, table); err == nil {
			_, _ = h.Logits(x[:h.Weight.Columns%13])
		}
		if p, err := ParsePrototype(text, table); err == nil {
			_, _ = p.Logits(x[:p.Mean.Columns%13])
		}
		if c, err := ParseCalibration(text, table); err == nil {
			d := c.Decide(table, Evidence{Logits: []float64{1, 2}, Hidden: x, Pooled: make([]float64, 20)})
			if !bytes.Contains([]byte("ab"), []byte(d.Expert)) {
				t.Errorf("got %+v", d)
			}
		}
	})
}
