package shard

import (
	"os"
	"sync"
	"testing"

	"mole/batch"
	"mole/train"
	"mole/vision"
)

var _ train.Examples = (*Examples)(nil)

// openSplit preprocesses a corpus of n training samples and opens those.
func openSplit(t testing.TB, n int) *Split {
	t.Helper()
	dir, c := t.TempDir(), newCorpus(n)
	if _, err := Write(t.Context(), dir, c.files, c.inputs(), testOptions()); err != nil {
		t.Fatal(err)
	}
	s, err := Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	split, err := s.Split("train")
	if err != nil {
		t.Fatal(err)
	}
	return split
}

// must returns example i.
func must(t *testing.T, e *Examples, i int) batch.Example {
	t.Helper()
	ex, err := e.Example(i)
	if err != nil {
		t.Fatal(err)
	}
	return ex
}

// TestExamples checks that a batch of examples lists each picture once, even
// if nothing can be kept, and that features take the place of pixels.
func TestExamples(t *testing.T) {
	split := openSplit(t, 30)
	if _, err := split.Examples(ExampleOptions{}).Example(99); err == nil {
		t.Error("example 99 of 30 was found")
	}
	for _, limit := range []int64{0, 1} {
		e := split.Examples(ExampleOptions{CacheBytes: limit})
		var list []batch.Example
		for i := range e.Len() {
			list = append(list, must(t, e, i))
		}
		b, err := batch.Pack(testOptions().Layout, list)
		if err != nil || len(b.Images) != 8 { // 10 files, of which 2 equal another
			t.Errorf("cache of %d bytes: got %d images, error %v, want 8", limit, len(b.Images), err)
		}
		if kept := e.patches.recent.Len(); limit == 1 && kept != 1 {
			t.Errorf("got %d pictures in a cache of one byte, want the last", kept)
		}
	}
}

func TestExamplesOfFeatures(t *testing.T) {
	split := openSplit(t, 6)
	first, err := split.Sample(0)
	if err != nil {
		t.Fatal(err)
	}
	f := mustFeatures(t, t.TempDir(), "one")
	_, v := fake(1, 4, 2)
	if err := f.Put(first.Image, 4, v); err != nil {
		t.Fatal(err)
	}
	e := split.Examples(ExampleOptions{Features: f})
	im := must(t, e, 0).Images[0]
	if im.Features != v || im.Pixels != nil || im.Grid != (vision.Grid{T: 1, H: 4, W: 4}) {
		t.Errorf("got %+v, want the features of a grid of 4x4", im)
	}
	if im := must(t, e, 3).Images[0]; im.Features != nil || im.Pixels == nil {
		t.Errorf("got %+v, want pixels where there are no features", im)
	}
}

// TestConcurrentExamples asks for all examples from several goroutines.
func TestConcurrentExamples(t *testing.T) {
	split := openSplit(t, 30)
	e := split.Examples(ExampleOptions{CacheBytes: 1})
	images := make([][30]*vision.Patches, 4)
	var running sync.WaitGroup
	for g := range images {
		running.Go(func() {
			for i := range 30 {
				ex, err := e.Example(i)
				if err != nil {
					t.Error(err)
					return
				}
				images[g][i] = ex.Images[0]
			}
		})
	}
	running.Wait()
	for g := range images {
		if images[g] != images[0] {
			t.Errorf("goroutine %d has other pointers than goroutine 0", g)
		}
	}
}
