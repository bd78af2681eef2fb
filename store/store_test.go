package store_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"mole/store"
	"mole/store/file"
	"mole/store/storetest"
)

// add stores a folder of texts.
func add(t *testing.T, s store.Store, texts map[string]string) store.Tree {
	t.Helper()
	folder := fstest.MapFS{}
	for name, text := range texts {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tree, err := store.Add(t.Context(), s, folder, store.AddOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// onDisk returns an empty store in a folder.
func onDisk(t *testing.T) *file.Store {
	t.Helper()
	s, err := file.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkErr compares an error with a part of its text, "" for none.
func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil && want == "" {
		return
	}
	if err == nil || want == "" || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
}

// objectOf returns the name and path of the only object of a store.
func objectOf(t *testing.T, s *file.Store, digest string) (name, path string) {
	t.Helper()
	name, err := store.ObjectName(digest)
	if err != nil {
		t.Fatal(err)
	}
	path, err = s.Path(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return name, path
}

// damage changes the content of an object behind the store's back.
func damage(t *testing.T, path, text string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedObject(t *testing.T) {
	ctx, s := t.Context(), onDisk(t)
	tree := add(t, s, map[string]string{"f": "right"})
	digest := tree.Files[0].Digest
	name, path := objectOf(t, s, digest)
	damage(t, path, "wrong")

	r, err := store.GetObject(ctx, s, digest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), name) {
		t.Errorf("read: got error %v, want one that names the object", err)
	}
	checkErr(t, r.Close(), "")

	r, err = store.GetObject(ctx, s, digest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 5)); err != nil {
		t.Error(err)
	}
	if err := r.Close(); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("close: got error %v, want damaged", err)
	}
	if _, err := fs.ReadFile(tree.FS(ctx, s), "f"); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("file system: got error %v, want damaged", err)
	}
	if err := store.Extract(ctx, s, tree, t.TempDir()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("extract: got error %v, want damaged", err)
	}

	damage(t, path, "cut")
	if _, err := tree.FS(ctx, s).Open("f"); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("open: got error %v, want damaged", err)
	}
	err = store.PutTree(ctx, s, "t.json", tree, store.Always)
	checkErr(t, err, "publish t.json: file f: object "+name+" has 3 bytes, want 5")
	add(t, s, map[string]string{"f": "right"}) // mends it
	checkErr(t, store.PutTree(ctx, s, "t.json", tree, store.Always), "")
}

// restless is a reader whose content changes when it is read again.
type restless struct {
	strings.Reader
	second string
}

// Seek implements [io.Seeker].
func (r *restless) Seek(offset int64, whence int) (int64, error) {
	if offset == 0 && whence == io.SeekStart {
		r.Reset(r.second)
	}
	return r.Reader.Seek(offset, whence)
}

func TestPutObjectChanging(t *testing.T) {
	s := storetest.Memory()
	r := &restless{second: "second"}
	r.Reset("first")
	_, err := store.PutObject(t.Context(), s, r)
	checkErr(t, err, "content changed while it was read")
	for info, err := range s.List(t.Context(), "") {
		t.Errorf("got %s, error %v, want no names", info.Name, err)
	}
}

// TestPutObjectFromPipe stores from a file that cannot seek.
func TestPutObjectFromPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := io.WriteString(w, "x")
		if err := errors.Join(err, w.Close()); err != nil {
			t.Error(err)
		}
	}()
	o, err := store.PutObject(t.Context(), storetest.Memory(), r)
	if err != nil || o.Size != 1 {
		t.Errorf("got %+v, error %v, want 1 byte", o, err)
	}
	checkErr(t, r.Close(), "")
}

func TestAppendLine(t *testing.T) {
	s := storetest.Memory()
	if err := s.Put(t.Context(), "r", strings.NewReader("{\"n\":1}"), store.Always); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		`{"n":2}`:    "",
		"{\"n\":\n}": "not one line of JSON",
		"{":          "not one line of JSON",
		"":           "not one line of JSON",
	} {
		checkErr(t, store.AppendLine(t.Context(), s, "r", []byte(line)), want)
	}
	got, err := store.ReadAll(t.Context(), s, "r", 100)
	if want := "{\"n\":1}\n{\"n\":2}\n"; err != nil || string(got) != want {
		t.Errorf("got %q, error %v, want %q", got, err, want)
	}
	_, err = store.ReadAll(t.Context(), s, "r", int64(len(got)-1))
	checkErr(t, err, "object r: longer than 15 bytes")
}

func TestLockMessage(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	err := &store.LockedError{Name: "chain", Holder: store.Holder{Owner: "mole train", PID: 12, Host: "lab", Since: since}}
	want := "lock chain: mole train has it, process 12 on host lab, since 2026-01-02 03:04:05"
	if got := err.Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	err.Holder = store.Holder{}
	if got, want := err.Error(), "lock chain: another process has it"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestResult(t *testing.T) {
	ctx, s := t.Context(), storetest.Memory()
	key, err := store.Key{Stage: "train"}.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := store.Result(ctx, s, "train", key); ok || err != nil {
		t.Errorf("got %t, error %v, want no result", ok, err)
	}
	mine, theirs := add(t, s, map[string]string{"a": "1"}), add(t, s, map[string]string{"a": "2"})
	for i, tree := range []store.Tree{mine, theirs} {
		got, err := store.Finish(ctx, s, "train", key, tree)
		if err != nil || got.Files[0] != mine.Files[0] {
			t.Errorf("finish %d: got %v, error %v, want %v", i, got.Files, err, mine.Files)
		}
	}
	got, ok, err := store.Result(ctx, s, "train", key)
	if err != nil || !ok || got.Files[0] != mine.Files[0] {
		t.Errorf("got %v, %t, error %v, want %v", got.Files, ok, err, mine.Files)
	}
	_, _, err = store.Result(ctx, s, "train", "key")
	checkErr(t, err, `key of stage train: digest "key": want lower-case hexadecimal`)
	_, err = store.Finish(ctx, s, "a/../b", key, mine)
	checkErr(t, err, "bad name")
}

func TestKey(t *testing.T) {
	digest := func(k store.Key) string {
		d, err := k.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	base := store.Key{Stage: "s", Inputs: map[string]string{"x": a, "y": b}, Settings: map[string]any{"n": 1, "m": "<"}}
	same := store.Key{Stage: "s", Inputs: map[string]string{"y": b, "x": a}, Settings: map[string]any{"m": "<", "n": 1}}
	if digest(base) != digest(same) {
		t.Error("the order of members changes the digest")
	}
	if got, want := digest(store.Key{Stage: "s"}), "42427d294fce31f5d31a882e2933cc57f962a87357176556cd31d68ef341cdef"; got != want {
		t.Errorf("got %s, want %s: stored results would not be found any more", got, want)
	}
	others := []store.Key{
		{Stage: "t", Inputs: base.Inputs, Settings: base.Settings},
		{Stage: "s", Inputs: map[string]string{"x": b, "y": a}, Settings: base.Settings},
		{Stage: "s", Inputs: base.Inputs, Settings: map[string]any{"n": "1", "m": "<"}},
		{Stage: "s", Inputs: base.Inputs},
	}
	for i, k := range others {
		if digest(k) == digest(base) {
			t.Errorf("key %d: got the digest of another", i)
		}
	}
	_, err := store.Key{}.Digest()
	checkErr(t, err, "no stage")
	_, err = store.Key{Stage: "s", Inputs: map[string]string{"x": "abc"}}.Digest()
	checkErr(t, err, `key of stage s: input x: digest "abc": 3 digits, want 64`)
	_, err = store.Key{Stage: "s", Settings: map[string]any{"f": func() {}}}.Digest()
	checkErr(t, err, "key of stage s: json: unsupported type")
}

func TestSweep(t *testing.T) {
	ctx, s := t.Context(), storetest.Memory()
	kept := add(t, s, map[string]string{"a": "kept", "b": "shared"})
	gone := add(t, s, map[string]string{"a": "gone", "b": "shared"})
	v := store.Volume{Store: s, Name: "v"}
	checkErr(t, v.Publish(ctx, "kept", kept, store.Always), "")
	checkErr(t, v.Publish(ctx, "gone", gone, store.Always), "")
	checkErr(t, v.Remove(ctx, "gone"), "")
	checkErr(t, s.Put(ctx, "other/x.json", strings.NewReader("[]"), store.Always), "")

	tests := []struct {
		name string
		o    store.SweepOptions
		want store.Swept
	}{
		{"young", store.SweepOptions{}, store.Swept{Kept: 5}},
		{"dry run", store.SweepOptions{Grace: -time.Minute, DryRun: true}, store.Swept{Objects: 2, Kept: 3}},
		{"sweep", store.SweepOptions{Grace: -time.Minute}, store.Swept{Objects: 2, Kept: 3}},
		{"again", store.SweepOptions{Grace: -time.Minute}, store.Swept{Kept: 3}},
	}
	for _, tt := range tests {
		got, err := store.Sweep(ctx, s, tt.o)
		got.Bytes = 0
		if err != nil || got != tt.want {
			t.Errorf("%s: got %+v, error %v, want %+v", tt.name, got, err, tt.want)
		}
	}
	checkErr(t, v.Publish(ctx, "gone", gone, store.Always), "publish volumes/v/gone.json: file a: ")
	checkErr(t, v.Publish(ctx, "again", kept, store.Always), "")

	checkErr(t, s.Put(ctx, "volumes/v/bad.json", strings.NewReader("{"), store.Always), "")
	_, err := store.Sweep(ctx, s, store.SweepOptions{Grace: -time.Minute})
	checkErr(t, err, "sweep: nothing was removed: reference volumes/v/bad.json")
}

// TestSweepWaits tests that Sweep and publishers keep out of each other's way.
func TestSweepWaits(t *testing.T) {
	s := storetest.Memory()
	tree := add(t, s, map[string]string{"a": "x"})
	sweeping, err := store.Lock(t.Context(), s, "sweep", "sweep")
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Sweep(t.Context(), s, store.SweepOptions{})
	checkErr(t, err, "lock sweep: sweep has it")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	err = store.PutTree(ctx, s, "t.json", tree, store.Always)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want that it waited", err)
	}
	checkErr(t, sweeping.Close(), "")
	checkErr(t, store.PutTree(t.Context(), s, "t.json", tree, store.Always), "")
}
