package lora_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mole/lora"

	"github.com/google/go-cmp/cmp"
)

// TestSaveRecorded loads what PEFT wrote and saves it: both files must be the
// same bytes again, since layout and order are those of the Python library.
func TestSaveRecorded(t *testing.T) {
	for _, name := range recordedNames {
		a, err := lora.Load(filepath.Join("testdata", name), tinySites())
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "new", name)
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{lora.ConfigFile, lora.WeightsFile} {
			got, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, readFile(t, name, file)) {
				t.Errorf("%s/%s: got other bytes than PEFT wrote", name, file)
			}
		}
		checkFiles(t, dir)
		again, err := lora.Load(dir, tinySites())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, again); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if again.Digest() != a.Digest() {
			t.Errorf("%s: got another digest", name)
		}
	}
}

// checkFiles checks that dir holds the two files of an adapter and nothing
// else.
func checkFiles(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if want := []string{lora.ConfigFile, lora.WeightsFile}; !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", dir, got, want)
	}
}

// makeAdapter returns a new adapter of the given targets.
func makeAdapter(t testing.TB, targets ...string) *lora.Adapter {
	t.Helper()
	a, err := lora.New(lora.Config{Rank: 4, Targets: lora.Targets{List: targets}}, tinySites(), 3)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestSaveOver saves one adapter over another.
func TestSaveOver(t *testing.T) {
	dir := t.TempDir()
	first, second := makeAdapter(t, "q_proj"), makeAdapter(t, "q_proj", "proj")
	third := makeAdapter(t, "q_proj", "proj") // same settings, other numbers
	third.Pairs[0].B[0] = 1
	for _, a := range []*lora.Adapter{first, second, third, third, first} {
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		got, err := lora.Load(dir, tinySites())
		if err != nil {
			t.Fatal(err)
		}
		if got.Digest() != a.Digest() {
			t.Error("got another adapter than was saved")
		}
		checkFiles(t, dir)
	}
}

// TestSaveInterrupted checks that after a kill between the renames there is no
// adapter, and that saving again makes one.
func TestSaveInterrupted(t *testing.T) {
	dir := t.TempDir()
	a := makeAdapter(t, "q_proj")
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, lora.ConfigFile)
	if err := os.Rename(config, config+".new"); err != nil {
		t.Fatal(err)
	}
	_, err := lora.Load(dir, tinySites())
	checkErr(t, err, "adapter_config.json")
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	checkFiles(t, dir)
}

// TestSaveFails checks that a failing save leaves the older adapter alone.
func TestSaveFails(t *testing.T) {
	dir := t.TempDir()
	old := makeAdapter(t, "q_proj")
	if err := old.Save(dir); err != nil {
		t.Fatal(err)
	}
	blocked := filepath.Join(dir, lora.WeightsFile+".new")
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o777); err != nil {
		t.Fatal(err)
	}
	checkErr(t, makeAdapter(t, "proj").Save(dir), "is a directory")
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	checkFiles(t, dir)
	if got, err := lora.Load(dir, tinySites()); err != nil || got.Digest() != old.Digest() {
		t.Errorf("got another adapter, error %v", err)
	}
	old.Config.Alpha = -1
	checkErr(t, old.Save(dir), "lora_alpha: -1")
	checkErr(t, makeAdapter(t, "proj").Save(filepath.Join(dir, lora.ConfigFile)), "not a directory")
}

// TestEncodeDescribes checks that the settings fit the tensors even where an
// adapter came with other ranks, scales and names than its settings say: PEFT
// trusts the settings.
func TestEncodeDescribes(t *testing.T) {
	a := makeAdapter(t, "model.language_model.layers.0.self_attn.q_proj", "model.visual.patch_embed.proj")
	a.Pairs[1].Scale = 0.25
	tests := []struct {
		name   string
		config lora.Config
	}{
		{"right", a.Config},
		{"other names", lora.Config{Rank: 4, Targets: lora.Targets{Regexp: `model\.layers\..*q_proj`}}},
		{"excluded", lora.Config{Rank: 4, Targets: a.Config.Targets, Exclude: lora.Targets{List: []string{"proj"}}}},
		{"expression that is not supported", lora.Config{Rank: 4, Targets: lora.Targets{Regexp: "(?<=x)y"}}},
		{"other ranks", lora.Config{Rank: 5, Targets: a.Config.Targets, RankFor: []lora.Override{{Key: "q_proj", Value: 3}}}},
		{"other scales", lora.Config{Rank: 4, RSLoRA: true, Targets: a.Config.Targets, AlphaFor: []lora.Override{{Key: ".*", Value: 3}}}},
		{"nothing", lora.Config{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config, weights, err := (&lora.Adapter{Config: tt.config, Pairs: a.Pairs}).Encode()
			if err != nil {
				t.Fatal(err)
			}
			got, err := lora.Decode(config, weights, tinySites())
			if err != nil {
				t.Fatal(err)
			}
			if got.Digest() != a.Digest() {
				t.Error("got another adapter")
			}
			checkTrusted(t, got)
		})
	}
}

// checkTrusted checks that the settings of a alone give its sites, ranks and
// scales.
func checkTrusted(t *testing.T, a *lora.Adapter) {
	t.Helper()
	made, err := lora.New(a.Config, tinySites(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Pairs) != len(a.Pairs) {
		t.Fatalf("got %d sites, want %d", len(made.Pairs), len(a.Pairs))
	}
	for i, want := range a.Pairs {
		got := made.Pairs[i]
		if got.Site.Name != want.Site.Name || got.Rank != want.Rank || got.Scale != want.Scale {
			t.Errorf("got %s, rank %d, scale %v, want %s, %d, %v", got.Site.Name, got.Rank, got.Scale, want.Site.Name, want.Rank, want.Scale)
		}
	}
}

// TestDigest checks what a digest depends on.
func TestDigest(t *testing.T) {
	want := makeAdapter(t, "q_proj").Digest()
	same := makeAdapter(t, "q_proj")
	same.Config.BaseModel, same.Config.Dropout = "x", 0.5
	slices.Reverse(same.Pairs)
	if got := same.Digest(); got != want {
		t.Errorf("other settings: got %s, want %s", got, want)
	}
	for name, change := range map[string]func(p *lora.Pair){
		"A":     func(p *lora.Pair) { p.A[len(p.A)-1] = 2 },
		"B":     func(p *lora.Pair) { p.B[0] = 1 },
		"scale": func(p *lora.Pair) { p.Scale = 3 },
		"site":  func(p *lora.Pair) { p.Site.Name += "x" },
	} {
		a := makeAdapter(t, "q_proj")
		change(a.Pairs[1])
		if a.Digest() == want {
			t.Errorf("%s changed: got the same digest", name)
		}
	}
}
