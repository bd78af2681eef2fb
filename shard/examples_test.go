package shard

import (
	"math/rand/v2"
	"os"
	"slices"
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

// TestAhead checks that making examples ahead of time changes none of them,
// whether the order is kept or not.
func TestAhead(t *testing.T) {
	split := openSplit(t, 30)
	random := rand.New(rand.NewPCG(1, 2))
	order := append(random.Perm(30), random.Perm(30)...)
	plain := split.Examples(ExampleOptions{})
	for _, jump := range []int{0, 7} {
		e := split.Examples(ExampleOptions{Order: slices.Values(order), Ahead: 5, CacheBytes: 1})
		for k := jump; k < len(order); k++ {
			i := order[k]
			if jump > 0 && k%5 == 0 {
				i = (i + 1) % 30 // not what was said
			}
			got, want := must(t, e, i), must(t, plain, i)
			if !slices.Equal(got.Tokens, want.Tokens) || !slices.Equal(got.Images[0].Pixels, want.Images[0].Pixels) {
				t.Errorf("example %d at %d differs", i, k)
			}
		}
		e.Close()
	}
}

// TestAheadStops checks that Close does not wait for somebody to ask.
func TestAheadStops(t *testing.T) {
	split := openSplit(t, 12)
	e := split.Examples(ExampleOptions{Order: slices.Values([]int{0, 1, 2, 3, 4, 5, 99}), Ahead: 2})
	must(t, e, 5)
	e.Close()
	e = split.Examples(ExampleOptions{Order: slices.Values([]int{99}), Ahead: 2})
	if _, err := e.Example(99); err == nil {
		t.Error("example 99 of 12 was found")
	}
	e.Close()
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
