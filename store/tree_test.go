package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"mole/store"
	"mole/store/storetest"
)

func TestCheckName(t *testing.T) {
	tests := []struct{ name, want string }{
		{"a/b c/ü-1.json", ""},
		{"", `bad name "": empty part`},
		{"a//b", "empty part"},
		{"/a", "empty part"},
		{"a/../b", `part ".."`},
		{"a/.b", `part ".b" begins with a dot`},
		{"a\tb", "control character or backslash"},
		{`a\b`, "control character or backslash"},
		{"\xff", "not valid UTF-8"},
		{strings.Repeat("x", 256), "part of 256 bytes, want at most 255"},
		{strings.Repeat("x/", 512) + "x", "1025 bytes, want at most 1024"},
	}
	for _, tt := range tests {
		checkErr(t, store.CheckName(tt.name), tt.want)
	}
	checkErr(t, store.CheckPath(".hidden/.x"), "")
	checkErr(t, store.CheckPath("a/.."), `part ".."`)
	checkErr(t, store.CheckPrefix("a/b"), "")
	checkErr(t, store.CheckPrefix("a/"), "")
	checkErr(t, store.CheckPrefix("a//"), "empty part")
}

func FuzzCheckName(f *testing.F) {
	for _, seed := range []string{"a/b", "../a", "a//b", ".", "a\\b", "C:\\x", "ü"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if store.CheckName(name) != nil {
			return
		}
		if !fs.ValidPath(name) || !filepath.IsLocal(name) || store.CheckPath(name) != nil || store.CheckPrefix(name) != nil {
			t.Errorf("name %q is no safe path", name)
		}
		if clean, err := store.Clean("/" + name + "/"); err != nil || clean != name {
			t.Errorf("clean: got %q, error %v, want %q", clean, err, name)
		}
	})
}

// zeros is a digest.
var zeros = strings.Repeat("0", 64)

func TestParseTree(t *testing.T) {
	entry := func(path string) string { return fmt.Sprintf(`{"path":%q,"sha256":"%s","size":1}`, path, zeros) }
	list := func(entries ...string) string { return `{"files":[` + strings.Join(entries, ",") + `]}` }
	tests := []struct{ name, in, want string }{
		{"empty", `{"files":[]}`, ""},
		{"two", list(entry("a"), entry("b")), ""},
		{"meta", `{"files":[],"meta":{"a":"<&>"}}`, ""},
		{"no files", `{}`, "not in canonical form"},
		{"space", `{"files": []}`, "not in canonical form"},
		{"keys twice", `{"files":[],"files":[]}`, "not in canonical form"},
		{"empty meta", `{"files":[],"meta":{}}`, "not in canonical form"},
		{"unknown member", `{"files":[],"x":1}`, `unknown field "x"`},
		{"more", `{"files":[]}{}`, "more than one value"},
		{"cut off", `{"files":[`, "unexpected EOF"},
		{"order", list(entry("b"), entry("a")), `file "a" follows "b": want ascending paths`},
		{"twice", list(entry("a"), entry("a")), `file "a" follows "a": want ascending paths`},
		{"hostile path", list(entry("../a")), `bad name "../a": part ".."`},
		{"absolute path", list(entry("/etc/passwd")), "empty part"},
		{"file as folder", list(entry("a"), entry("a-b"), entry("a/b")), `file "a/b": "a" is a file, not a folder`},
		{"digest", `{"files":[{"path":"a","sha256":"ABC","size":1}]}`, `file "a": digest "ABC"`},
		{"size", strings.Replace(list(entry("a")), "1}", "-1}", 1), `file "a": -1 bytes`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree, err := store.ParseTree([]byte(tt.in))
			checkErr(t, err, tt.want)
			if err != nil {
				return
			}
			if again, err := tree.Encode(); err != nil || string(again) != tt.in {
				t.Errorf("got %s, error %v, want %s", again, err, tt.in)
			}
		})
	}
	_, err := store.NewTree(nil, map[string]string{"a": "\xff"})
	checkErr(t, err, `meta "a": not valid UTF-8`)
}

func FuzzParseTree(f *testing.F) {
	f.Add([]byte(`{"files":[{"path":"a/b","sha256":"` + zeros + `","size":1}],"meta":{"k":"v"}}`))
	f.Add([]byte(`{"files":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		tree, err := store.ParseTree(text)
		if err != nil {
			return
		}
		if again, err := tree.Encode(); err != nil || !bytes.Equal(again, text) {
			t.Errorf("got %q, error %v, want %q", again, err, text)
		}
		if err := fs.WalkDir(tree.FS(t.Context(), storetest.Memory()), ".", func(_ string, _ fs.DirEntry, err error) error {
			return err
		}); err != nil {
			t.Error(err)
		}
	})
}

func TestSub(t *testing.T) {
	tree := add(t, storetest.Memory(), map[string]string{"a-b": "1", "a/b": "2", "a/c/d": "3", "a0": "4"})
	tests := []struct{ path, want string }{
		{"a", "b c/d"}, {"a/c", "d"}, {"a/b", "b"}, {"a-b", "a-b"}, {"b", ""}, {"a/", ""}, {"a/c/d/e", ""},
	}
	for _, tt := range tests {
		sub, ok := tree.Sub(tt.path)
		var got []string
		for _, f := range sub.Files {
			got = append(got, f.Path)
		}
		if strings.Join(got, " ") != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: got %q, %t, want %s", tt.path, got, ok, tt.want)
		}
	}
	sub, _ := tree.Sub("a/b")
	if f, ok := sub.Single(); !ok || f.Path != "b" {
		t.Errorf("got %+v, %t, want the file b", f, ok)
	}
}

func TestFileSystem(t *testing.T) {
	texts := map[string]string{"a-b/x": "1", "a.b": "", "a/b": "3", "a/c/d": "4", ".hidden": "5"}
	for _, s := range []store.Store{storetest.Memory(), onDisk(t)} {
		fsys := add(t, s, texts).FS(t.Context(), s)
		if err := fstest.TestFS(fsys, "a-b/x", "a.b", "a/b", "a/c/d", ".hidden"); err != nil {
			t.Error(err)
		}
	}
}

func TestLocalPath(t *testing.T) {
	s := storetest.Memory()
	fsys := add(t, s, map[string]string{"a/b": "3"}).FS(t.Context(), s)
	if path, err := store.LocalPath(fsys, "a/b"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("memory: got path %s, error %v, want none", path, err)
	}
	disk := onDisk(t)
	fsys = add(t, disk, map[string]string{"a/b": "3"}).FS(t.Context(), disk)
	path, err := store.LocalPath(fsys, "a/b")
	checkErr(t, err, "")
	if got, err := os.ReadFile(path); err != nil || string(got) != "3" {
		t.Errorf("disk: got %q, error %v, want 3", got, err)
	}
	dir := t.TempDir()
	want := filepath.Join(dir, "x")
	write(t, want, "")
	if got, err := store.LocalPath(os.DirFS(dir), "x"); err != nil || got != want {
		t.Errorf("folder: got %s, error %v, want %s", got, err, want)
	}
}

// TestRandomAccess reads an open file of a tree out of order.
func TestRandomAccess(t *testing.T) {
	s := onDisk(t)
	f, err := add(t, s, map[string]string{"a": "0123456789"}).FS(t.Context(), s).Open("a")
	if err != nil {
		t.Fatal(err)
	}
	at := make([]byte, 2)
	if n, err := f.(io.ReaderAt).ReadAt(at, 7); n != 2 || err != nil || string(at) != "78" {
		t.Errorf("got %q, error %v, want 78", at, err)
	}
	for _, from := range []int64{4, 0, 9} {
		if _, err := f.(io.Seeker).Seek(from, io.SeekStart); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(f); err != nil || string(got) != "0123456789"[from:] {
			t.Errorf("from %d: got %q, error %v", from, got, err)
		}
	}
	checkErr(t, f.Close(), "")
}

// write writes a file.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestAdd(t *testing.T) {
	folder := fstest.MapFS{}
	for i := range 50 {
		folder[fmt.Sprintf("d%d/%d", i%7, i)] = &fstest.MapFile{Data: []byte(fmt.Sprint(i % 20))}
	}
	var digests []string
	for _, workers := range []int{1, 8} {
		s := storetest.Memory()
		var bytes int64
		files := 0
		tree, err := store.Add(t.Context(), s, folder, store.AddOptions{
			Workers: workers, Progress: func(b int64, f int) { bytes, files = b, f },
		})
		if err != nil {
			t.Fatal(err)
		}
		if files != 50 || bytes != tree.Bytes() {
			t.Errorf("got progress %d files, %d bytes, want 50 and %d", files, bytes, tree.Bytes())
		}
		swept, err := store.Sweep(t.Context(), s, store.SweepOptions{DryRun: true})
		if err != nil || swept.Kept != 20 {
			t.Errorf("got %+v, error %v, want 20 objects: equal contents are stored once", swept, err)
		}
		d, err := tree.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, d)
	}
	if digests[0] != digests[1] {
		t.Errorf("got trees %s and %s for 1 and 8 workers", digests[0], digests[1])
	}
}

func TestAddRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	tree, err := store.Add(t.Context(), storetest.Memory(), os.DirFS(dir), store.AddOptions{})
	if err != nil || len(tree.Files) != 2 || tree.Files[0].Digest != tree.Files[1].Digest {
		t.Errorf("got %v, error %v, want a file twice", tree.Files, err)
	}
	for name, want := range map[string]string{".": "add link: d---------, want a file", "none": "no such file"} {
		if err := os.Remove(filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(name, filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		_, err := store.Add(t.Context(), storetest.Memory(), os.DirFS(dir), store.AddOptions{})
		checkErr(t, err, want)
	}
	bad := fstest.MapFS{"a\nb": {}}
	_, err = store.Add(t.Context(), storetest.Memory(), bad, store.AddOptions{})
	checkErr(t, err, `bad name "a\nb"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = store.Add(ctx, storetest.Memory(), fstest.MapFS{"a": {}}, store.AddOptions{})
	checkErr(t, err, "context canceled")
}

func TestExtract(t *testing.T) {
	ctx, s := t.Context(), storetest.Memory()
	tree := add(t, s, map[string]string{"a": "1", "d/b": "2", "d/e/c": ""})
	dir := filepath.Join(t.TempDir(), "new", "folder")
	for range 2 { // into a new folder, then into the same
		checkErr(t, store.Extract(ctx, s, tree, dir), "")
		back, err := store.Add(ctx, s, os.DirFS(dir), store.AddOptions{})
		if err != nil || !slices.Equal(back.Files, tree.Files) {
			t.Fatalf("got %v, error %v, want %v", back.Files, err, tree.Files)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*"))
	if err != nil || left != nil {
		t.Errorf("got %v, error %v, want nothing left", left, err)
	}
}

func TestExtractAgain(t *testing.T) {
	ctx, s := t.Context(), storetest.Memory()
	tree := add(t, s, map[string]string{"a": "1", "d/b": "2"})
	dir := filepath.Join(t.TempDir(), "dir")
	checkErr(t, store.Extract(ctx, s, tree, dir), "")
	before, err := os.Stat(filepath.Join(dir, "a"))
	checkErr(t, err, "")
	write(t, filepath.Join(dir, "d/b"), "9")
	write(t, filepath.Join(dir, "own"), "")
	checkErr(t, os.MkdirAll(filepath.Join(dir, "x/y/z"), 0o777), "")
	checkErr(t, store.Extract(ctx, s, tree, dir), "")
	after, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("error %v: a file was written again", err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "d/b")); err != nil || string(got) != "2" {
		t.Errorf("got %q, error %v, want 2", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "own")); err != nil {
		t.Error(err)
	}
	if n, err := store.Prune(ctx, tree, dir); n != 1 || err != nil {
		t.Errorf("prune: got %d files, error %v, want 1", n, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("got %v, error %v, want a and d", entries, err)
	}
}

func TestExtractRefuses(t *testing.T) {
	ctx, s := t.Context(), storetest.Memory()
	hostile := store.Tree{Files: []store.File{{Path: "../out", Digest: zeros, Size: 1}}}
	dir := filepath.Join(t.TempDir(), "dir")
	checkErr(t, store.Extract(ctx, s, hostile, dir), `bad name "../out": part ".."`)

	missing := store.Tree{Files: []store.File{{Path: "a", Digest: zeros, Size: 1}}}
	checkErr(t, store.Extract(ctx, s, missing, dir), "file does not exist")
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("got %v, want no folder", err)
	}

	// A link in the folder must not lead out of it.
	outside := t.TempDir()
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "d")); err != nil {
		t.Fatal(err)
	}
	tree := add(t, s, map[string]string{"d/b": "2"})
	checkErr(t, store.Extract(ctx, s, tree, dir), "extract d/b to "+dir)
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("got %v, error %v, want nothing outside", entries, err)
	}
}
