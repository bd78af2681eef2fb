package base

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/base/tiny"
	"mole/store"
)

// model is the name that the tests download the embedded network under, and
// modelCommit its commit.
const (
	model       = "some/network"
	modelCommit = "0123456789abcdef0123456789abcdef01234567"
)

// cached puts the embedded network into a cache of downloaded models, and
// returns the folder of the model.
func cached(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HF_HUB_CACHE", dir)
	repo := filepath.Join(dir, "models--some--network")
	snapshot := filepath.Join(repo, "snapshots", modelCommit)
	if err := os.CopyFS(snapshot, tiny.FS()); err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join(snapshot, weightsFile)
	for _, err := range []error{
		os.MkdirAll(filepath.Join(repo, "blobs"), 0o777), os.MkdirAll(filepath.Join(repo, "refs"), 0o777),
		os.WriteFile(filepath.Join(repo, "refs", "main"), []byte(modelCommit), 0o666),
		os.Rename(weights, filepath.Join(repo, "blobs", tiny.Digest())),
		os.Symlink(filepath.Join("..", "..", "blobs", tiny.Digest()), weights),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return repo
}

// TestOpenName opens a downloaded network by its name, and does not read the
// weights for it.
func TestOpenName(t *testing.T) {
	repo := cached(t)
	for _, name := range []string{model, model + "@main", model + "@" + modelCommit, filepath.Join(repo, "snapshots", modelCommit)} {
		b := open(t, name)
		if want := filepath.Join(repo, "snapshots", modelCommit); b.Name != name || b.Digest != tiny.Digest() || b.Dir != want {
			t.Errorf("%s: got %q, digest %s, folder %s", name, b.Name, b.Digest, b.Dir)
		}
	}
	path := filepath.Join(repo, "snapshots", modelCommit, weightsFile)
	if _, ok := readKnown(cacheFile(path)); ok {
		t.Error("the weights were hashed")
	}
}

func TestOpenNameRefuses(t *testing.T) {
	repo := cached(t)
	tests := []struct{ name, want string }{
		{"other/network", "mole model pull other/network downloads it"},
		{model + "@v2", "mole model pull some/network@v2 downloads it"},
		{"no network", `there is no such directory; want "tiny"`},
	}
	for _, tt := range tests {
		_, err := Open(t.Context(), tt.name)
		if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if Present(t.Context(), store.Volume{}, tt.name) {
			t.Errorf("%s is present", tt.name)
		}
	}
	// A download that was cut off: the link leads nowhere.
	if err := os.Remove(filepath.Join(repo, "blobs", tiny.Digest())); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), model)
	if !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "directory lacks model.safetensors") {
		t.Errorf("got %v", err)
	}
}

func TestPresent(t *testing.T) {
	cached(t)
	for _, name := range []string{"", Tiny, model, model + "@main", t.TempDir()} {
		if !Present(t.Context(), store.Volume{}, name) {
			t.Errorf("%q is not present", name)
		}
	}
}

func TestSplitName(t *testing.T) {
	tests := []struct{ name, model, revision string }{
		{"a/b@v1", "a/b", "v1"}, {"a/b", "a/b", ""}, {"tiny", "tiny", ""}, {"./a/b@c", "./a/b@c", ""}, {"/models/b@c", "/models/b@c", ""},
	}
	for _, tt := range tests {
		if model, revision := SplitName(tt.name); model != tt.model || revision != tt.revision {
			t.Errorf("%s: got %q, %q", tt.name, model, revision)
		}
	}
}
