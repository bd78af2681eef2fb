package shard

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mole/vision"
)

// fake returns features of a picture of so many cells of 3 channels with k
// mergers, and the picture's digest.
func fake(number, cells, k int) (string, *vision.Features) {
	fill := func(x int) []float32 {
		v := make([]float32, 3*cells)
		for i := range v {
			v[i] = float32(x*1000 + i)
		}
		return v
	}
	f := &vision.Features{Tokens: fill(number)}
	for i := range k {
		f.Deep = append(f.Deep, fill(number+i+1))
	}
	return hexDigest([]byte(fmt.Sprint(number))), f
}

func mustFeatures(t *testing.T, dir string, base string) *Features {
	t.Helper()
	f, err := OpenFeatures(dir, FeatureKey{Base: base, Image: PolicyOf(vision.DefaultOptions())})
	if err != nil {
		t.Fatal(err)
	}
	f.limit = 2000 // a few pictures
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// fillFeatures puts pictures 0 to n-1.
func fillFeatures(t *testing.T, f *Features, n int) {
	t.Helper()
	for i := range n {
		digest, v := fake(i, 4+i%3, i%4)
		if err := f.Put(digest, 4+i%3, v); err != nil {
			t.Fatal(err)
		}
	}
}

// checkFeatures looks at pictures 0 to n-1.
func checkFeatures(t *testing.T, f *Features, n int) {
	t.Helper()
	for i := range n {
		digest, want := fake(i, 4+i%3, i%4)
		got, err := f.Get(digest)
		if err != nil || got == nil {
			t.Fatalf("picture %d: got %v, error %v", i, got, err)
		}
		if !f.Has(digest) || !slices.Equal(got.Tokens, want.Tokens) || !slices.EqualFunc(got.Deep, want.Deep, slices.Equal[[]float32]) {
			t.Errorf("picture %d: got %v, want %v", i, got, want)
		}
	}
}

func TestFeatures(t *testing.T) {
	dir := t.TempDir()
	f := mustFeatures(t, dir, "one")
	fillFeatures(t, f, 20)
	fillFeatures(t, f, 20) // what is there stays
	checkFeatures(t, f, 20)
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	checkFeatures(t, f, 20)
	shards := len(f.shards)
	if shards < 2 || f.Len() != 20 {
		t.Errorf("got %d pictures in %d shards, want 20 in several", f.Len(), shards)
	}
	again := mustFeatures(t, dir, "one")
	checkFeatures(t, again, 20)
	fillFeatures(t, again, 21)
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if last := mustFeatures(t, dir, "one"); last.Len() != 21 || len(last.shards) != shards+1 {
		t.Errorf("got %d pictures in %d shards, want 21 in %d", last.Len(), len(last.shards), shards+1)
	}
	other := mustFeatures(t, dir, "two")
	digest, _ := fake(0, 4, 0)
	if got, err := other.Get(digest); got != nil || err != nil || other.Has(digest) {
		t.Errorf("got %v, error %v, of another network", got, err)
	}
}

// TestFeatureBytes checks that equal work makes equal files, also when two do
// it at a time.
func TestFeatureBytes(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	a, b, c := mustFeatures(t, dirs[0], "one"), mustFeatures(t, dirs[1], "one"), mustFeatures(t, dirs[1], "one")
	for _, f := range []*Features{a, b, c} {
		fillFeatures(t, f, 20)
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	checkFeatures(t, c, 20)
	compare(t, load(t, dirs[1]), load(t, dirs[0]))
}

func TestFeatureDamage(t *testing.T) {
	dir := t.TempDir()
	f := mustFeatures(t, dir, "one")
	fillFeatures(t, f, 3)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*.safetensors"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("got %v, error %v, want one shard", paths, err)
	}
	whole, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	replace := func(data []byte) {
		t.Helper()
		if err := errors.Join(os.Remove(paths[0]), os.WriteFile(paths[0], data, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	changed := bytes.Clone(whole)
	changed[len(changed)-1] ^= 1
	replace(changed)
	digest, _ := fake(0, 4, 0)
	_, err = mustFeatures(t, dir, "one").Get(digest)
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want ErrDamaged", err)
	}
	checkErr(t, err, "remove the file, and they will be made again")

	key := FeatureKey{Base: "one", Image: PolicyOf(vision.DefaultOptions())}
	replace(whole[:100])
	_, err = OpenFeatures(dir, key)
	checkErr(t, err, "remove the file")
	replace(bytes.Replace(whole, []byte(f.id), []byte(zeros), 1))
	if _, err = OpenFeatures(dir, key); !errors.Is(err, ErrOther) {
		t.Errorf("got %v, want ErrOther", err)
	}
}

// TestFeatureLeftovers checks that only old temporary files are removed.
func TestFeatureLeftovers(t *testing.T) {
	dir := t.TempDir()
	f := mustFeatures(t, dir, "one")
	fillFeatures(t, f, 3)
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	week := time.Now().Add(-7 * 24 * time.Hour)
	for _, name := range []string{".a.1.safetensors-tmp", ".b.1.safetensors-tmp", "notes.txt"} {
		path := filepath.Join(f.dir, name)
		err := os.WriteFile(path, nil, 0o666)
		if name != ".b.1.safetensors-tmp" {
			err = errors.Join(err, os.Chtimes(path, week, week))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	checkFeatures(t, mustFeatures(t, dir, "one"), 3)
	left, err := os.ReadDir(f.dir)
	if err != nil || len(left) != 3 || left[0].Name() != ".b.1.safetensors-tmp" {
		t.Errorf("got %v, error %v, want all but the old temporary file", left, err)
	}
}

func TestFeaturesRefused(t *testing.T) {
	f := mustFeatures(t, t.TempDir(), "one")
	digest, v := fake(1, 4, 2)
	checkErr(t, f.Put("x", 4, v), `digest "x"`)
	checkErr(t, f.Put(digest, 5, v), "12 numbers for 5 cells")
	checkErr(t, f.Put(digest, 0, v), "12 numbers for 0 cells")
	checkErr(t, f.Put(digest, 4, &vision.Features{}), "0 numbers for 4 cells")
	v.Deep[1] = v.Deep[1][1:]
	checkErr(t, f.Put(digest, 4, v), "11 numbers of deep-stack merger 1, want 12")
	if f.Has("x") || f.Has(digest) || f.Flush() != nil {
		t.Error("something was put")
	}
	_, err := f.Get("x")
	checkErr(t, err, `digest "x"`)
}
