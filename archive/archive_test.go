package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

// entry is an entry of a tar file for a test.
type entry struct {
	kind byte // 0 for a file
	name string
	body string
	link string
	pax  map[string]string
}

// tarOf returns a tar file that no check was made of.
func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Typeflag: e.kind, Name: e.name, Linkname: e.link, Size: int64(len(e.body)), Mode: 0o7777, PAXRecords: e.pax}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if e.kind == tar.TypeXGlobalHeader {
			h = &tar.Header{Typeflag: e.kind, PAXRecords: e.pax}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zipped compresses.
func zipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// files returns the files below a folder.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, p))
		out[p] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// onlyIn checks that a folder holds one entry at most, of a name.
func onlyIn(t testing.TB, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != name {
			t.Errorf("%s was left", e.Name())
		}
	}
}

var dataset = fstest.MapFS{
	"config.json": {Data: []byte("{}")}, "images/a.jpg": {Data: []byte("a")}, "images/b.jpg": {Data: bytes.Repeat([]byte("b"), 3<<20)},
	"test/images/ä " + strings.Repeat("long", 40) + ".png": {Data: nil, Mode: 0o600}, ".checkpoint.json": {Data: []byte("x")},
}

func TestRoundTrip(t *testing.T) {
	var packed bytes.Buffer
	wrote, err := Write(t.Context(), &packed, dataset, "calendar--demo--20260105_090000")
	if err != nil || wrote.Files != 5 || wrote.Bytes != 3<<20+4 {
		t.Fatalf("got %+v, %v", wrote, err)
	}
	parent := t.TempDir()
	dir := filepath.Join(parent, "new", "set")
	read, err := Extract(t.Context(), &packed, dir, Limits{})
	if err != nil || read != wrote {
		t.Fatalf("got %+v, %v, want %+v", read, err, wrote)
	}
	want := map[string]string{}
	for name, f := range dataset {
		want[name] = string(f.Data)
	}
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Errorf("want (-), got (+):\n%.500s", diff)
	}
	onlyIn(t, filepath.Join(parent, "new"), "set")
}

// TestSameBytes packs equal files of other times and modes.
func TestSameBytes(t *testing.T) {
	dir := t.TempDir()
	for name, f := range dataset {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var a, b bytes.Buffer
	for fsys, w := range map[fs.FS]*bytes.Buffer{&dataset: &a, os.DirFS(dir): &b} {
		if _, err := Write(t.Context(), w, fsys, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("other bytes")
	}
}

func TestWriteWrong(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	tests := []struct {
		name, as string
		ctx      context.Context
		fsys     fs.FS
		want     string
	}{
		{"empty", "x", t.Context(), fstest.MapFS{"a": {Mode: fs.ModeDir}}, "no files"},
		{"link", "x", t.Context(), fstest.MapFS{"a": {Mode: fs.ModeSymlink}}, "want a file"},
		{"name", "../x", t.Context(), dataset, `part ".."`},
		{"backslash", "x", t.Context(), fstest.MapFS{`a\b`: {}}, "backslash"},
		{"ended", "x", ended, dataset, context.Canceled.Error()},
	}
	for _, tt := range tests {
		if _, err := Write(tt.ctx, io.Discard, tt.fsys, tt.as); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestForeign unpacks files as other programs make them.
func TestForeign(t *testing.T) {
	tests := []struct {
		name    string
		entries []entry
		want    map[string]string
	}{
		{"folder", []entry{{tar.TypeDir, "set/", "", "", nil}, {0, "set/a/b", "1", "", nil}, {0, "set/c", "2", "", nil}}, map[string]string{"a/b": "1", "c": "2"}},
		{"dot", []entry{{tar.TypeDir, "./", "", "", nil}, {tar.TypeDir, "./a/", "", "", nil}, {0, "./a/b", "1", "", nil}, {0, "./c", "2", "", nil}}, map[string]string{"a/b": "1", "c": "2"}},
		{"bare", []entry{{0, "a/b", "1", "", nil}, {0, "c", "2", "", nil}}, map[string]string{"a/b": "1", "c": "2"}},
		{"comment", []entry{{tar.TypeXGlobalHeader, "", "", "", map[string]string{"comment": "0123"}}, {0, "c", "2", "", nil}}, map[string]string{"c": "2"}},
		{"folder after its file", []entry{{0, "s/a/b", "1", "", nil}, {tar.TypeDir, "s/a", "", "", nil}}, map[string]string{"a/b": "1"}},
	}
	for _, tt := range tests {
		dir := filepath.Join(t.TempDir(), "set")
		s, err := Extract(t.Context(), bytes.NewReader(zipped(t, tarOf(t, tt.entries...))), dir, Limits{})
		if err != nil || s.Files != len(tt.want) {
			t.Errorf("%s: got %+v, %v", tt.name, s, err)
			continue
		}
		if diff := cmp.Diff(tt.want, files(t, dir)); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", tt.name, diff)
		}
	}
}

// TestModes checks that a file that claims to be a program of its owner's
// becomes an ordinary one.
func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	if _, err := Extract(t.Context(), bytes.NewReader(zipped(t, tarOf(t, entry{name: "a"}, entry{name: "b"}))), dir, Limits{}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "a")); err != nil || info.Mode()&^0o644 != 0 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

// TestHostile is acceptance scenario 20 for archives.
func TestHostile(t *testing.T) {
	good := entry{name: "set/good", body: "x"}
	tests := []struct {
		name    string
		entries []entry
		want    string
	}{
		{"up", []entry{{name: "../evil"}}, `part ".."`},
		{"up inside", []entry{good, {name: "set/../../evil"}}, `part ".."`},
		{"up folder", []entry{{kind: tar.TypeDir, name: "../evil/"}}, `part ".."`},
		{"dot up", []entry{{name: "./../evil"}}, `part ".."`},
		{"absolute", []entry{{name: "/evil"}}, "empty part"},
		{"double slash", []entry{{name: "set//evil"}}, "empty part"},
		{"dot dot slash slash", []entry{{name: ".//evil"}}, "empty part"},
		{"empty", []entry{{name: ""}}, "empty part"},
		{"backslash", []entry{{name: `set\..\..\evil`}}, "backslash"},
		{"control", []entry{{name: "set/a\nb"}}, "control character"},
		{"not text", []entry{{name: "set/\xff"}}, "UTF-8"},
		{"long", []entry{{name: "set/" + strings.Repeat("a", 300)}}, "part of 300 bytes"},
		{"symbolic link", []entry{{kind: tar.TypeSymlink, name: "set/a", link: "/etc"}, {name: "set/a/passwd"}}, "a symbolic link"},
		{"hard link", []entry{{kind: tar.TypeLink, name: "set/a", link: "/etc/passwd"}}, "a hard link"},
		{"device", []entry{{kind: tar.TypeChar, name: "set/a"}}, "a device"},
		{"disk", []entry{{kind: tar.TypeBlock, name: "set/a"}}, "a device"},
		{"pipe", []entry{{kind: tar.TypeFifo, name: "set/a"}}, "a pipe"},
		{"strange", []entry{{kind: 'Z', name: "set/a"}}, `of type 'Z'`},
		{"twice", []entry{good, {name: "set/other"}, good}, "occurs twice"},
		{"twice, dotted", []entry{{name: "a"}, {name: "./a"}}, "occurs twice"},
		{"file over folder", []entry{good, {name: "set"}}, "occurs twice"},
		{"folder over file", []entry{{name: "set"}, good}, "that of a file"},
		{"folder entry over file", []entry{{name: "set"}, {kind: tar.TypeDir, name: "set/"}}, "that of a file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parent := t.TempDir()
			_, err := Extract(t.Context(), bytes.NewReader(zipped(t, tarOf(t, tt.entries...))), filepath.Join(parent, "new", "set"), Limits{})
			if !errors.Is(err, ErrHostile) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			onlyIn(t, parent, "new")
			onlyIn(t, filepath.Join(parent, "new"), "")
		})
	}
}

func TestTooLarge(t *testing.T) {
	many := make([]entry, 11)
	for i := range many {
		many[i] = entry{name: string(rune('a' + i)), body: "0123456789"}
	}
	bomb := []entry{{name: "zeros", body: string(make([]byte, free+64<<20))}}
	tests := []struct {
		name    string
		entries []entry
		limits  Limits
		want    error
	}{
		{"as many as may be", many, Limits{Files: 11, Bytes: 110}, nil},
		{"files", many, Limits{Files: 10}, ErrTooLarge},
		{"bytes", many, Limits{Bytes: 109}, ErrTooLarge},
		{"one file", many[:1], Limits{Bytes: 9}, ErrTooLarge},
		{"bomb", bomb, Limits{}, ErrTooLarge},
		{"no bomb", bomb, Limits{Ratio: 2000}, nil},
	}
	for _, tt := range tests {
		parent := t.TempDir()
		_, err := Extract(t.Context(), bytes.NewReader(zipped(t, tarOf(t, tt.entries...))), filepath.Join(parent, "set"), tt.limits)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if tt.want != nil {
			onlyIn(t, parent, "")
		}
	}
}

// TestDamaged cuts an archive and flips bits of it: nothing is left of it.
func TestDamaged(t *testing.T) {
	whole := zipped(t, tarOf(t, entry{name: "set/a", body: "hello"}, entry{name: "set/b", body: strings.Repeat("x", 5000)}))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // of the checksum
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "cut": whole[:len(whole)-1], "cut early": whole[:40], "flipped": flipped, "no entries": zipped(t, tarOf(t)),
		"folders alone": zipped(t, tarOf(t, entry{kind: tar.TypeDir, name: "a/"})), "long tail": zipped(t, append(tarOf(t, entry{name: "a"}), make([]byte, free+1)...)),
		"not a tar file": zipped(t, bytes.Repeat([]byte("hello"), 1000)),
	} {
		parent := t.TempDir()
		if _, err := Extract(t.Context(), bytes.NewReader(data), filepath.Join(parent, "set"), Limits{}); err == nil {
			t.Errorf("%s: no error", name)
		}
		onlyIn(t, parent, "")
	}
}

func TestExtractThere(t *testing.T) {
	data := zipped(t, tarOf(t, entry{name: "a"}))
	if _, err := Extract(t.Context(), bytes.NewReader(data), t.TempDir(), Limits{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := Extract(ended, bytes.NewReader(data), filepath.Join(t.TempDir(), "x"), Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzExtract(f *testing.F) {
	f.Add(tarOf(f, entry{name: "set/a", body: "x"}, entry{name: "set/b/c", body: "y"}))
	f.Add(tarOf(f, entry{name: "../a", body: "x"}))
	f.Add(tarOf(f, entry{kind: tar.TypeSymlink, name: "a", link: ".."}, entry{name: "a/b", body: "x"}))
	f.Add(tarOf(f, entry{name: "./ä" + strings.Repeat("long", 60), body: "x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "a", "set")
		// Compressed here, so that the fuzzer need not guess checksums.
		s, err := Extract(t.Context(), bytes.NewReader(zipped(t, data)), dir, Limits{Files: 100, Bytes: 1 << 20})
		onlyIn(t, parent, "a")
		want := "set"
		if err != nil {
			want = ""
		}
		onlyIn(t, filepath.Join(parent, "a"), want)
		if err != nil {
			return
		}
		if got := files(t, dir); len(got) != s.Files || s.Files > 100 || s.Bytes > 1<<20 {
			t.Errorf("got %d files, want %+v", len(got), s)
		}
	})
}
