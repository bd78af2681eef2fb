package bundle_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mole/bundle"
	"mole/route/routetest"
	"mole/router"
)

func TestRoundTrip(t *testing.T) {
	for _, rung := range router.Rungs() {
		want := routetest.Bundle(t, rung)
		got, err := bundle.Read(os.DirFS(routetest.Write(t, want)))
		if err != nil {
			t.Fatalf("%s: %v", rung, err)
		}
		a, errA := want.Files()
		b, errB := got.Files()
		if errA != nil || errB != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%s: got %d files, want the same %d, %v, %v", rung, len(b), len(a), errA, errB)
		}
		if !slices.Equal(got.Rungs(), router.Rungs()) {
			t.Errorf("got rungs %v, want all", got.Rungs())
		}
	}
}

func TestReadRefuses(t *testing.T) {
	edit := func(name, from, to string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !strings.Contains(string(text), from) {
				t.Fatalf("%s has no %q, %v", name, from, err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Replace(string(text), from, to, 1)), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name string
		harm func(t *testing.T, dir string)
		want string
	}{
		{"no meta", remove("bundle.json"), "bundle.json"},
		{"no head", remove("head-linear.json"), "head-linear.json"},
		{"half an adapter", remove("adapter/adapter_config.json"), "one of adapter_config.json and adapter_model.safetensors is missing"},
		{"no calibration", remove("calibration-lora.json"), "there is no calibration-lora.json"},
		{"other version", edit("bundle.json", `"version": 1`, `"version": 9`), "version 9, want 1"},
		{"unknown key", edit("bundle.json", `"run_name"`, `"runname"`), `unknown field "runname"`},
		{"no JSON", edit("bundle.json", "{", "["), "bundle.json: "},
		{"features", edit("bundle.json", `"pooled+colour"`, `"smell"`), `"smell"`},
		{"label", edit("bundle.json", `"label": 2`, `"label": 5`), `expert "ocr" has label 5, the specification says 2`},
		{"expert", edit("bundle.json", `"name": "ocr"`, `"name": "text"`), `expert "text"`},
		{"head", edit("head-prototype.json", `"calendar"`, `"desktop"`), "head-prototype.json: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := routetest.Write(t, routetest.Bundle(t, router.LoRA))
			tt.harm(t, dir)
			_, err := bundle.Read(os.DirFS(dir))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := bundle.Read(os.DirFS(t.TempDir())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: got %v, want %v", err, fs.ErrNotExist)
	}
}

// TestDecide decides by heads about evidence that they cannot use.
func TestDecide(t *testing.T) {
	b := routetest.Bundle(t, router.Linear)
	d := b.Decide(router.Linear, router.Evidence{Pooled: []float64{1}})
	if !d.Unsure || d.Label != -1 || d.Reason == "" {
		t.Errorf("got %+v, want an unsure answer with its reason", d)
	}
}
