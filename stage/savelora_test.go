package stage_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/lora"
	"mole/stage"
	"mole/store"
	"mole/store/storetest"
)

// sites are the layers of a network of two.
var sites = []lora.Site{{Name: "a.q_proj", In: 3, Out: 4}, {Name: "a.v_proj", In: 3, Out: 2}}

// adapterIn writes an adapter for a base model into a folder below dir and
// returns dir.
func adapterIn(t *testing.T, dir, folder, base string, at []lora.Site) string {
	t.Helper()
	a, err := lora.New(lora.Config{Rank: 2, Alpha: 4, BaseModel: base, Targets: lora.Targets{List: []string{"q_proj", "v_proj"}}, AllowUnused: true}, at, 1)
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, folder)
	if err := os.MkdirAll(target, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := a.Save(target); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(target, "optimizer.pt"), []byte("large"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// saving returns a stage that saves from a folder.
func saving(from string) *stage.SaveLora {
	return &stage.SaveLora{
		Place: &stage.Place{Store: storetest.Memory()}, Checkpoint: from, Volume: "moe-lora-checkpoints", Dest: "calendar", Model: "tiny", Sites: sites,
	}
}

func TestSaveLora(t *testing.T) {
	for _, folder := range []string{".", "final", "adapter"} {
		s := saving(adapterIn(t, t.TempDir(), folder, "tiny", sites))
		out, err := s.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := stage.SavedLora{Source: s.Checkpoint, Base: "tiny", Rank: 2, Pairs: 2, Bytes: out.Bytes, Time: out.Time}
		if *out != want {
			t.Fatalf("%s: got %+v, want %+v", folder, out, want)
		}
		tree, err := store.Volume{Store: s.Store, Name: s.Volume}.Tree(t.Context(), "calendar")
		if err != nil || len(tree.Files) != 2 || tree.Files[0].Path != lora.ConfigFile || tree.Files[1].Path != lora.WeightsFile {
			t.Errorf("%s: got %+v, %v", folder, tree, err)
		}
	}
}

// TestSaveLoraAgain saves the same adapter, then another one, then from the
// volume.
func TestSaveLoraAgain(t *testing.T) {
	s := saving(adapterIn(t, t.TempDir(), ".", "tiny", sites))
	replaced := func() bool {
		t.Helper()
		out, err := s.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return out.Replaced
	}
	same := s.Checkpoint
	for i, from := range []string{same, same, adapterIn(t, t.TempDir(), ".", "tiny", sites[:1])} {
		s.Checkpoint = from
		if got := replaced(); got != (i == 2) {
			t.Errorf("save %d: got replaced %v", i, got)
		}
	}
	s.Checkpoint, s.FromVolume, s.Dest = "calendar", s.Volume, "copy"
	out, err := s.Run(t.Context())
	if err != nil || out.Source != "moe-lora-checkpoints:calendar" || out.Pairs != 1 {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestSaveLoraRefuses(t *testing.T) {
	good := func(t *testing.T) string { return adapterIn(t, t.TempDir(), ".", "tiny", sites) }
	without := func(name string) func(*testing.T) string {
		return func(t *testing.T) string {
			dir := good(t)
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	short := func(t *testing.T) string {
		dir := good(t)
		if err := os.Truncate(filepath.Join(dir, lora.WeightsFile), 200); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	other := []lora.Site{{Name: "b.q_proj", In: 3, Out: 4}}
	tests := []struct {
		name  string
		dir   func(*testing.T) string
		sites []lora.Site
		want  string
	}{
		{"no folder", func(t *testing.T) string { return filepath.Join(t.TempDir(), "none") }, sites, "no such file"},
		{"no config", without(lora.ConfigFile), sites, "no adapter_config.json, neither"},
		{"no weights", without(lora.WeightsFile), sites, "adapter_model.safetensors"},
		{"cut weights", short, sites, "adapter_model.safetensors"},
		{"cut weights, no network", short, nil, "adapter_model.safetensors"},
		{"other layers", good, other, "a.q_proj"},
		{"other base", func(t *testing.T) string { return adapterIn(t, t.TempDir(), ".", "Qwen/Qwen3-VL-8B-Instruct", sites) }, sites, "another base model"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := saving(tt.dir(t))
			s.Sites = tt.sites
			_, err := s.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), s.Checkpoint+": ") {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
			if _, err := (store.Volume{Store: s.Store, Name: s.Volume}).Tree(t.Context(), "calendar"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("something was published: %v", err)
			}
		})
	}
}

// TestSaveLoraForced saves an adapter for a model that is not on this machine.
func TestSaveLoraForced(t *testing.T) {
	s := saving(adapterIn(t, t.TempDir(), ".", "Qwen/Qwen3-VL-8B-Instruct", sites))
	s.Sites, s.Force = nil, true
	if out, err := s.Run(t.Context()); err != nil || out.Pairs != 2 {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestSameModel(t *testing.T) {
	same := []string{
		"Qwen/Qwen3-VL-8B-Instruct", "/models/Qwen--Qwen3-VL-8B-Instruct", "models/qwen3-vl-8b-instruct/",
		"hub/models--Qwen--Qwen3-VL-8B-Instruct/snapshots/0123abcd", `C:\models\Qwen3-VL-8B-Instruct`,
		"Qwen/Qwen3-VL-8B-Instruct@main",
	}
	for _, a := range same {
		for _, b := range same {
			if !stage.SameModel(a, b) {
				t.Errorf("%q and %q differ", a, b)
			}
		}
		for _, b := range []string{"", "tiny", "Qwen/Qwen3-VL-2B-Instruct"} {
			if stage.SameModel(a, b) || stage.SameModel(b, a) {
				t.Errorf("%q and %q are the same", a, b)
			}
		}
	}
}
