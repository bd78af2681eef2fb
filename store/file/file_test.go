package file_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mole/store"
	"mole/store/file"
	"mole/store/storetest"
)

// pair is a folder with two stores in it, as two processes have, that take
// turns in writing.
type pair struct {
	*file.Store
	other *file.Store
	puts  *atomic.Int64
}

// Put implements [store.Store].
func (p pair) Put(ctx context.Context, name string, r io.Reader, when store.Condition) error {
	if p.puts.Add(1)%2 == 0 {
		return p.other.Put(ctx, name, r, when)
	}
	return p.Store.Put(ctx, name, r, when)
}

// open returns an empty store.
func open(t *testing.T) store.Store {
	t.Helper()
	dir := t.TempDir()
	a, err := file.OpenLax(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := file.OpenLax(dir)
	if err != nil {
		t.Fatal(err)
	}
	return pair{a, b, new(atomic.Int64)}
}

// TestStore runs without flushing, so that writers race for the names and not
// for the disk.
func TestStore(t *testing.T) { storetest.Run(t, open) }

func TestCrash(t *testing.T) {
	storetest.Crash(t, func(dir string) (store.Store, error) { return file.Open(dir) })
}

// openIn returns the store in a folder.
func openIn(t *testing.T, dir string) *file.Store {
	t.Helper()
	s, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put stores a text.
func put(t *testing.T, s store.Store, name, text string) {
	t.Helper()
	if err := s.Put(t.Context(), name, strings.NewReader(text), store.Always); err != nil {
		t.Fatal(err)
	}
}

// names returns all names of a store.
func names(t *testing.T, s store.Store) string {
	t.Helper()
	var names []string
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return strings.Join(names, " ")
}

func TestMissingFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "store")
	s := openIn(t, dir)
	for info, err := range s.List(t.Context(), "") {
		t.Errorf("got %s, error %v, want no names", info.Name, err)
	}
	if err := s.Delete(t.Context(), "x"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("got %v, want that reading makes no folder", err)
	}
	put(t, s, "x", "x")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	put(t, s, "x", "x") // made again

	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Open(plain); err == nil || !strings.Contains(err.Error(), plain+": not a folder") {
		t.Errorf("got error %v, want one that names the file", err)
	}
	s = openIn(t, filepath.Join(plain, "store"))
	err := s.Put(t.Context(), "x", strings.NewReader("x"), store.Always)
	if err == nil || !strings.Contains(err.Error(), plain+": is a file, want a folder") {
		t.Errorf("got error %v, want one that names the file", err)
	}
}

func TestTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, openIn(t, dir), "a", "x")
	old, young := filepath.Join(dir, ".tmp", "OLD"), filepath.Join(dir, ".tmp", "YOUNG")
	for path, age := range map[string]time.Duration{old: 25 * time.Hour, young: 23 * time.Hour} {
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	s := openIn(t, dir)
	put(t, s, "b", "x")
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("got %v, want that the old file is removed", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Error(err)
	}
	if got := names(t, s); got != "a b" {
		t.Errorf("got names %s, want a b", got)
	}
}

// TestClockGoesBack tests that a version does not come back when the time does.
func TestClockGoesBack(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	put(t, s, "a", "1")
	future := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "a"), future, future); err != nil {
		t.Fatal(err)
	}
	before, err := s.Stat(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []bool{false, true} {
		if gone {
			if err := s.Delete(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		}
		put(t, s, "a", "2")
		after, err := s.Stat(t.Context(), "a")
		if err != nil || !after.Time.After(before.Time) {
			t.Errorf("deleted %t: got time %v, error %v, want one after %v", gone, after.Time, err, before.Time)
		}
		before = after
	}
}

// TestLockIsKept tests that a lock does not end because nobody refers to it.
func TestLockIsKept(t *testing.T) {
	s := openIn(t, t.TempDir())
	if _, err := s.Lock(t.Context(), "chain", "test", false); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if _, err := s.Lock(t.Context(), "chain", "test", false); !errors.Is(err, store.ErrLocked) {
		t.Errorf("got error %v, want locked", err)
	}
}

// TestPath tests that contents are files that are not written to.
func TestPath(t *testing.T) {
	s := openIn(t, t.TempDir())
	put(t, s, "d/a", "old")
	path, err := s.Path(t.Context(), "d/a")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	put(t, s, "d/a", "new")
	if got, err := io.ReadAll(f); err != nil || string(got) != "old" {
		t.Errorf("got %q, error %v, want the file that was opened", got, err)
	}
	if path != filepath.Join(s.Dir(), "d", "a") {
		t.Errorf("got path %s", path)
	}
}

// TestForeignFiles tests that what nobody put is not in the way.
func TestForeignFiles(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	s := openIn(t, dir)
	put(t, s, "a", "x")
	for _, name := range []string{".DS_Store", "bad\name"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	// Somebody moved a part to another disk.
	if err := os.Symlink(elsewhere, filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	put(t, s, "moved/b", "x")
	if got := names(t, s); got != "a moved/b" {
		t.Errorf("got names %s, want a moved/b", got)
	}
}
