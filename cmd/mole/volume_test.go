package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"mole/store"
)

// volume runs mole volume in the folder dir.
func volume(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var c struct {
		Volume volumeCmd `cmd:""`
	}
	p, err := kong.New(&c, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	command, err := p.Parse(append([]string{"volume"}, args...))
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	command.BindTo(t.Context(), (*context.Context)(nil))
	command.BindTo(&out, (*io.Writer)(nil))
	err = command.Run()
	return out.String(), err
}

// writeFiles writes files by path.
func writeFiles(t *testing.T, dir string, texts map[string]string) {
	t.Helper()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func TestVolumeCommands(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, "set", map[string]string{"a.txt": "one", "d/b.txt": "two"})
	size := `\s+2 files\s+6\.0 b`
	for _, step := range []struct{ args, want, wantErr string }{
		{"ls", `^$`, ""},
		{"put set lab:sets/one", `^set -> lab:sets/one: 2 files, 6\.0 b\n$`, ""},
		{"put set lab:sets/one", "", "lab:sets/one: file already exists"},
		{"put --replace set lab:sets/one", `2 files`, ""},
		{"put set/a.txt lab:texts/a.txt", `1 files, 3\.0 b`, ""},
		{"cp lab:sets/one/d other:d", `^lab:sets/one/d -> other:d: 1 files`, ""},
		{"cp lab:sets/one other:d", "", "other:d: file already exists"},
		{"ls", `^lab:sets/one` + size + `.*\nlab:texts/a.txt .*\nother:d .*\n$`, ""},
		{"ls lab:sets", `^lab:sets/one .*\n$`, ""},
		{"get lab:sets/one back", `-> back: 2 files`, ""},
		{"get lab:sets/one back", "", "back: file already exists"},
		{"get lab:sets/one/d/b.txt new/b", `1 files`, ""},
		{"get lab:none x", "", "volume lab: none: file does not exist"},
		{"rm lab:sets/one", "would remove lab:sets/one", "nothing was removed"},
		{"rm --yes lab:none", "", "lab:none: nothing is published there"},
		{"rm --yes lab:sets/one other:d", "removed lab:sets/one\nremoved other:d\n", ""},
		{"rm", "", "nothing to remove: want VOLUME:PATH or --sweep"},
		{"rm --yes --sweep", `removed 0 stored files, 0\.0 b; \d stay`, ""},
		{"rm --yes --sweep --grace 0s", `removed 3 stored files, .*; 2 stay`, ""},
		{"ls", `^lab:texts/a.txt .*\n$`, ""},
		{"ls a/b", "", "no slash and no colon"},
		{"get lab x", "", "want VOLUME:PATH"},
		{"get lab:../x x", "", `part ".."`},
	} {
		checkStep(t, step.args, step.want, step.wantErr)
	}
	for name, want := range map[string]string{"back/a.txt": "one", "back/d/b.txt": "two", "new/b": "two"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: got %q, error %v, want %q", name, got, err, want)
		}
	}
}

// checkStep runs a command and compares its output with a pattern.
func checkStep(t *testing.T, args, want, wantErr string) {
	t.Helper()
	out, err := volume(t, strings.Fields(args)...)
	if !regexp.MustCompile(want).MatchString(out) {
		t.Errorf("%s: got %q, want %s", args, out, want)
	}
	if err == nil && wantErr == "" {
		return
	}
	if err == nil || wantErr == "" || !strings.Contains(err.Error(), wantErr) {
		t.Errorf("%s: got error %v, want %q", args, err, wantErr)
	}
}

func TestVolumeSync(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, "set", map[string]string{"a": "1", "d/b": "2"})
	writeFiles(t, "copy", map[string]string{"a": "old", "own": "x"})
	for _, step := range []struct{ args, want, wantErr string }{
		{"sync set lab:set", "2 files", ""},
		{"sync lab:set copy", "2 files", ""},
		{"sync set copy", "", "on one side"},
		{"sync lab:set lab:x", "", "on one side"},
		{"sync lab:none copy", "", "does not exist"},
	} {
		checkStep(t, step.args, step.want, step.wantErr)
	}
	version := func() string {
		out, err := volume(t, "ls", "--json")
		var list struct{ Entries []listed }
		if err != nil || json.Unmarshal([]byte(out), &list) != nil || len(list.Entries) != 1 {
			t.Fatalf("got %q, error %v, want one entry", out, err)
		}
		return list.Entries[0].Version
	}
	before := version()
	checkStep(t, "sync set lab:set", "2 files", "")
	if got := version(); got != before {
		t.Errorf("got version %s, want %s: nothing had changed", got, before)
	}
	if _, err := os.Stat("copy/own"); err != nil {
		t.Error(err)
	}
	checkStep(t, "sync --delete lab:set copy", "2 files", "")
	checkStep(t, "put copy lab:copy", "2 files", "")
	for name, want := range map[string]bool{"copy/own": false, "copy/d/b": true} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s: got %v, want it there: %t", name, err, want)
		}
	}
}

func TestVolumeJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("MOLE_STATE", "elsewhere")
	writeFiles(t, "set", map[string]string{"a": "1"})
	var m moved
	decode(t, &m, "put", "--json", "set", "lab:set")
	if m.To != "lab:set" || m.Files != 1 || m.Bytes != 1 || len(m.Tree) != 64 {
		t.Errorf("got %+v", m)
	}
	if _, err := os.Stat("elsewhere/store/volumes/lab/set.json"); err != nil {
		t.Error(err)
	}
	var r removed
	decode(t, &r, "rm", "--json", "--yes", "--sweep", "lab:set")
	if len(r.Removed) != 1 || r.DryRun || *r.Swept != (store.Swept{Kept: 2}) {
		t.Errorf("got %+v", r)
	}
}

// decode runs mole volume and reads the JSON that it prints.
func decode(t *testing.T, v any, args ...string) {
	t.Helper()
	out, err := volume(t, args...)
	if err == nil {
		err = json.Unmarshal([]byte(out), v)
	}
	if err != nil {
		t.Fatalf("%s: got %q, error %v", args, out, err)
	}
}
