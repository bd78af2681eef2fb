package storetest

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"mole/store"
)

// objects tests contents under their digests.
func objects(t *testing.T, s store.Store) {
	ctx := t.Context()
	for _, size := range []int{0, 1, 1 << 20, 1<<20 + 1} {
		oneObject(t, s, strings.Repeat("x", size))
	}
	none := strings.Repeat("0", 64)
	_, err := store.GetObject(ctx, s, none)
	wantError(t, "get", err, fs.ErrNotExist)
	if has, err := store.Has(ctx, s, none); has || err != nil {
		t.Errorf("got %t, error %v, want no object", has, err)
	}
}

// oneObject stores and reads one content.
func oneObject(t *testing.T, s store.Store, text string) {
	t.Helper()
	ctx := t.Context()
	// One reader that seeks, one that does not.
	a, err := store.PutObject(ctx, s, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := store.PutObject(ctx, s, io.MultiReader(strings.NewReader(text)))
	if err != nil || a != b || a.Size != int64(len(text)) {
		t.Errorf("got %+v and %+v, error %v, want %d bytes", a, b, err, len(text))
	}
	has, err := store.Has(ctx, s, a.Digest)
	if err != nil || !has {
		t.Errorf("got %t, error %v, want the object", has, err)
	}
	r, err := store.GetObject(ctx, s, a.Digest)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil || string(got) != text {
		t.Errorf("got %d bytes, error %v, want %d", len(got), err, len(text))
	}
}

// trees tests folders: in and out through a volume.
func trees(t *testing.T, s store.Store) {
	ctx := t.Context()
	v := store.Volume{Store: s, Name: "lab"}
	folder := fstest.MapFS{
		"a.txt":     {Data: []byte("a")},
		"a/b/c.bin": {Data: []byte(strings.Repeat("c", 100_000))},
		"a-b":       {Data: nil},
	}
	tree, err := store.Add(ctx, s, folder, store.AddOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Publish(ctx, "sets/one", tree, store.Absent); err != nil {
		t.Fatal(err)
	}
	wantError(t, "publish again", v.Publish(ctx, "sets/one", tree, store.Absent), fs.ErrExist)
	back, err := v.Tree(ctx, "/sets/one/")
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(back.FS(ctx, s), "a.txt", "a/b/c.bin", "a-b"); err != nil {
		t.Error(err)
	}
	for name, want := range folder {
		got, err := fs.ReadFile(back.FS(ctx, s), name)
		if err != nil || string(got) != string(want.Data) {
			t.Errorf("%s: got %d bytes, error %v, want %d", name, len(got), err, len(want.Data))
		}
	}
	if err := v.Remove(ctx, "sets/one"); err != nil {
		t.Error(err)
	}
	_, err = v.Tree(ctx, "sets/one")
	wantError(t, "tree", err, fs.ErrNotExist)
}
