package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mole/config"
	"mole/stage"
	"mole/synth"
)

// opened opens a chain by a file of the configuration.
func opened(t *testing.T, f chainFlags, file, text string) *chain {
	t.Helper()
	f.State, f.Config = t.TempDir(), configFolder(t, file, text)
	ch, err := f.open(io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ch.close(); err != nil {
			t.Error(err)
		}
	})
	return ch
}

// TestSettingsOfTheRouter checks that the view of a router is what adapters.yaml
// says, unless a flag does.
func TestSettingsOfTheRouter(t *testing.T) {
	for _, tt := range []struct {
		flag, text string
		masked     bool
	}{
		{"", "version: 1", true}, {"", "router: {mask_user_text: false}", false},
		{"image", "router: {mask_user_text: false}", true}, {"image+text", "router: {mask_user_text: true}", false},
	} {
		v, err := opened(t, chainFlags{RouteOn: tt.flag}, "adapters.yaml", tt.text).view(t.Context())
		if err != nil || v.Spec.MaskUserText != tt.masked || v.Spec.PromptID != "router-v1" {
			t.Errorf("--route-on %s, %s: got %+v, %v", tt.flag, tt.text, v, err)
		}
	}
}

// TestSettingsOfTheStages checks what the stages are told.
func TestSettingsOfTheStages(t *testing.T) {
	ch := opened(t, chainFlags{}, "adapters.yaml", "cost: {gpu_hourly_usd: {cpu: 0.25}}\nrouter: {inference_path: live/router}\nvolumes: {moe_data: {name: mine}}")
	got := fmt.Sprint(ch.stages("").Train.HourlyRate, " ", ch.Pointer, " ", ch.Volumes.Data)
	if want := "0.25 live/router mine"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if rate := opened(t, chainFlags{}, "x", "").stages("").Train.HourlyRate; rate != 0 {
		t.Errorf("the processor costs %v", rate)
	}
	ch = opened(t, chainFlags{}, "dataset.yaml", "name_prefix: screens\nadapters: {ocr: {count: 3}, desktop: {count: 4}}")
	o := (&generateCmd{}).options(ch)
	if got, want := fmt.Sprint(o.Prefix, o.OwnOnly, o.Counts), "screensmap[ocr:true] map[desktop:4 ocr:3]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestSettingsOfAJob checks that training is held to its profile, and that a
// job gets the same device twice.
func TestSettingsOfAJob(t *testing.T) {
	ch := opened(t, chainFlags{}, "profiles.yaml", "backends: {local: {train: {memory_gb: 0.5, cpu: 1}}}")
	if got := ch.stages("").Train.Memory; got != 1<<29 {
		t.Errorf("training may take %d bytes", got)
	}
	train, err := ch.accelerator("train")
	if err != nil {
		t.Fatal(err)
	}
	again, err := ch.accelerator("train")
	if err != nil || again != train {
		t.Errorf("the same job got another device: %v", err)
	}
}

// TestAdaptersOf checks where the adapters of experts are looked for.
func TestAdaptersOf(t *testing.T) {
	dir := configFolder(t, "adapters.yaml", `experts: {a: {label: 0, inference_path: x/y}, b: {label: 1}, c: {label: 2}, d: {label: 3, kind: ocr}}`)
	if err := os.WriteFile(filepath.Join(dir, "loras.json"), []byte(`{"loras": {"a": {"volume": "v", "path": "p", "dataset": "s"}, "b": {"volume": "v", "path": "p"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := adaptersOf(c)
	for name, want := range map[string]stage.Adapter{
		"a": {Volume: "moe-inference", Path: "x/y", Dataset: "s"}, "b": {Volume: "v", Path: "p"},
		"c": {Volume: "moe-inference", Path: "loras/c/adapter", Usual: true}, "d": {},
	} {
		if got[name] != want {
			t.Errorf("%s: got %+v, want %+v", name, got[name], want)
		}
	}
}

// TestSettingsRefused checks the sentences of commands that would not obey.
func TestSettingsRefused(t *testing.T) {
	tests := []struct {
		file, text string
		args       string
		want       string
	}{
		{"adapters.yaml", "router: {label_mode: name}", "generate", "adapters.yaml:1:22: adapters.router.label_mode: name is not supported, want digit"},
		{"adapters.yaml", "models: {ocr: datalab-to/chandra}", "serve", "adapters.models.ocr: datalab-to/chandra is not supported, want builtin"},
		{"adapters.yaml", "models: {base_vlm: /nowhere/at/all}", "preprocess --dataset-name x", "adapters.models.base_vlm: /nowhere/at/all is not on this machine, want tiny, the folder of a checkpoint, or a model"},
		{"dataset.yaml", "output: {image_format: png}", "upload", "dataset.output.image_format: png is not supported, want jpg"},
		{"profiles.yaml", "backends: {modal: {train: {device: A100}}}", "train --dataset-name x", "backends.modal.train.device: A100 is not supported"},
		{"profiles.yaml", "profiles: {train: {device: A100}}", "deploy --latest", "profiles.train.device: A100 is not supported"},
		{"profiles.yaml", "profiles: {train: {device: A100}}", "history", "profiles.train.device: A100 is not supported"},
		{"generators.yaml", "experts: {desktop: {system_prompt: x}}", "synth", "generators.experts.desktop.system_prompt: x is not supported"},
		{"generators.yaml", "seed: 0", "synth", "generators.yaml:1:7: generators.seed: found 0, want 1 or more"},
		{"generators.yaml", "experts: {desktop: {tasks: {dclick: 1}}}", "synth", `expert desktop: task "dclick" is unknown`},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		args := append(strings.Fields(tt.args), "--state="+t.TempDir(), "--config="+configFolder(t, tt.file, tt.text))
		if got := run(args, &stdout, &stderr); got != statusFailed || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%s with %s: got status %d and %q, want %q", tt.args, tt.text, got, &stderr, tt.want)
		}
	}
}

// TestSynthSettings checks that generators.yaml counts, and that flags win.
func TestSynthSettings(t *testing.T) {
	const text = "seed: 5\nscale: 0.5\nframe: desktop\noutput: {image_format: png, image_quality: 7}\nexperts:\n" +
		"  calendar: {images: 30, test: {count: 9, per_task_type: true, tolerance: 4}, seed: 6, name_prefix: cal, held_out: {enabled: true}, annotation: {ratio: 0.5}}\n" +
		"  ocr: {tasks: {ocr-list: 40}}\n"
	settings, err := loadConfig(configFolder(t, "generators.yaml", text))
	if err != nil {
		t.Fatal(err)
	}
	cal := synth.Setting{Images: 30, Tests: 9, PerTask: true, Train: 0.9, Seed: 6, Prefix: "cal", Tolerance: []int{4, 4}, HeldOut: 0.1, Marks: synth.Marks{Share: 0.5}}
	ocr := synth.Setting{Images: 40, Tests: 100, Train: 0.9, Tasks: map[string]float64{"ocr-list": 1}}
	want := synth.Options{
		Experts: []string{"calendar", "ocr"}, Seed: 5, Scale: 0.5, Frame: "desktop", ImageFormat: "png", Quality: 7,
		Each: map[string]synth.Setting{"calendar": cal, "ocr": ocr},
	}
	checkOptions(t, synthCmd{Expert: all}, settings, want)
	cal.Images, cal.Tests, cal.PerTask, cal.Seed, ocr.Images, ocr.Tests = 0, 0, false, 0, 0, 0
	want.Images, want.Tests, want.Seed, want.Scale, want.Frame, want.Each = 3, 4, 9, 0.1, "window", map[string]synth.Setting{"calendar": cal, "ocr": ocr}
	checkOptions(t, synthCmd{Expert: all, Images: 3, Tests: 4, Seed: 9, Scale: 0.1, Frame: "window"}, settings, want)
}

// checkOptions compares what a command draws.
func checkOptions(t *testing.T, c synthCmd, settings *config.Config, want synth.Options) {
	t.Helper()
	got, err := c.options(settings)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(synth.Options{}), cmpopts.IgnoreFields(synth.Options{}, "Time")); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// drawn draws one expert's dataset and returns its files but config.json, which
// holds the time.
func drawn(t *testing.T, o synth.Options) map[string]string {
	t.Helper()
	o.Experts, o.Test, o.Time, o.Scale = []string{"login-window"}, true, time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), 0.25
	dirs, err := synth.Generate(t.Context(), t.TempDir(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, line := range listing(t, dirs[0]) {
		name, _, _ := strings.Cut(line, " ")
		text, err := os.ReadFile(filepath.Join(dirs[0], name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

// TestSynthDefaults checks that the files of the tree draw what package synth
// draws by itself.
func TestSynthDefaults(t *testing.T) {
	settings, err := config.Load(config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := (&synthCmd{Expert: all}).options(settings)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.Experts, synth.Screens()) {
		t.Errorf("got %q, want %q", o.Experts, synth.Screens())
	}
	got, want := drawn(t, o), drawn(t, synth.Options{})
	if len(got) != len(want) {
		t.Errorf("got %d files, want %d", len(got), len(want))
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s differs", name)
		}
	}
}

// TestSynthProject draws by the file of a generator project, and by a time that
// is too short.
func TestSynthProject(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(configFolder(t, "dataset.yaml", "name_prefix: cal\nseed: 7\ntasks: {click-day: 4}\nsplits: {train: 0.5}\noutput: {image_format: png}\ntest: {count: 2}\n"), "dataset.yaml")
	args := []string{"synth", "--state=" + dir, "--scale=0.25", "--config=" + file}
	out := must(t, append(args, "--expert=calendar")...)
	set, _, _ := strings.Cut(out, "\n")
	if pictures, _ := filepath.Glob(filepath.Join(set, "images", "cal_*.png")); len(pictures) != 4 {
		t.Errorf("got %d pictures in %s", len(pictures), set)
	}
	var stdout, stderr bytes.Buffer
	if got := run(args, &stdout, &stderr); got != statusFailed || !strings.Contains(stderr.String(), "want --expert") {
		t.Errorf("for all: got status %d, %s", got, &stderr)
	}
	t.Setenv("MOLE_PROFILES_SYNTH_TIMEOUT", "1ns")
	stderr.Reset()
	if got := run([]string{"synth", "--state=" + t.TempDir(), "--test"}, &stdout, &stderr); got != statusResumable || !strings.Contains(stderr.String(), "synth took longer than the 1ns of its timeout in profiles.yaml") {
		t.Errorf("got status %d, %s", got, &stderr)
	}
}
