package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mole/store"
)

// races is how often two writers race for a name.
const races = 1000

// readDuringReplace tests that readers see one content or another, whole.
func readDuringReplace(t *testing.T, s store.Store) {
	const size = 200_000
	text := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), size) }
	put(t, s, "a", text(0))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := get(t.Context(), s, "a")
				if err != nil || len(got) != size || strings.Trim(got, got[:1]) != "" {
					t.Errorf("got %d bytes, error %v, want %d equal ones", len(got), err, size)
					return
				}
			}
		})
	}
	for i := range 60 {
		put(t, s, "a", text(i))
	}
	close(stop)
	wg.Wait()
}

// race runs f for two writers at once and returns how many had no error; any
// error but want is a failure.
func race(t *testing.T, want error, f func(writer int) error) int64 {
	t.Helper()
	var wins atomic.Int64
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			switch err := f(w); {
			case err == nil:
				wins.Add(1)
			case !errors.Is(err, want):
				t.Errorf("got error %v, want %v", err, want)
			}
		})
	}
	wg.Wait()
	return wins.Load()
}

func raceAbsent(t *testing.T, s store.Store) {
	for round := range races {
		name := fmt.Sprintf("r/%d", round)
		wins := race(t, fs.ErrExist, func(w int) error {
			return s.Put(t.Context(), name, strings.NewReader(fmt.Sprint(w)), store.Absent)
		})
		if wins != 1 {
			t.Fatalf("round %d: got %d winners, want 1", round, wins)
		}
		if round%10 != 0 {
			continue
		}
		if err := s.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func raceMatch(t *testing.T, s store.Store) {
	put(t, s, "r", "start")
	for round := range races {
		info, err := store.Stat(t.Context(), s, "r")
		if err != nil {
			t.Fatal(err)
		}
		winner := atomic.Int64{}
		wins := race(t, store.ErrChanged, func(w int) error {
			err := s.Put(t.Context(), "r", strings.NewReader(fmt.Sprintf("%d.%d", round, w)), store.Match(info.Version))
			if err == nil {
				winner.Store(int64(w))
			}
			return err
		})
		if wins != 1 {
			t.Fatalf("round %d: got %d winners, want 1", round, wins)
		}
		wantContent(t, s, "r", fmt.Sprintf("%d.%d", round, winner.Load()))
	}
}

// raceDelete puts and deletes neighbours, whose folder comes and goes.
func raceDelete(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			name := fmt.Sprintf("x/y/z/%d", w)
			for range 60 {
				err := s.Put(t.Context(), name, strings.NewReader(name), store.Absent)
				if err == nil {
					err = s.Delete(t.Context(), name)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// record is what appendLine writes.
type record struct{ Writer, Line int }

func appendLine(t *testing.T, s store.Store) {
	const writers, lines = 8, 15
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() { appendLines(t, s, w, lines) })
	}
	wg.Wait()
	got, err := get(t.Context(), s, "records/runs.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	next := [writers]int{}
	for line := range strings.Lines(got) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if r.Line != next[r.Writer] {
			t.Errorf("writer %d: got line %d, want %d", r.Writer, r.Line, next[r.Writer])
		}
		next[r.Writer]++
	}
	for w, n := range next {
		if n != lines {
			t.Errorf("writer %d: got %d lines, want %d", w, n, lines)
		}
	}
}

// appendLines is one writer of appendLine.
func appendLines(t *testing.T, s store.Store, writer, lines int) {
	for i := range lines {
		text, err := json.Marshal(record{writer, i})
		if err == nil {
			err = store.AppendLine(t.Context(), s, "records/runs.jsonl", text)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func lock(t *testing.T, s store.Store) {
	l, ok := s.(store.Locker)
	if !ok {
		_, err := store.Lock(t.Context(), s, "chain", "test")
		wantError(t, "lock", err, errors.ErrUnsupported)
		return
	}
	held, err := l.Lock(t.Context(), "chain", "mole train", false)
	if err != nil {
		t.Fatal(err)
	}
	lockHeld(t, s, l)
	release(t, held)
	first := take(t, l, true)
	second := take(t, l, true)
	release(t, first)
	if _, err := l.Lock(t.Context(), "chain", "other", false); !errors.Is(err, store.ErrLocked) {
		t.Errorf("lock what is shared: got error %v, want locked", err)
	}
	release(t, second)
	release(t, take(t, l, false))
}

// lockHeld tests the lock that "mole train" has.
func lockHeld(t *testing.T, s store.Store, l store.Locker) {
	t.Helper()
	ctx := t.Context()
	var locked *store.LockedError
	if _, err := store.Lock(ctx, s, "chain", "other"); !errors.As(err, &locked) || !errors.Is(err, store.ErrLocked) {
		t.Fatalf("got error %v, want locked", err)
	}
	if h := locked.Holder; h.Owner != "mole train" || h.PID == 0 || h.Host == "" || time.Since(h.Since) > time.Minute {
		t.Errorf("got holder %+v", h)
	}
	if _, err := l.Lock(ctx, "chain", "other", true); !errors.Is(err, store.ErrLocked) {
		t.Errorf("share a lock held alone: got error %v, want locked", err)
	}
}

// release gives a lock back, twice.
func release(t *testing.T, c io.Closer) {
	t.Helper()
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
}

// take takes the lock that nobody has alone.
func take(t *testing.T, l store.Locker, shared bool) io.Closer {
	t.Helper()
	c, err := l.Lock(t.Context(), "chain", "test", shared)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
