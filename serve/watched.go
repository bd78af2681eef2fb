package serve

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// watched is what files hold. They are read again when they change; files that
// cannot be read then are reported and change nothing. It is safe for concurrent
// use.
type watched[T any] struct {
	paths []string
	read  func() (T, error)
	every time.Duration // between two looks at the files
	log   *slog.Logger

	mu    sync.Mutex
	value T
	stamp string    // of the files that were read last
	next  time.Time // look at them again
}

// watch reads files for the first time. Without any, the value is the zero value.
func watch[T any](log *slog.Logger, read func() (T, error), paths ...string) (*watched[T], error) {
	w := &watched[T]{paths: paths, read: read, every: time.Second, log: log}
	if len(paths) == 0 || paths[0] == "" {
		w.paths = nil
		return w, nil
	}
	w.stamp, w.next = stamp(paths), time.Now().Add(w.every)
	var err error
	w.value, err = read()
	return w, err
}

// get returns what the files hold.
func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); w.paths != nil && !now.Before(w.next) {
		w.next = now.Add(w.every)
		w.refresh()
	}
	return w.value
}

// refresh reads the files if they have changed. w.mu is held.
func (w *watched[T]) refresh() {
	s := stamp(w.paths)
	if s == w.stamp {
		return
	}
	w.stamp = s
	v, err := w.read()
	if err != nil {
		w.log.Error("file does not load", "file", w.paths[0], "error", err)
		return
	}
	w.value = v
	w.log.Info("file loaded", "file", w.paths[0])
}

// stamp tells files from what they were before.
func stamp(paths []string) string {
	var b strings.Builder
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil {
			fmt.Fprintf(&b, "%d %d;", info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
