package stage_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mole/device"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/route"
	"mole/router"
	"mole/safetensors"
	"mole/stage"
	"mole/tensor"
	"mole/train"
)

// mute is a device on which every gradient looks like zero.
type mute struct{ device.Accelerator }

// SumSquares implements device.Backward.
func (mute) SumSquares(_, _ tensor.Tensor) {}

// TestReferenceAdapter trains with the reference preset. On a device that brings
// no gradient to the vision tower the run ends before its first step, and says
// why (acceptance scenario 8 of the specification mole); otherwise the adapter
// is what other programs expect (scenario 11).
func TestReferenceAdapter(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	s := brief()
	s.Rung = router.LoRA
	s.Targets, s.Rank, s.Alpha, s.VisionRank, s.VisionAlpha, s.Steps = "reference", 4, 8, 2, 4, 2
	c := w.chain(s)
	c.Train.Device = mute{w.dev}
	c.Train.Report = func(train.Step, stage.Settings) { t.Error("it took a step") }
	_, err := c.Run(t.Context())
	wantError(t, err, "gradients of the vision tower: the sum of the squares over its ")
	results, _ := mustRun(t, w.chain(s))
	b := results["train"].(*stage.Trained).Bundle
	m, err := qwen3vl.New(w.dev, w.base.Config, w.base.Weights)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	f, err := safetensors.Parse(b.Weights)
	if err != nil {
		t.Fatal(err)
	}
	want := referenceShapes(m.Sites(), 4, 2)
	names := f.Names()
	slices.Sort(names)
	if got := len(names); got != len(want) {
		t.Errorf("got %d tensors, want %d", got, len(want))
	}
	for _, name := range names {
		x, err := f.Tensor(name)
		if err != nil || x.DType != safetensors.F32 || !slices.Equal(x.Shape, want[name]) {
			t.Errorf("%s: got %s %v, error %v, want F32 %v", name, x.DType, x.Shape, err, want[name])
		}
	}
	wantPatterns(t, b.Config)
	wantExchange(t, m, b.Config, names, f)
}

// referenceShapes returns what a reference adapter consists of: seven linear
// layers of each decoder layer, the projection of each vision block, and the
// patch convolution, with a rank of their own in the vision tower.
func referenceShapes(sites []lora.Site, text, tower int) map[string][]int {
	shapes := map[string][]int{}
	for _, s := range sites {
		last := s.Name[strings.LastIndexByte(s.Name, '.')+1:]
		rank := text
		if strings.Contains(s.Name, ".visual.") {
			rank = tower
		}
		in, out := []int{rank, s.In}, []int{s.Out, rank}
		switch {
		case s.Name == "model.visual.patch_embed.proj":
			in, out = append([]int{rank}, s.Kernel...), []int{s.Out, rank, 1, 1, 1}
		case !slices.Contains([]string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "proj"}, last):
			continue
		}
		shapes["base_model.model."+s.Name+".lora_A.weight"], shapes["base_model.model."+s.Name+".lora_B.weight"] = in, out
	}
	return shapes
}

// wantPatterns checks the pattern maps and targets of a reference adapter.
func wantPatterns(t *testing.T, config []byte) {
	t.Helper()
	var c struct {
		Rank    int                `json:"r"`
		Alpha   float64            `json:"lora_alpha"`
		Ranks   map[string]int     `json:"rank_pattern"`
		Alphas  map[string]float64 `json:"alpha_pattern"`
		Targets []string           `json:"target_modules"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatal(err)
	}
	slices.Sort(c.Targets)
	got := fmt.Sprint(c.Rank, c.Alpha, c.Ranks, c.Alphas, c.Targets)
	want := `4 8 map[model\.visual\..*:2] map[model\.visual\..*:4] [down_proj gate_proj k_proj o_proj proj q_proj up_proj v_proj]`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// wantExchange writes the tensors again as an older program spelled them,
// without the level model., and reads them.
func wantExchange(t *testing.T, m *qwen3vl.Model, config []byte, names []string, f *safetensors.File) {
	t.Helper()
	var entries []safetensors.Entry
	for _, name := range names {
		x, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, safetensors.Entry{Name: strings.Replace(name, "base_model.model.model.", "base_model.model.", 1), Tensor: x})
	}
	var short bytes.Buffer
	if err := safetensors.Write(&short, entries, nil); err != nil {
		t.Fatal(err)
	}
	a, err := lora.Decode(config, short.Bytes(), m.Sites())
	if err != nil || 2*len(a.Pairs) != len(names) {
		t.Fatalf("got %v, error %v, want %d matrices", a, err, len(names))
	}
}

// TestTwoRuns trains two runs on one set: the second leaves every byte of the
// first one's logs as it was (scenario 18).
func TestTwoRuns(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	results, _ := mustRun(t, w.chain(brief()))
	set := results["generate"].(*stage.Generated).Name
	before := contents(t, w.LogDir(set, "run"))
	c := w.chain(brief())
	c.Train.Name, c.Train.Settings.Seed, c.Train.Settings.Steps = "other", 7, 3
	mustRun(t, c)
	after := contents(t, w.LogDir(set, "run"))
	if !maps.Equal(before, after) || len(before) < 2 {
		t.Errorf("got %d files of the first run before and %d after the second, or other contents", len(before), len(after))
	}
	other := contents(t, w.LogDir(set, "other"))
	if len(other) != len(before) {
		t.Errorf("got %d files of the second run, want %d", len(other), len(before))
	}
}

// contents returns the files of a folder and below.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, line := range listing(t, dir) {
		name, _, _ := strings.Cut(line, " ")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		name, err = filepath.Rel(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(data)
	}
	return out
}

// TestReadsInstruction trains a router to read the instruction: its answers
// about one picture may differ, those of the router that sees the screen alone
// may not (scenario 4).
func TestReadsInstruction(t *testing.T) {
	for _, text := range []bool{false, true} {
		w := openWorkshop(t, t.TempDir(), draw(t))
		w.view = w.look(t, text)
		s := brief()
		s.Rung = router.LoRA // the heads see the picture alone
		results, _ := mustRun(t, w.chain(s))
		first := results["generate"].(*stage.Generated).Set.Test[0]
		file, err := os.ReadFile(filepath.Join(w.from, filepath.FromSlash(first.Image)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := route.Open(t.Context(), results["train"].(*stage.Trained).Tree.FS(t.Context(), w.Store), route.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		wantSame(t, r, file, !text)
	}
}

// wantSame asks a router about one picture with several instructions.
func wantSame(t *testing.T, r *route.Router, file []byte, same bool) {
	t.Helper()
	var first []float64
	differ := false
	for _, instruction := range []string{"", "open the menu", "Überall schließen!", "<image> 0 1 2", strings.Repeat("scroll down ", 40)} {
		a, err := r.Route(t.Context(), file, instruction)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = a.Probs
		}
		differ = differ || !slices.Equal(first, a.Probs)
	}
	if differ == same {
		t.Errorf("answers differ by instruction: %v, want %v", differ, !same)
	}
}
