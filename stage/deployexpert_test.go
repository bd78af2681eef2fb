package stage_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mole/base"
	"mole/eval"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/safetensors"
	"mole/spec"
	"mole/stage"
	"mole/store"
	"mole/store/storetest"
)

// calendar is the expert that is deployed, with all that it takes.
type calendarCase struct {
	*workshop
	sites []lora.Site
}

func openCalendar(t *testing.T) *calendarCase {
	c := &calendarCase{workshop: openWorkshop(t, t.TempDir(), "")}
	m, err := qwen3vl.New(c.dev, c.base.Config, c.base.Weights)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c.sites = m.Sites()
	return c
}

// deploy returns a deployment of the expert.
func (c *calendarCase) deploy(t *testing.T) *stage.DeployExpert {
	return &stage.DeployExpert{Place: c.Place, Base: c.base, View: expertView(t, c.base, "calendar"), Device: c.dev}
}

// adapter writes an adapter of that rank for a base model, as PEFT does, and
// returns its folder and digest.
func (c *calendarCase) adapter(t *testing.T, rank int, model string) (dir, digest string) {
	t.Helper()
	a, err := lora.New(lora.Config{Rank: rank, Alpha: 4, BaseModel: model, Targets: lora.Targets{List: []string{"q_proj", "v_proj"}}}, c.sites, uint64(rank))
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir, a.Digest()
}

func put(t *testing.T, dir, name string, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run publishes an adapter as training and testing leave it. Day tells its age.
func (c *calendarCase) run(t *testing.T, name string, rank, day, passed int) {
	t.Helper()
	dir, digest := c.adapter(t, rank, "tiny")
	put(t, dir, spec.ExpertFile, expertView(t, c.base, "calendar").Spec)
	done := time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)
	put(t, dir, "run.json", map[string]string{"run_name": name, "dataset_name": "set", "completed": done})
	if passed >= 0 {
		put(t, dir, "report.json", eval.ExpertReport{ExpertRun: eval.ExpertRun{Adapter: digest}, Results: eval.ExpertResults{Passed: passed, Total: 10}})
	}
	tree, err := store.Add(t.Context(), c.Store, os.DirFS(dir), store.AddOptions{})
	if err == nil {
		err = c.training().Publish(t.Context(), stage.ExpertCheckpointPath("set", name), tree, store.Always)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func mustDeployExpert(t *testing.T, d *stage.DeployExpert) *stage.Deployed {
	t.Helper()
	out, err := d.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestDeployExpert deploys the newest run, then an older one by name, and goes
// back. What is deployed is what a server reads, and nothing else.
func TestDeployExpert(t *testing.T) {
	c := openCalendar(t)
	c.run(t, "old", 2, 1, 9)
	c.run(t, "new", 3, 2, 8)
	d := c.deploy(t)
	d.Latest = true
	first := mustDeployExpert(t, d)
	wantNew(t, first.Metadata)
	if second := mustDeployExpert(t, d); !second.Done || second.Version != first.Version {
		t.Errorf("deployed again: %+v", second)
	}
	d = c.deploy(t)
	d.Name = "old"
	if m := mustDeployExpert(t, d).Metadata; m.Run != "old" || m.Previous != first.Metadata.Release {
		t.Errorf("got %+v", m)
	}
	wantDeployedFiles(t, c, "old")
	d = c.deploy(t)
	d.Rollback = true
	mustDeployExpert(t, d)
	wantDeployedFiles(t, c, "new")
}

// wantNew checks the metadata of the run "new".
func wantNew(t *testing.T, m stage.Metadata) {
	t.Helper()
	if m.Run != "new" || m.Expert != "calendar" || m.Accuracy == nil || *m.Accuracy != 0.8 || m.Reads == nil || m.Labels != nil {
		t.Errorf("got %+v", m)
	}
}

// wantDeployedFiles checks what is deployed for the expert.
func wantDeployedFiles(t *testing.T, c *calendarCase, run string) {
	t.Helper()
	got, err := c.DeployedExpert(t.Context(), "calendar", "")
	if err != nil || got.Metadata.Run != run {
		t.Fatalf("got %+v, %v, want %s", got, err, run)
	}
	var names []string
	for _, f := range got.Tree.Files {
		names = append(names, f.Path)
	}
	want := []string{"adapter_config.json", "adapter_model.safetensors", "deploy_metadata.json", "expert.json", "report.json"}
	if !slices.Equal(names, want) || len(got.Metadata.SHA256) != 4 {
		t.Errorf("got %v with digests %v, want %v", names, got.Metadata.SHA256, want)
	}
	if _, err := c.Deployed(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a router is deployed: %v", err)
	}
}

// TestDeployExpertKeeps deploys five times: three releases are left.
func TestDeployExpertKeeps(t *testing.T) {
	c := openCalendar(t)
	for rank := 1; rank <= 5; rank++ {
		d := c.deploy(t)
		d.Checkpoint, _ = c.adapter(t, rank, "tiny")
		mustDeployExpert(t, d)
	}
	n := 0
	for _, err := range (store.Volume{Store: c.Store, Name: c.Volumes.Inference}).List(t.Context(), "loras/calendar/releases/") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("got %d releases, want 3", n)
	}
}

// TestDeployExpertRefuses checks what is not deployed, and leaves what is.
func TestDeployExpertRefuses(t *testing.T) {
	c := openCalendar(t)
	c.run(t, "untested", 2, 1, -1)
	c.run(t, "weak", 3, 2, 4)
	other, _ := c.adapter(t, 2, "Qwen/Qwen3-VL-8B-Instruct")
	for want, change := range map[string]func(*stage.DeployExpert){
		"no adapter is named":                      func(*stage.DeployExpert) {},
		"several runs of expert calendar":          func(d *stage.DeployExpert) { d.Dataset = "datasets/set" },
		"no run of expert calendar":                func(d *stage.DeployExpert) { d.Name = "none" },
		"mole test --expert calendar makes one":    func(d *stage.DeployExpert) { d.Name = "untested" },
		"accuracy on held-out tests 0.4, want 0.5": func(d *stage.DeployExpert) { d.Name, d.MinAccuracy = "weak", 0.5 },
		"accuracy on held-out tests is not known":  func(d *stage.DeployExpert) { d.Name, d.MinAccuracy, d.Force = "untested", 0.5, true },
		"neither published":                        func(d *stage.DeployExpert) { d.Checkpoint = "nowhere" },
		"no adapter_config.json":                   func(d *stage.DeployExpert) { d.Checkpoint = t.TempDir() },
		`it names "Qwen/Qwen3-VL-8B-Instruct"`:     func(d *stage.DeployExpert) { d.Checkpoint = other },
		"the adapter of expert calendar, want ocr": func(d *stage.DeployExpert) {
			d.Name, d.View = "weak", expertView(t, c.base, "ocr")
			d.Checkpoint = stage.ExpertCheckpointPath("set", "weak")
		},
		"so there is nothing to go back to": func(d *stage.DeployExpert) { d.Rollback = true },
	} {
		d := c.deploy(t)
		change(d)
		_, err := d.Run(t.Context())
		wantError(t, err, want)
	}
	if _, err := c.DeployedExpert(t.Context(), "calendar", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is deployed: %v", err)
	}
	d := c.deploy(t)
	d.Checkpoint, d.Force = other, true
	mustDeployExpert(t, d)
}

// TestDeployPEFT deploys adapters as PEFT wrote them, for a network of their
// shape: the bytes of both files stay as they are.
func TestDeployPEFT(t *testing.T) {
	c := openCalendar(t)
	c.base = recordedShape(t, c.base)
	for _, name := range []string{"text", "full", "reference", "patterns"} {
		d := c.deploy(t)
		accuracy := 0.75
		d.Checkpoint, d.Accuracy = "../lora/testdata/"+name, &accuracy
		out := mustDeployExpert(t, d)
		if m := out.Metadata; m.Reads != nil || m.Accuracy == nil || *m.Accuracy != 0.75 || len(out.Tree.Files) != 3 {
			t.Errorf("%s: got %+v", name, m)
		}
		for _, file := range []string{lora.ConfigFile, lora.WeightsFile} {
			want := read(t, os.DirFS(d.Checkpoint), file)
			if got := read(t, out.Tree.FS(t.Context(), c.Store), file); string(got) != string(want) {
				t.Errorf("%s: %s is not what PEFT wrote", name, file)
			}
		}
	}
}

// zeros are weights of any shape.
type zeros map[string]safetensors.Tensor

// Names implements qwen3vl.Source.
func (z zeros) Names() []string { return slices.Sorted(maps.Keys(z)) }

// Tensor implements qwen3vl.Source.
func (z zeros) Tensor(name string) (safetensors.Tensor, error) { return z[name], nil }

// recordedShape returns b with the shape of the network that the recorded
// adapters are for, and weights that are zero.
func recordedShape(t *testing.T, b *base.Base) *base.Base {
	t.Helper()
	text, err := os.ReadFile("../parity/testdata/tiny-full/config.json")
	if err != nil {
		t.Fatal(err)
	}
	shape := *b
	if shape.Config, err = qwen3vl.ParseConfig(text); err != nil {
		t.Fatal(err)
	}
	weights := zeros{}
	for _, s := range shape.Config.Tensors() {
		n := 1
		for _, extent := range s.Shape {
			n *= extent
		}
		weights[s.Name] = safetensors.FromFloat32s(s.Shape, make([]float32, n))
	}
	shape.Weights = weights
	return &shape
}

// TestSaveLoraExpert saves an adapter that was trained here: what it reads goes
// with it, and another expert's name is refused.
func TestSaveLoraExpert(t *testing.T) {
	c := openCalendar(t)
	c.run(t, "run", 2, 1, 9)
	s := &stage.SaveLora{
		Place: c.Place, Checkpoint: stage.ExpertCheckpointPath("set", "run"), FromVolume: c.Volumes.Training,
		Volume: "moe-lora-checkpoints", Dest: "calendar", Expert: "calendar", Model: "tiny", Sites: c.sites,
	}
	if _, err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	tree, err := store.Volume{Store: c.Store, Name: s.Volume}.Tree(t.Context(), "calendar")
	if _, ok := tree.File(spec.ExpertFile); err != nil || !ok {
		t.Errorf("got %+v, %v, want %s", tree.Files, err, spec.ExpertFile)
	}
	s.Expert = "ocr"
	_, err = s.Run(t.Context())
	wantError(t, err, "the adapter of expert calendar, want ocr")
	if strings.Contains(err.Error(), c.State) {
		t.Errorf("the message names a place of this machine: %v", err)
	}
}

// TestDeployExpertFaults lets every operation of the store fail in turn: a failed
// deployment leaves the old adapter whole, one that succeeds the new one.
func TestDeployExpertFaults(t *testing.T) {
	c := openCalendar(t)
	f := &faulty{Store: storetest.Memory(), fails: 1 << 30}
	c.Place = placeIn(t, f)
	c.run(t, "old", 2, 1, 9)
	c.run(t, "new", 3, 2, 9)
	failed := 0
	for n := 0; ; n++ {
		forced := c.deploy(t)
		forced.Name, forced.Force = "old", true
		mustDeployExpert(t, forced)
		f.fails = n
		d := c.deploy(t)
		d.Name = "new"
		_, err := d.Run(t.Context())
		reached := f.fails < 0
		f.fails = 1 << 30
		if !reached {
			break
		}
		got, lookErr := c.DeployedExpert(t.Context(), "calendar", "")
		if lookErr != nil || got.Metadata.Run != "old" && got.Metadata.Run != "new" || err == nil && got.Metadata.Run != "new" {
			t.Fatalf("operation %d: got %v deployed, %v after %v", n, got, lookErr, err)
		}
		wantDeployedFiles(t, c, got.Metadata.Run)
		failed++
	}
	if failed < 10 {
		t.Errorf("got %d failures, want one for each operation", failed)
	}
}
