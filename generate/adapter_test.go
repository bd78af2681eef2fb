package generate

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"mole/lora"
	"mole/spec"
)

// with returns a request to an adapter.
func with(r Request, adapter string) Request {
	r.Adapter = adapter
	return r
}

// checkSigned checks that an adapter answers with a signature.
func checkSigned(t *testing.T, s *Service, adapter string, n int, signature float32) {
	t.Helper()
	got, err := get(t.Context(), s, with(request(n), adapter))
	if w := want(t, s, signature, request(n)); err != nil || !got.equal(w) {
		t.Errorf("%s: got %+v, %v, want %+v", adapter, got, err, w)
	}
}

// checkInfo checks what is told of an adapter.
func checkInfo(t *testing.T, s *Service, name string, generation uint64, problem string) AdapterInfo {
	t.Helper()
	i, err := s.Adapter(name)
	if err != nil || i.Generation != generation || (i.Error == "") != (problem == "") || !strings.Contains(i.Error, problem) {
		t.Errorf("%s: got %+v, %v, want generation %d and problem %q", name, i, err, generation, problem)
	}
	return i
}

// TestScan finds adapters in both layouts, with and without expert.json.
func TestScan(t *testing.T) {
	s := start(t, newFake(500), Options{})
	root := saveAll(t, 2)
	save(t, filepath.Join(root, "flat"), 9)
	save(t, filepath.Join(root, ".hidden"), 9)
	write(t, filepath.Join(root, "flat", spec.ExpertFile), `{"version": 1, "expert": "flat", "prompt_id": "cua-v1"}`)
	write(t, filepath.Join(root, "a1", "adapter", "deploy_metadata.json"), `no JSON`)
	scan(t, s, root)
	if got := known(t, s); got != "a0 a1 flat" {
		t.Errorf("got %s", got)
	}
	checkSigned(t, s, "a0", 1, 1)
	checkSigned(t, s, "a1", 2, 2)
	checkSigned(t, s, "flat", 3, 9)
	i := checkInfo(t, s, "flat", 1, "")
	if i.Spec == nil || i.Spec.PromptID != "cua-v1" {
		t.Errorf("got %+v, want that of expert.json", i.Spec)
	}
	if !i.Loaded || i.Bytes != 128 || len(i.Digest) != 64 {
		t.Errorf("got %+v", i)
	}
}

// known returns the names of all adapters, none of which was read.
func known(t *testing.T, s *Service) string {
	var out []string
	for _, i := range s.Adapters() {
		out = append(out, i.Name)
		if i.Loaded || i.Rank != 4 || i.Bytes == 0 || i.Error != "" {
			t.Errorf("got %+v, want one that is known and not read", i)
		}
	}
	return strings.Join(out, " ")
}

func scan(t *testing.T, s *Service, root string) {
	t.Helper()
	if err := s.Scan(root); err != nil {
		t.Fatal(err)
	}
}

// TestVanish removes the folder of an adapter.
func TestVanish(t *testing.T) {
	s := start(t, newFake(500), Options{})
	root := saveAll(t, 2)
	scan(t, s, root)
	checkSigned(t, s, "a0", 1, 1)
	checkSigned(t, s, "a1", 1, 2)
	if err := os.RemoveAll(filepath.Join(root, "a0")); err != nil {
		t.Fatal(err)
	}
	scan(t, s, root)
	if got, err := get(t.Context(), s, with(request(1), "a0")); !errors.Is(err, ErrNoAdapter) {
		t.Errorf("got %+v, %v, want ErrNoAdapter", got, err)
	}
	eventually(t, "it is unloaded", func() bool { return s.Stats().AdaptersLoaded == 1 })
	if err := s.Scan(filepath.Join(root, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestSwap changes an adapter in the midst of an answer, which goes on with the
// weights that it began with.
func TestSwap(t *testing.T) {
	e := newFake(500)
	s := start(t, e, Options{Ahead: 1})
	root := saveAll(t, 1)
	scan(t, s, root)
	r := with(request(18), "a0")
	next, stop := iter.Pull2(s.Generate(t.Context(), r))
	defer stop()
	c, err, _ := next()
	if err != nil {
		t.Fatal(err)
	}
	var got answer
	got.add(c)
	save(t, filepath.Join(root, "a0", "adapter"), 7)
	scan(t, s, root)
	checkInfo(t, s, "a0", 2, "")
	checkSigned(t, s, "a0", 4, 7)
	for c, err, ok := next(); ok; c, err, ok = next() {
		if err != nil {
			t.Fatal(err)
		}
		got.add(c)
	}
	if w := want(t, s, 1, r); !got.equal(w) || got.chunk.Generation != 1 {
		t.Errorf("got %+v of generation %d, want %+v", got, got.chunk.Generation, w)
	}
	eventually(t, "the old one is unloaded", func() bool { return e.attached.Load() == 1 })
}

// TestBroken breaks an adapter that is in use, and one that is new.
func TestBroken(t *testing.T) {
	s := start(t, newFake(500), Options{})
	root := saveAll(t, 2)
	bad := filepath.Join(root, "bad")
	save(t, bad, 1)
	write(t, filepath.Join(bad, lora.WeightsFile), "no tensors")
	scan(t, s, root)
	checkSigned(t, s, "a0", 1, 1)
	if got, err := get(t.Context(), s, with(request(1), "bad")); !errors.Is(err, ErrAdapter) {
		t.Errorf("got %+v, %v, want ErrAdapter", got, err)
	}
	checkInfo(t, s, "bad", 0, lora.WeightsFile)
	write(t, filepath.Join(root, "a0", "adapter", lora.WeightsFile), "half of it")
	scan(t, s, root)
	checkInfo(t, s, "a0", 1, lora.WeightsFile)
	checkSigned(t, s, "a0", 2, 1)
	if err := s.Set("a0", filepath.Join(root, "a0", "adapter")); !errors.Is(err, ErrAdapter) {
		t.Errorf("got %v, want ErrAdapter", err)
	}
	if err := os.Remove(filepath.Join(root, "a0", "adapter", lora.ConfigFile)); err != nil {
		t.Fatal(err)
	}
	scan(t, s, root) // it is being written
	checkSigned(t, s, "a0", 3, 1)
	save(t, filepath.Join(root, "a0", "adapter"), 5)
	scan(t, s, root)
	checkInfo(t, s, "a0", 2, "")
	checkSigned(t, s, "a0", 2, 5)
	save(t, bad, 6)
	scan(t, s, root)
	checkSigned(t, s, "bad", 2, 6)
	if n := s.Stats(); n.AdaptersBroken != 0 {
		t.Errorf("got %d broken adapters, want none any more", n.AdaptersBroken)
	}
}

// TestSet gives names to folders.
func TestSet(t *testing.T) {
	s := start(t, newFake(500), Options{AdapterMemory: 200})
	root := saveAll(t, 2)
	dir := func(n int) string { return filepath.Join(root, fmt.Sprintf("a%d", n), "adapter") }
	if err := s.Set("x", dir(0)); err != nil {
		t.Fatal(err)
	}
	checkSigned(t, s, "x", 1, 1)
	for _, name := range []string{"", "..", "a/b", ".x", "x\n", strings.Repeat("x", 200)} {
		if err := s.Set(name, dir(0)); !errors.Is(err, ErrNoAdapter) {
			t.Errorf("%q: got %v, want ErrNoAdapter", name, err)
		}
	}
	if err := s.Set("x", filepath.Join(root, "none")); !errors.Is(err, ErrAdapter) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	checkInfo(t, s, "x", 1, "")
	if err := s.Set("x", dir(1)); err != nil {
		t.Fatal(err)
	}
	checkInfo(t, s, "x", 2, "")
	checkSigned(t, s, "x", 1, 2)
	checkGeneration(t, s)
	if err := s.Remove("x"); err != nil {
		t.Error(err)
	}
	if err := s.Remove("x"); !errors.Is(err, ErrNoAdapter) {
		t.Errorf("got %v, want ErrNoAdapter", err)
	}
	eventually(t, "all are unloaded", func() bool { return s.Stats().AdaptersLoaded == 0 })
}

// checkGeneration asks for generations of adapter x, which is in its second.
func checkGeneration(t *testing.T, s *Service) {
	t.Helper()
	for generation, want := range map[uint64]error{0: nil, 1: ErrChanged, 2: nil, 3: ErrChanged} {
		r := with(request(1), "x")
		r.Generation = generation
		if got, err := get(t.Context(), s, r); !errors.Is(err, want) {
			t.Errorf("generation %d: got %+v, %v, want %v", generation, got, err, want)
		}
	}
}

// TestLRU asks for more adapters than fit: all answer, some are unloaded, and
// the limit holds.
func TestLRU(t *testing.T) {
	e := newFake(2000)
	s := start(t, e, Options{AdapterMemory: 2*128 + 50})
	e.run = func([]Turn) error {
		if len(e.adapters) > 2 {
			t.Errorf("%d adapters are loaded, want 2 at most", len(e.adapters))
		}
		return nil
	}
	scan(t, s, saveAll(t, 10))
	var readers sync.WaitGroup
	for n := range 40 {
		readers.Go(func() { checkSigned(t, s, fmt.Sprintf("a%d", n%10), n, float32(n%10+1)) })
	}
	readers.Wait()
	if n := s.Stats(); n.Evictions < 8 || n.AdapterBytes > n.AdapterLimit || n.Loads < 10 {
		t.Errorf("got %+v", n)
	}
	checkSigned(t, s, "a1", 1, 2)
	checkSigned(t, s, "a2", 1, 3)
	checkSigned(t, s, "a1", 1, 2)
	checkSigned(t, s, "a3", 1, 4)
	for name, want := range map[string]bool{"a1": true, "a2": false, "a3": true} {
		if i := checkInfo(t, s, name, 1, ""); i.Loaded != want {
			t.Errorf("%s: loaded %t, want %t: the least recently used one goes", name, i.Loaded, want)
		}
	}
}
