package lora_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"mole/lora"
)

// count returns how many sites a part of the tiny network has: the kinds are
// spelled t (language model), b (vision blocks), m (mergers), p (patch
// convolution).
func count(sites []lora.Site) (t, b, m, p int) {
	for _, s := range sites {
		switch {
		case strings.Contains(s.Name, "language_model"):
			t++
		case strings.Contains(s.Name, "blocks"):
			b++
		case strings.Contains(s.Name, "merger"):
			m++
		default:
			p++
		}
	}
	return t, b, m, p
}

// TestSelect has the table of specification qwen3-vl 9.4, for 4 layers and 4
// blocks.
func TestSelect(t *testing.T) {
	preset := func(name string) lora.Targets {
		targets, err := lora.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		return targets
	}
	list := func(names ...string) lora.Targets { return lora.Targets{List: names} }
	expr := func(s string) lora.Targets { return lora.Targets{Regexp: s} }
	tests := []struct {
		name       string
		targets    lora.Targets
		exclude    lora.Targets
		t, b, m, p int
	}{
		{"text", preset("text"), list(), 28, 0, 0, 0},
		{"full", preset("full"), list(), 28, 16, 8, 0},
		{"reference", preset("reference"), list(), 28, 4, 0, 1},
		{"qkv", list("qkv"), list(), 0, 4, 0, 0},
		{"proj", list("proj"), list(), 0, 4, 0, 1},
		{"linear_fc1, linear_fc2", list("linear_fc1", "linear_fc2"), list(), 0, 8, 8, 0},
		{"whole name", list("model.visual.merger.linear_fc1"), list(), 0, 0, 1, 0},
		{"not a suffix at a dot", list("q_proj"), list("proj"), 4, 0, 0, 0},
		{"all-linear", expr("All-Linear"), list(), 28, 16, 8, 0},
		{"all but", expr("all-linear"), expr(`model\.visual\..*`), 28, 0, 0, 0},
		{"expression", expr(`.*visual.*(qkv|proj)`), list(), 0, 8, 0, 1},
		{"blocks only", expr(`^(?=.*visual).*blocks.*\.(qkv|proj|linear_fc1|linear_fc2)$`), list(), 0, 16, 0, 0},
		{"language model only", expr(`^(model\.language_model(?=\.).*\.(q_proj|up_proj))$`), list(), 8, 0, 0, 0},
		{"exclude wins", preset("full"), list("linear_fc1", "q_proj", "nowhere"), 24, 12, 4, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := lora.Select(lora.Config{Targets: tt.targets, Exclude: tt.exclude}, withHead())
			if err != nil {
				t.Fatal(err)
			}
			if nt, nb, nm, np := count(got); nt != tt.t || nb != tt.b || nm != tt.m || np != tt.p {
				t.Errorf("got %d text, %d block, %d merger, %d patch sites, want %d, %d, %d, %d", nt, nb, nm, np, tt.t, tt.b, tt.m, tt.p)
			}
		})
	}
}

// withHead returns the sites of the tiny network and its output head.
func withHead() []lora.Site {
	return append(tinySites(), lora.Site{Name: "lm_head", In: 32, Out: 64})
}

// TestSelectLayers compares with what PEFT 0.21.2 hits.
func TestSelectLayers(t *testing.T) {
	tests := []struct {
		names      []string
		layers     []int
		t, b, m, p int
	}{
		{nil, []int{1}, 7, 4, 2, 0},
		{nil, []int{0, 3}, 14, 8, 2, 0},
		{[]string{"layers"}, []int{0, 3}, 14, 0, 0, 0},
		{[]string{"blocks", "deepstack_merger_list"}, []int{2}, 0, 4, 2, 0},
	}
	for _, tt := range tests {
		targets, err := lora.Preset("full")
		if err != nil {
			t.Fatal(err)
		}
		got, err := lora.Select(lora.Config{Targets: targets, Layers: tt.layers, LayerNames: tt.names}, withHead())
		if err != nil {
			t.Fatal(err)
		}
		if nt, nb, nm, np := count(got); nt != tt.t || nb != tt.b || nm != tt.m || np != tt.p {
			t.Errorf("%v of %v: got %d text, %d block, %d merger, %d patch sites, want %d, %d, %d, %d", tt.layers, tt.names, nt, nb, nm, np, tt.t, tt.b, tt.m, tt.p)
		}
	}
}

func TestSelectErrors(t *testing.T) {
	tests := []struct {
		name   string
		config lora.Config
		want   string
	}{
		{"none", lora.Config{}, "target_modules: none given"},
		{"both", lora.Config{Targets: lora.Targets{List: []string{"qkv"}, Regexp: "x"}}, "target_modules: both a list and a regular expression"},
		{"unused", lora.Config{Targets: lora.Targets{List: []string{"fc1", "qkv", "linear"}}}, `target_modules: no layer of the network is named "fc1" or "linear"`},
		{"nothing hit", lora.Config{Targets: lora.Targets{List: []string{"fc1"}}, AllowUnused: true}, `target_modules: "fc1" hits none of the 54 layers`},
		{"expression for a part", lora.Config{Targets: lora.Targets{Regexp: "qkv"}}, `target_modules: "qkv" hits none`},
		{"all excluded", lora.Config{Targets: lora.Targets{List: []string{"qkv"}}, Exclude: lora.Targets{List: []string{"qkv"}}}, "hits none"},
		{"layers of an expression", lora.Config{Targets: lora.Targets{Regexp: ".*"}, Layers: []int{0}}, "layers_to_transform: only with a list of target_modules"},
		{"look-behind", lora.Config{Targets: lora.Targets{Regexp: "(?<=x)y"}}, `target_modules: regular expression "(?<=x)y"`},
		{"bad exclude", lora.Config{Targets: lora.Targets{Regexp: ".*"}, Exclude: lora.Targets{Regexp: "("}}, "exclude_modules: regular expression"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := lora.Select(tt.config, withHead())
			checkErr(t, err, tt.want)
		})
	}
	_, err := lora.Preset("all")
	checkErr(t, err, `preset "all", want text, full or reference`)
	if got, err := lora.Select(lora.Config{Targets: lora.Targets{List: []string{"fc1", "qkv"}}, AllowUnused: true}, tinySites()); len(got) != 4 || err != nil {
		t.Errorf("unused allowed: got %d sites, error %v, want 4", len(got), err)
	}
}

func TestNew(t *testing.T) {
	c := lora.Config{
		Rank: 16, Alpha: 32, Targets: lora.Targets{List: []string{"linear_fc2", "proj"}},
		RankFor: []lora.Override{{Key: "mlp.linear_fc2", Value: 400}}, AlphaFor: []lora.Override{{Key: "patch_embed.proj", Value: 4}},
	}
	a, err := lora.New(c, tinySites(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Pairs) != 13 || !a.Config.InitWeights {
		t.Fatalf("got %d pairs, InitWeights %v, want 13, true", len(a.Pairs), a.Config.InitWeights)
	}
	for _, p := range a.Pairs {
		rank, scale, err := c.Scale(p.Site.Name)
		if p.Rank != rank || p.Scale != scale || err != nil {
			t.Errorf("%s: got rank %d, scale %v, want %d, %v, %v", p.Site.Name, p.Rank, p.Scale, rank, scale, err)
		}
		checkFresh(t, p)
	}
}

// checkFresh checks the matrices of a new pair.
func checkFresh(t *testing.T, p *lora.Pair) {
	t.Helper()
	if len(p.A) != p.Rank*p.Site.In || len(p.B) != p.Rank*p.Site.Out {
		t.Errorf("%s: got %d and %d values, want %d and %d", p.Site.Name, len(p.A), len(p.B), p.Rank*p.Site.In, p.Rank*p.Site.Out)
	}
	if slices.ContainsFunc(p.B, func(v float32) bool { return v != 0 }) {
		t.Errorf("%s: B is not zero", p.Site.Name)
	}
	checkUniform(t, p.A, 1/math.Sqrt(float64(p.Site.In)))
}

// checkUniform checks range, mean and variance against the uniform distribution
// in ±bound, at five standard errors.
func checkUniform(t *testing.T, v []float32, bound float64) {
	t.Helper()
	var sum, squares, largest float64
	for _, x := range v {
		sum += float64(x)
		squares += float64(x) * float64(x)
		largest = max(largest, math.Abs(float64(x)))
	}
	n := float64(len(v))
	if largest > bound {
		t.Errorf("got a value of %v, want at most %v", largest, bound)
	}
	if limit := 5 * bound / math.Sqrt(3*n); math.Abs(sum/n) > limit {
		t.Errorf("got mean %v, want at most %v", sum/n, limit)
	}
	want := bound * bound / 3
	if limit := 5 * want * math.Sqrt(0.8/n); math.Abs(squares/n-want) > limit { // the variance of x² is 4/45 bound⁴
		t.Errorf("got variance %v, want %v ± %v", squares/n, want, limit)
	}
}

// TestNewSeed checks that values depend on site and seed, and on nothing else.
func TestNewSeed(t *testing.T) {
	c := lora.Config{Targets: lora.Targets{List: []string{"q_proj", "v_proj"}}}
	sites := tinySites()
	one, err := lora.New(c, sites, 1)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(sites)
	reversed, err := lora.New(c, sites, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := reversed.Digest(), one.Digest(); got != want {
		t.Errorf("other order: got %s, want %s", got, want)
	}
	two, err := lora.New(c, sites, 2)
	if err != nil {
		t.Fatal(err)
	}
	if two.Digest() == one.Digest() {
		t.Error("two seeds give one adapter")
	}
	if slices.Equal(one.Pairs[0].A, one.Pairs[1].A) {
		t.Error("two sites have the same values")
	}
	// A change of these numbers would break every training that is resumed or
	// repeated.
	if got, want := one.Pairs[0].A[:2], []float32{-0.12332294, 0.09882158}; !slices.Equal(got, want) {
		t.Errorf("first values: got %v, want %v", got, want)
	}
	_, err = lora.New(lora.Config{}, sites, 1)
	checkErr(t, err, "target_modules: none given")
	_, err = lora.New(lora.Config{Rank: -1}, sites, 1)
	checkErr(t, err, "r: -1")
}
