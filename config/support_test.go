package config

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// keysOfType returns the keys of all settings that a type can hold, with "x"
// for the names in maps.
func keysOfType(t reflect.Type, key string) []string {
	switch t.Kind() {
	case reflect.Pointer:
		return keysOfType(t.Elem(), key)
	case reflect.Map:
		return keysOfType(t.Elem(), join(key, "x"))
	case reflect.Struct:
		var keys []string
		for f := range t.Fields() {
			if name := f.Tag.Get("yaml"); name != "" {
				keys = append(keys, keysOfType(f.Type, join(key, name))...)
			}
		}
		return keys
	}
	return []string{key}
}

// allKeys returns the keys of all settings that there can be, and of those that
// there are.
func allKeys(t *testing.T) []string {
	t.Helper()
	c := load(t, Options{})
	keys := keysOfType(reflect.TypeFor[Script](), "")
	for _, s := range c.sections() {
		keys = append(keys, keysOfType(reflect.TypeOf(s.into), s.key)...)
	}
	for _, l := range c.leaves() {
		keys = append(keys, l.key)
	}
	return keys
}

// TestEveryKeyHasAUse fails for a setting of which nobody says who reads it.
func TestEveryKeyHasAUse(t *testing.T) {
	used := map[string]bool{}
	for _, key := range allKeys(t) {
		u, ok := useOf(key)
		if !ok {
			t.Errorf("%s: nobody says who reads it: add it to uses", key)
		}
		used[u.keys] = true
	}
	for _, u := range uses {
		if !used[u.keys] {
			t.Errorf("%s: fits no setting", u.keys)
		}
		if u.by == "" && u.why == "" {
			t.Errorf("%s: neither who reads it nor why nobody does", u.keys)
		}
	}
}

// TestEveryKeyIsDocumented fails for a setting that the page about settings
// lacks.
func TestEveryKeyIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	page := documented(string(text))
	for _, key := range allKeys(t) {
		if !slices.ContainsFunc(page, func(u use) bool { return u.fits(key) }) {
			t.Errorf("%s: docs/config.md does not say what it is", key)
		}
	}
}

// documented returns the patterns of keys that a page has in back quotes.
func documented(page string) []use {
	var patterns []use
	for i, text := range strings.Split(page, "`") {
		if i%2 == 1 {
			patterns = append(patterns, use{keys: text})
		}
	}
	return patterns
}

// TestSupported checks that a value that nobody would obey is refused, with
// its place.
func TestSupported(t *testing.T) {
	tests := []struct{ file, text, command, want string }{
		{"adapters.yaml", "router: {label_mode: name}", "", "config/adapters.yaml:1:22: adapters.router.label_mode: name is not supported, want digit: routers learn digits"},
		{"adapters.yaml", "router: {prompt: router-v2}", "", "adapters.router.prompt: router-v2 is not supported, want router-v1: there is no other template"},
		{"adapters.yaml", "models: {ocr: datalab-to/chandra}", "serve", "adapters.models.ocr: datalab-to/chandra is not supported, want builtin: no command runs"},
		{"adapters.yaml", "models: {ocr: datalab-to/chandra}", "", ""},
		{"adapters.yaml", "volumes: {model_cache: {name: x}}", "", ""},
		{"dataset.yaml", "output: {image_format: png}", "", "dataset.output.image_format: png is not supported, want jpg: a routing set names"},
		{"dataset.yaml", "system_prompt: other", "", "dataset.system_prompt: other is not supported, want moe-router or router-v1"},
		{"dataset.yaml", "output: {image_format: jpg}\nsystem_prompt: router-v1", "", ""},
		{"generators.yaml", "experts: {desktop: {system_prompt: odd}}", "", `generators.experts.desktop.system_prompt: odd is not supported, want "" or computer-use`},
		{"profiles.yaml", "profiles: {train: {device: A100}}", "", `profiles.train.device: A100 is not supported, want "" or cpu or H100: this program starts`},
		{"profiles.yaml", "profiles: {train: {device: cpu, device_count: 0, timeout: 1h, retries: 2}}", "", ""},
		{"profiles.yaml", "profiles: {browse: {cpu: 3}}", "", "profiles.browse.cpu: 3 is not supported, want 1: no command does this job yet"},
		{"profiles.yaml", "backends: {local: {serve: {warm_seconds: 1}}}", "", "backends.local.serve.warm_seconds: 1 is not supported, want 0: this program starts"},
		{"profiles.yaml", "backends: {modal: {train: {timeout: 1h}}}", "", "backends.modal.train.timeout: 1h is not supported"},
		{"profiles.yaml", "backends: {local: {train: {cpu: 2, memory_gb: 3}}}", "", ""},
	}
	for _, tt := range tests {
		err := load(t, Options{FS: files(tt.file, tt.text)}).Supported(tt.command)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: got %v", tt.text, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %s", tt.text, err, tt.want)
		}
	}
	if err := load(t, Options{FS: os.DirFS(".")}).Supported("serve"); err != nil {
		t.Errorf("the files of the tree: %v", err)
	}
}
