package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mole/base"
	"mole/config"
	"mole/lora"
	"mole/store"
)

// tinyAdapter writes an adapter for the network inside the program.
func tinyAdapter(t *testing.T) string {
	t.Helper()
	sites, err := sitesOf(t.Context(), store.Volume{}, base.Tiny)
	if err != nil {
		t.Fatal(err)
	}
	a, err := lora.New(lora.Config{Rank: 2, Alpha: 4, BaseModel: base.Tiny, Targets: lora.Targets{List: []string{"q_proj"}}}, sites, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// saveLora runs the command and returns its status and output.
func saveLora(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(append([]string{"save-lora"}, args...), &out, &errs)
	return status, out.String(), errs.String()
}

func TestSaveLora(t *testing.T) {
	adapter, settings := tinyAdapter(t), t.TempDir()
	common := []string{"--state", t.TempDir(), "--config", settings, "--base-model", "tiny"}
	got, out, errs := saveLora(append(common, "--checkpoint", adapter, "--name", "calendar", "--dataset", "calendar--demo--20260105_090000")...)
	if got != statusOK || errs != "" || !strings.HasPrefix(out, "saved moe-lora-checkpoints:calendar: rank 2, ") {
		t.Fatalf("got status %d, %s%s", got, out, errs)
	}
	want := map[string]*config.Lora{"calendar": {
		Volume: "moe-lora-checkpoints", Path: "calendar", Dataset: "calendar--demo--20260105_090000", SourceCheckpoint: adapter,
	}}
	wantRegistry(t, settings, want)

	args := []string{"--checkpoint", "calendar", "--from-volume", "moe-lora-checkpoints", "--name", "no-expert", "--dest", "a/b", "--volume", "v", "--json"}
	got, out, errs = saveLora(append(common, args...)...)
	if got != statusOK || !strings.Contains(out, `"no-expert": {`) || !strings.Contains(errs, "no-expert is no expert") {
		t.Fatalf("got status %d, %s%s", got, out, errs)
	}
	want["no-expert"] = &config.Lora{Volume: "v", Path: "a/b", SourceCheckpoint: "moe-lora-checkpoints:calendar"}
	wantRegistry(t, settings, want)
}

// wantRegistry compares loras.json, but for times.
func wantRegistry(t *testing.T, dir string, want map[string]*config.Lora) {
	t.Helper()
	c, err := loadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range c.Registry.Loras {
		if l.SavedAt == "" {
			t.Errorf("%+v: no time", l)
		}
		l.SavedAt = ""
	}
	if diff := cmp.Diff(want, c.Registry.Loras); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestSaveLoraWrong(t *testing.T) {
	adapter, state := tinyAdapter(t), t.TempDir()
	tests := []struct{ args, want string }{
		{"--name calendar", "missing flags: --checkpoint=PATH"},
		{"--checkpoint " + adapter, "missing flags: --name=NAME"},
		{"--checkpoint " + adapter + " --name A/B", `expert "A/B"`},
		{"--checkpoint " + adapter + " --name a --base-model Qwen/Qwen3-VL-8B-Instruct", "hint: --base-model names the one it is for"},
		{"--checkpoint " + adapter + " --name a --config " + filepath.Join(state, "none"), "configuration"},
	}
	for _, tt := range tests {
		got, out, errs := saveLora(append(strings.Fields(tt.args), "--state", state)...)
		if got != statusFailed || out != "" || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: got status %d, %s%s, want %q", tt.args, got, out, errs, tt.want)
		}
	}
}
