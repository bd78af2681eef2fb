package store_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"mole/store"
	"mole/store/storetest"
)

func TestClean(t *testing.T) {
	tests := []struct{ in, want, wantErr string }{
		{"", "", ""}, {"/", "", ""}, {"./a//b/", "a/b", ""}, {"/a", "a", ""},
		{"a/../b", "", `part ".."`}, {"..", "", `part ".."`}, {"a/.b", "", "begins with a dot"},
	}
	for _, tt := range tests {
		got, err := store.Clean(tt.in)
		checkErr(t, err, tt.wantErr)
		if err == nil && got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// lab returns a volume with four things published in it.
func lab(t *testing.T) store.Volume {
	t.Helper()
	s := storetest.Memory()
	v := store.Volume{Store: s, Name: "lab"}
	tree := add(t, s, map[string]string{"final/a.json": "{}", "best": "x"})
	file, ok := tree.Sub("best")
	if !ok {
		t.Fatal("no file best")
	}
	for path, tree := range map[string]store.Tree{"runs/r1": tree, "runs/r1/final": file, "runs/r2": tree, "x": file} {
		checkErr(t, v.Publish(t.Context(), path, tree, store.Absent), "")
	}
	checkErr(t, store.Volume{Store: s, Name: "other"}.Publish(t.Context(), "y", tree, store.Absent), "")
	return v
}

func TestVolumeList(t *testing.T) {
	v := lab(t)
	for prefix, want := range map[string]string{
		"": "runs/r1 runs/r1/final runs/r2 x", "runs/r1": "runs/r1 runs/r1/final", "/runs/": "runs/r1 runs/r1/final runs/r2", "z": "",
	} {
		var got []string
		for e, err := range v.List(t.Context(), prefix) {
			if err != nil || e.Ref.Files == 0 || e.Info.Version == "" {
				t.Errorf("got %+v, error %v", e, err)
			}
			got = append(got, e.Path)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("prefix %q: got %q, want %s", prefix, got, want)
		}
	}
	if names, err := store.Volumes(t.Context(), v.Store); err != nil || strings.Join(names, " ") != "lab other" {
		t.Errorf("got volumes %q, error %v, want lab and other", names, err)
	}
}

func TestVolumeFind(t *testing.T) {
	v := lab(t)
	for path, want := range map[string]string{
		"runs/r1": "best final/a.json", "runs/r1/final": "best", "runs/r2/final": "a.json",
		"/runs/r2/final/a.json": "a.json", "runs/r1/final/a.json": "", "runs": "", "": "", "runs/r2/none": "",
	} {
		found, err := v.Find(t.Context(), path)
		var got []string
		for _, f := range found.Files {
			got = append(got, f.Path)
		}
		if strings.Join(got, " ") != want || (want == "") != errors.Is(err, fs.ErrNotExist) {
			t.Errorf("find %s: got %q, error %v, want %s", path, got, err, want)
		}
	}
}

func TestVolumeNames(t *testing.T) {
	s := storetest.Memory()
	for _, tt := range []struct{ volume, path, want, wantErr string }{
		{"lab", "/a/b/", "volumes/lab/a/b.json", ""},
		{"lab", "", "", "volume lab: no path"},
		{"lab", "a/../b", "", `part ".."`},
		{"", "a", "", "empty part"},
		{"a/b", "c", "", "no slash and no colon"},
		{"..", "c", "", `part ".."`},
	} {
		got, err := store.Volume{Store: s, Name: tt.volume}.Ref(tt.path)
		checkErr(t, err, tt.wantErr)
		if err == nil && got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
	got, err := store.Volume{Name: "history"}.Records("router/runs.jsonl")
	if want := "records/history/router/runs.jsonl"; err != nil || got != want {
		t.Errorf("got %s, error %v, want %s", got, err, want)
	}
	_, err = store.Volume{Name: "history"}.Records("")
	checkErr(t, err, "empty part")
}

func TestLocate(t *testing.T) {
	names := map[string]string{
		"moe_data": "data-1", "training_data": "train-1", "inference": "inf-1", "training_history": "hist-1",
		"model_cache": "models-1", "archives": "arch-1",
	}
	tests := []struct{ in, volume, path, wantErr string }{
		{"/moe-data/checkpoints/a/b", "data-1", "checkpoints/a/b", ""},
		{"/data/x/", "data-1", "x", ""},
		{"/data", "data-1", "", ""},
		{"/training-data/x", "train-1", "x", ""},
		{"/expert-data/x", "train-1", "x", ""},
		{"/training/x", "train-1", "x", ""},
		{"/inference/routing/adapter", "inf-1", "routing/adapter", ""},
		{"/history/router/runs.jsonl", "hist-1", "router/runs.jsonl", ""},
		{"/models/a--b", "models-1", "a--b", ""},
		{"/archive/x.tgz", "arch-1", "x.tgz", ""},
		{"/config/adapters.yaml", "", "", "volume config is not configured"},
		{"/database/x", "", "", "/database is not a mount point of a volume"},
		{"/moe-data/../etc", "", "", `part ".."`},
		{"moe-data/x", "", "", "want one that begins with a slash"},
	}
	for _, tt := range tests {
		volume, path, err := store.Locate(tt.in, names)
		checkErr(t, err, tt.wantErr)
		if volume != tt.volume || path != tt.path {
			t.Errorf("%s: got %s:%s, want %s:%s", tt.in, volume, path, tt.volume, tt.path)
		}
	}
	names["lora_training"] = "train-2"
	if volume, _, err := store.Locate("/training/x", names); err != nil || volume != "train-2" {
		t.Errorf("got %s, error %v, want the name under lora_training", volume, err)
	}
}
