// Package storetest holds the tests that every implementation of
// [store.Store] must pass, and a small one in memory for the tests of others.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"mole/store"
)

// Heavy is the variable that asks for the long forms of tests.
const Heavy = "MOLE_TEST_HEAVY"

// Run tests the stores that open returns, each of them empty. Failures that
// only a file system has are for the tests of the implementation.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		f    func(*testing.T, store.Store)
	}{
		{"RoundTrip", roundTrip},
		{"Names", names},
		{"LongNames", longNames},
		{"Nested", nested},
		{"Conditions", conditions},
		{"Versions", versions},
		{"BrokenReader", brokenReader},
		{"List", list},
		{"ListStops", listStops},
		{"Delete", deleteTwice},
		{"Canceled", canceled},
		{"ReadDuringReplace", readDuringReplace},
		{"RaceAbsent", raceAbsent},
		{"RaceMatch", raceMatch},
		{"RaceDelete", raceDelete},
		{"AppendLine", appendLine},
		{"Lock", lock},
		{"Objects", objects},
		{"Trees", trees},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait for disks
			tt.f(t, open(t))
		})
	}
}

// put stores a text and ends the test if that does not work.
func put(t *testing.T, s store.Store, name, text string) {
	t.Helper()
	if err := s.Put(t.Context(), name, strings.NewReader(text), store.Always); err != nil {
		t.Fatal(err)
	}
}

// get returns the content of a name.
func get(ctx context.Context, s store.Store, name string) (string, error) {
	data, err := store.ReadAll(ctx, s, name, 1<<30)
	return string(data), err
}

// wantContent compares the content of a name.
func wantContent(t *testing.T, s store.Store, name, want string) {
	t.Helper()
	got, err := get(t.Context(), s, name)
	if err != nil || got != want {
		t.Errorf("%s: got %.80q, error %v, want %.80q", name, got, err, want)
	}
}

// wantError compares an error.
func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func roundTrip(t *testing.T, s store.Store) {
	big := make([]byte, 3<<20+1)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range big {
		big[i] = byte(random.Uint32())
	}
	for name, text := range map[string]string{"empty": "", "a": "x", "d/e/f.bin": string(big), "ü/ä b": "\x00\xff\n"} {
		put(t, s, name, text)
		wantContent(t, s, name, text)
		put(t, s, name, text+"!")
		wantContent(t, s, name, text+"!")
		info, err := store.Stat(t.Context(), s, name)
		if err != nil || info.Name != name || info.Size != int64(len(text)+1) || info.Version == "" || info.Time.IsZero() {
			t.Errorf("stat %s: got %+v, error %v, want %d bytes", name, info, err, len(text)+1)
		}
	}
	_, err := s.Get(t.Context(), "none")
	wantError(t, "get", err, fs.ErrNotExist)
	_, err = s.Get(t.Context(), "a/none") // a is not a folder
	wantError(t, "get", err, fs.ErrNotExist)
	_, err = s.Get(t.Context(), "d/e") // a folder is not a name
	wantError(t, "get", err, fs.ErrNotExist)
	_, err = store.Stat(t.Context(), s, "d/e")
	wantError(t, "stat", err, fs.ErrNotExist)
}

// badNames are refused by every method.
var badNames = []string{
	"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "a/./b", ".a", "a/.b",
	"a\x00b", "a\nb", "a\x7fb", "a\u0085b", "a\\b", "\xff", strings.Repeat("x", store.MaxPart+1),
	strings.Repeat("x/", store.MaxName/2) + "xx",
}

func names(t *testing.T, s store.Store) {
	for _, name := range badNames {
		what := fmt.Sprintf("name %.40q", name)
		_, err := s.Get(t.Context(), name)
		wantError(t, what, err, store.ErrName)
		wantError(t, what, s.Put(t.Context(), name, strings.NewReader("x"), store.Always), store.ErrName)
		wantError(t, what, s.Delete(t.Context(), name), store.ErrName)
		_, err = store.Stat(t.Context(), s, name)
		wantError(t, what, err, store.ErrName)
	}
	for _, prefix := range []string{"/", "../", "a//", ".tmp/", "..", "a\n"} {
		_, err := collect(t.Context(), s, prefix)
		wantError(t, "prefix "+prefix, err, store.ErrName)
	}
	if got, err := collect(t.Context(), s, ""); err != nil || got != nil {
		t.Errorf("got names %q, error %v, want none", got, err)
	}
}

func longNames(t *testing.T, s store.Store) {
	part := strings.Repeat("p", store.MaxPart)
	long := strings.Repeat(part+"/", 3) + strings.Repeat("q", 127) + "/" + strings.Repeat("r", 128)
	for _, name := range []string{part, "x/" + strings.Repeat("é", store.MaxPart/2)} {
		put(t, s, name, "short")
		wantContent(t, s, name, "short")
		if err := s.Delete(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	put(t, s, long, "long")
	wantContent(t, s, long, "long")
}

// nested tests that a name cannot continue another.
func nested(t *testing.T, s store.Store) {
	put(t, s, "a", "file")
	put(t, s, "b/c/d", "file")
	for _, name := range []string{"a/b", "a/b/c", "b", "b/c"} {
		for _, when := range []store.Condition{store.Always, store.Absent} {
			err := s.Put(t.Context(), name, strings.NewReader("x"), when)
			if err == nil || errors.Is(err, fs.ErrExist) {
				t.Errorf("put %s: got error %v, want one that says why", name, err)
			}
		}
	}
	wantContent(t, s, "a", "file")
	wantContent(t, s, "b/c/d", "file")
	for _, name := range []string{"a", "b/c/d"} {
		if err := s.Delete(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	put(t, s, "a/b", "other") // nothing is left in the way
	put(t, s, "b", "other")
}

func conditions(t *testing.T, s store.Store) {
	ctx := t.Context()
	text := func() io.Reader { return strings.NewReader("x") }
	wantError(t, "match nothing", s.Put(ctx, "a", text(), store.Match("v")), store.ErrChanged)
	if err := s.Put(ctx, "a", strings.NewReader("1"), store.Absent); err != nil {
		t.Fatal(err)
	}
	wantError(t, "absent", s.Put(ctx, "a", text(), store.Absent), fs.ErrExist)
	wantError(t, "match another", s.Put(ctx, "a", text(), store.Match("v")), store.ErrChanged)
	if err := s.Put(ctx, "a", text(), "sometimes"); err == nil {
		t.Error("unknown condition: got no error")
	}
	wantContent(t, s, "a", "1")
	info, err := store.Stat(ctx, s, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(ctx, "a", strings.NewReader("2"), store.Match(info.Version)); err != nil {
		t.Error(err)
	}
	wantError(t, "match again", s.Put(ctx, "a", text(), store.Match(info.Version)), store.ErrChanged)
	wantContent(t, s, "a", "2")
}

// versions tests that none ever comes back, whatever is put or deleted.
func versions(t *testing.T, s store.Store) {
	seen := map[string]bool{}
	for i := range 300 {
		put(t, s, "a", "same")
		info, err := store.Stat(t.Context(), s, "a")
		if err != nil {
			t.Fatal(err)
		}
		if seen[info.Version] {
			t.Fatalf("put %d: got version %s again", i, info.Version)
		}
		seen[info.Version] = true
		if i%3 == 0 {
			if err := s.Delete(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// brokenReader tests that an error on the way leaves nothing.
func brokenReader(t *testing.T, s store.Store) {
	broken := errors.New("broken")
	put(t, s, "a", "old")
	for _, name := range []string{"a", "new"} {
		r := io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<18)), errReader{broken})
		wantError(t, "put", s.Put(t.Context(), name, r, store.Always), broken)
	}
	wantContent(t, s, "a", "old")
	if got, err := collect(t.Context(), s, ""); err != nil || !slices.Equal(got, []string{"a"}) {
		t.Errorf("got names %q, error %v, want a only", got, err)
	}
}

// errReader gives an error.
type errReader struct{ err error }

// Read implements [io.Reader].
func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// collect returns the names that List yields.
func collect(ctx context.Context, s store.Store, prefix string) (names []string, err error) {
	for info, err := range s.List(ctx, prefix) {
		if err != nil {
			return names, err
		}
		names = append(names, info.Name)
	}
	return names, nil
}

func list(t *testing.T, s store.Store) {
	// '-' and '.' sort before '/', '0' after it.
	all := []string{"a-b/x", "a.b", "a/-", "a/b/c", "a/b/d", "a/b0", "a0", "b", "ba", "ü"}
	for _, i := range rand.New(rand.NewPCG(3, 4)).Perm(len(all)) {
		put(t, s, all[i], "x")
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b/", "a/b/c", "a/b/cc", "a-", "b", "c", "z/z/", "ü"} {
		var want []string
		for _, name := range all {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
		}
		if got, err := collect(t.Context(), s, prefix); err != nil || !slices.Equal(got, want) {
			t.Errorf("prefix %q: got %q, error %v, want %q", prefix, got, err, want)
		}
	}
}

func listStops(t *testing.T, s store.Store) {
	for _, name := range []string{"a/a", "a/b", "b"} {
		put(t, s, name, "x")
	}
	for info, err := range s.List(t.Context(), "") {
		if err != nil || info.Name != "a/a" {
			t.Errorf("got %s, error %v, want a/a", info.Name, err)
		}
		break // a second call of yield would panic
	}
}

func deleteTwice(t *testing.T, s store.Store) {
	for _, name := range []string{"never", "never/was", "a", "a", "b/c/d", "b/c/d", "b"} {
		if name == "a" || name == "b/c/d" {
			put(t, s, name, "x")
		}
		for range 2 {
			if err := s.Delete(t.Context(), name); err != nil {
				t.Error(err)
			}
		}
	}
	if got, err := collect(t.Context(), s, ""); err != nil || got != nil {
		t.Errorf("got names %q, error %v, want none", got, err)
	}
}

func canceled(t *testing.T, s store.Store) {
	put(t, s, "a", strings.Repeat("x", 1<<20))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := s.Get(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	endless := &endlessReader{after: 1 << 20, f: cancel}
	wantError(t, "put under way", s.Put(ctx, "b", endless, store.Always), context.Canceled)
	_, err = io.ReadAll(r)
	wantError(t, "read", err, context.Canceled)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	_, err = s.Get(ctx, "a")
	wantError(t, "get", err, context.Canceled)
	wantError(t, "put", s.Put(ctx, "c", strings.NewReader("x"), store.Always), context.Canceled)
	wantError(t, "delete", s.Delete(ctx, "a"), context.Canceled)
	_, err = collect(ctx, s, "")
	wantError(t, "list", err, context.Canceled)
	if got, err := collect(t.Context(), s, ""); err != nil || !slices.Equal(got, []string{"a"}) {
		t.Errorf("got names %q, error %v, want a only", got, err)
	}
}

// endlessReader calls f when it was read for a while.
type endlessReader struct {
	after int
	f     func()
	once  sync.Once
}

// Read implements [io.Reader].
func (e *endlessReader) Read(p []byte) (int, error) {
	e.after -= len(p)
	if e.after < 0 {
		e.once.Do(e.f)
	}
	return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
}
