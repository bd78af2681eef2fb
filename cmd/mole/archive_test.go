package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archiveRun runs the command in a state folder.
func archiveRun(state string, args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(append([]string{"archive", "--state", state}, args...), &out, &errs)
	return status, out.String(), errs.String()
}

// smallSet writes a dataset of two files into a state folder.
func smallSet(t *testing.T) (state string) {
	t.Helper()
	state = t.TempDir()
	dir := filepath.Join(state, "datasets", "routing_20260105_110000")
	if err := os.MkdirAll(filepath.Join(dir, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"train.jsonl", "images/a.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return state
}

func TestArchive(t *testing.T) {
	state := smallSet(t)
	packed := filepath.Join(state, "datasets", "routing_20260105_110000.tar.gz")
	restored := t.TempDir()
	steps := []struct{ args, want string }{
		{"datasets/routing_20260105_110000", "claimhawk-archives:datasets/routing_20260105_110000.tgz: 2 files"},
		{"routing_20260105_110000 --local", packed + ": 2 files"},
		{"--extract " + packed + " " + restored + "/local", restored + "/local: 2 files"},
		{"--extract claimhawk-archives:datasets/routing_20260105_110000.tgz " + restored + "/volume", restored + "/volume: 2 files"},
		{"claimhawk-archives:datasets/routing_20260105_110000.tgz --volume v", "v:datasets/routing_20260105_110000.tgz.tgz: 1 files"},
	}
	for _, s := range steps {
		if got, out, errs := archiveRun(state, strings.Fields(s.args)...); got != statusOK || !strings.Contains(out, s.want) {
			t.Errorf("%s: got status %d, %s%s, want %q", s.args, got, out, errs, s.want)
		}
	}
	for _, name := range []string{"local/train.jsonl", "volume/images/a.jpg"} {
		if text, err := os.ReadFile(filepath.Join(restored, name)); err != nil || !strings.HasSuffix(name, string(text)) {
			t.Errorf("%s: got %q, %v", name, text, err)
		}
	}
}

func TestArchiveJSON(t *testing.T) {
	_, out, _ := archiveRun(smallSet(t), "routing_20260105_110000", "--json")
	var a archived
	if err := json.Unmarshal([]byte(out), &a); err != nil || a.Files != 2 || a.Bytes != 23 || a.Packed < 100 {
		t.Errorf("got %v, %s", err, out)
	}
}

// TestArchiveHostile unpacks a file that wants to write beside the folder.
func TestArchiveHostile(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "set/../../evil", Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "a.tgz")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, out, errs := archiveRun(dir, "--extract", name, filepath.Join(dir, "in", "set"))
	if got != statusFailed || out != "" || !strings.Contains(errs, "not to be trusted") {
		t.Errorf("got status %d, %s%s", got, out, errs)
	}
	for _, path := range []string{"evil", "in/evil", "in/set"} {
		if _, err := os.Stat(filepath.Join(dir, path)); err == nil {
			t.Errorf("%s was made", path)
		}
	}
}

func TestArchiveWrong(t *testing.T) {
	state := smallSet(t)
	for args, want := range map[string]string{
		"none":                                 "dataset none: no such folder",
		"--extract " + state:                   "want --extract ARCHIVE DIR",
		"routing_20260105_110000 out":          "want --extract ARCHIVE DIR",
		"--extract none " + state + "/new":     "no such file",
		"--extract vol:none " + state + "/new": "not exist",
		"vol:none --local":                     "not exist",
		"vol:../x":                             `part ".."`,
		"--extract " + state + "/datasets/routing_20260105_110000/train.jsonl " + state: "want a folder that is not there yet",
	} {
		if got, out, errs := archiveRun(state, strings.Fields(args)...); got != statusFailed || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: got status %d, %s%s, want %q", args, got, out, errs, want)
		}
	}
}
