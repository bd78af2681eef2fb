package base

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/base/tiny"
	"mole/hub"
	"mole/store"
	"mole/store/file"
	"mole/store/storetest"
)

// emptyVolume returns a volume without models, and the folder of its store.
func emptyVolume(t *testing.T) (store.Volume, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return store.Volume{Store: s, Name: "models"}, dir
}

// snapshot returns the embedded network as it was downloaded, see cached.
func snapshot(t *testing.T) *hub.Snapshot {
	t.Helper()
	cached(t)
	s, err := hub.Cache{Dir: os.Getenv("HF_HUB_CACHE")}.Lookup(hub.Name{Owner: "some", Model: "network"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stored puts the embedded network into a volume, under model.
func stored(t *testing.T) (v store.Volume, dir string) {
	t.Helper()
	v, dir = emptyVolume(t)
	s, err := Put(t.Context(), v, snapshot(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Place() != "models:some--network" || s.Commit != modelCommit || s.Name.Revision != "main" {
		t.Fatalf("got %+v", s)
	}
	return v, dir
}

// openFrom opens a network in a volume, or elsewhere.
func openFrom(t *testing.T, v store.Volume, name string) *Base {
	t.Helper()
	b, err := OpenFrom(t.Context(), v, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// weightsObject returns where a store has the weights of the embedded network.
func weightsObject(dir string) string {
	return filepath.Join(dir, "objects", tiny.Digest()[:2], tiny.Digest()[2:])
}

// wantError checks what an error is and says.
func wantError(t *testing.T, err, kind error, text string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %v and %q", err, kind, text)
	}
}

// TestOpenStored opens a network by its name, with the weights where they lie.
func TestOpenStored(t *testing.T) {
	v, dir := stored(t)
	for _, name := range []string{model, model + "@main", model + "@" + modelCommit} {
		b := openFrom(t, v, name)
		if b.Name != name || b.Dir != "" || b.Volume != "models:some--network" || b.Digest != tiny.Digest() || len(b.Weights.Names()) == 0 {
			t.Errorf("%s: got %q in %q and %q, digest %s", name, b.Name, b.Dir, b.Volume, b.Digest)
		}
		if at, err := localPath(b.Files, weightsFile); at != weightsObject(dir) || err != nil {
			t.Errorf("weights are in %s, error %v, want %s", at, err, weightsObject(dir))
		}
	}
	if _, ok := readKnown(cacheFile(weightsObject(dir))); ok {
		t.Error("the weights were hashed")
	}
}

// TestOpenOrder looks for a name among folders, then in a volume, then among
// the downloaded ones.
func TestOpenOrder(t *testing.T) {
	v, _ := stored(t)
	t.Chdir(t.TempDir())
	if b := openFrom(t, v, model); b.Volume == "" || b.Dir != "" {
		t.Errorf("got %q and %q, want the stored one", b.Volume, b.Dir)
	}
	if b := open(t, model); b.Volume != "" || b.Dir == "" {
		t.Errorf("without a volume: got %q and %q, want the downloaded one", b.Volume, b.Dir)
	}
	if err := os.CopyFS(model, tiny.FS()); err != nil {
		t.Fatal(err)
	}
	if b := openFrom(t, v, model); b.Volume != "" || b.Dir != model {
		t.Errorf("got %q and %q, want the folder", b.Volume, b.Dir)
	}
}

// TestStoredAlone finds a stored network where nothing was downloaded, but no
// other revision of it.
func TestStoredAlone(t *testing.T) {
	v, _ := stored(t)
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	for name, want := range map[string]bool{model: true, model + "@main": true, model + "@v2": false, "some/other": false} {
		if got := Present(t.Context(), v, name); got != want {
			t.Errorf("%s: present %v, want %v", name, got, want)
		}
	}
	if Present(t.Context(), store.Volume{}, model) {
		t.Error("present without a volume")
	}
	_, err := OpenFrom(t.Context(), v, model+"@v2")
	wantError(t, err, ErrIncomplete, "mole model pull some/network@v2")
}

// TestPutInterrupted stops a copy at every file. What is there so far counts for
// nothing, and is not copied again.
func TestPutInterrupted(t *testing.T) {
	from := snapshot(t)
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	v, dir := emptyVolume(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Put(ctx, v, from, func(int64) { cancel() })
	if !errors.Is(err, context.Canceled) || Present(t.Context(), v, model) {
		t.Fatalf("got %v, present %v", err, Present(t.Context(), v, model))
	}
	before := objectTimes(t, dir)
	last := int64(0)
	if _, err := Put(t.Context(), v, from, func(n int64) { last = n }); err != nil || last != from.Bytes {
		t.Fatalf("got %v after %d bytes, want %d", err, last, from.Bytes)
	}
	openFrom(t, v, model)
	after := objectTimes(t, dir)
	if len(before) == 0 || len(after) != 8 { // and the list
		t.Errorf("got %d objects and then %d, want 8", len(before), len(after))
	}
	for path, time := range before {
		if after[path] != time {
			t.Errorf("%s was written again", path)
		}
	}
}

// objectTimes returns when each object of a store was written.
func objectTimes(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	times := map[string]int64{}
	err := filepath.WalkDir(filepath.Join(dir, "objects"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			times[path] = info.ModTime().UnixNano()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return times
}

// publish publishes folders made of some of the files of the stored network.
func publish(t *testing.T, v store.Volume, files map[string][]string) {
	t.Helper()
	whole, err := v.Tree(t.Context(), "some--network")
	if err != nil {
		t.Fatal(err)
	}
	for path, names := range files {
		var tree store.Tree
		for _, name := range names {
			f, _ := whole.File(name)
			tree.Files = append(tree.Files, f)
		}
		if err := v.Publish(t.Context(), path, tree, store.Absent); err != nil {
			t.Fatal(err)
		}
	}
}

// TestListStored lists models only, and takes folders that were put by hand.
func TestListStored(t *testing.T) {
	v, _ := stored(t)
	all := []string{configFile, weightsFile, processorFile, "tokenizer.json"}
	publish(t, v, map[string][]string{"a--hand": all, "b--empty": nil, "notes": all, "c--d/part": all})
	list, err := ListStored(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list {
		names = append(names, s.Name.String())
		if c, err := s.Usable(); err != nil || c.Text.Hidden != 192 {
			t.Errorf("%s: got %+v, %v", s.Name, c, err)
		}
	}
	if got, want := strings.Join(names, " "), "a/hand some/network@main"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, want := range map[string]bool{"a/hand": true, "a/hand@main": false, "b/empty": false} {
		if got := Present(t.Context(), v, name); got != want {
			t.Errorf("%s: present %v, want %v", name, got, want)
		}
	}
}

// TestCheckStored checks what is stored, and finds an object that is damaged or
// gone.
func TestCheckStored(t *testing.T) {
	v, dir := stored(t)
	r, err := Check(t.Context(), model, CheckOptions{Models: v})
	if err != nil || r.Files != 7 || r.Verified != 7 || r.Volume != "models:some--network" || r.TokenizerBytes != 40595 {
		t.Fatalf("got %+v, %v", r, err)
	}
	path := weightsObject(dir)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := errors.Join(os.Remove(path), os.WriteFile(path, data, 0o444)); err != nil {
		t.Fatal(err)
	}
	_, err = Check(t.Context(), model, CheckOptions{Models: v})
	wantError(t, err, store.ErrDamaged, "model.safetensors: content is damaged: "+path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err = OpenFrom(t.Context(), v, model)
	wantError(t, err, store.ErrDamaged, "model.safetensors: content is damaged: ")
}

// TestStoredIncomplete says what a stored folder lacks.
func TestStoredIncomplete(t *testing.T) {
	v, _ := stored(t)
	publish(t, v, map[string][]string{"a--part": {configFile}})
	_, err := OpenFrom(t.Context(), v, "a/part")
	wantError(t, err, ErrIncomplete, "directory models:a--part lacks tokenizer.json")
	from := snapshot(t)
	if err := os.Remove(filepath.Join(from.Dir, configFile)); err != nil {
		t.Fatal(err)
	}
	_, err = Put(t.Context(), v, from, nil)
	wantError(t, err, ErrIncomplete, "model some/network in "+from.Dir+" is no base model")
}

// TestStoredRemote refuses a model in a store that has no files to map, and says
// what to do.
func TestStoredRemote(t *testing.T) {
	v := store.Volume{Store: storetest.Memory(), Name: "models"}
	if _, err := Put(t.Context(), v, snapshot(t), nil); err != nil {
		t.Fatal(err)
	}
	_, err := OpenFrom(t.Context(), v, model)
	wantError(t, err, errors.ErrUnsupported, "mole volume get copies the model to a folder")
}
