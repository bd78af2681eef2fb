package tensorboard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"sync"
	"time"

	"mole/tbevents"
)

// board keeps the runs in memory and looks from time to time what has changed.
type board struct {
	roots []Root
	pause time.Duration

	mu     sync.Mutex
	looked time.Time
	err    error
	loaded map[string]*entry // by id
	order  []*entry
}

// entry is a run as it was when it was read. It is not changed any more.
type entry struct {
	id     string // ROOT/NAME, the root by its number
	root   int
	run    tbevents.Run
	log    *tbevents.Log
	read   time.Time     // when
	took   time.Duration // how long
	unread error         // why the log is empty
}

// version changes with the content of the run.
func (e *entry) version() string { return strconv.FormatInt(e.read.UnixMicro(), 36) }

// list returns all runs, those that have changed read again. It looks at the
// folders at most once in a while.
func (b *board) list(ctx context.Context) ([]*entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.looked) < b.pause {
		return b.order, b.err
	}
	order, err := b.look(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // the next one looks again
	}
	b.order, b.err, b.looked = order, err, time.Now()
	kept := map[string]*entry{}
	for _, e := range order {
		kept[e.id] = e
	}
	b.loaded = kept
	return order, err
}

// find returns a run, nil if it is not there.
func (b *board) find(ctx context.Context, id string) *entry {
	// What is wrong with a folder does not concern runs of others.
	_, _ = b.list(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loaded[id]
}

// look lists the runs of all roots. A root that cannot be read does not keep
// the others from being shown.
func (b *board) look(ctx context.Context) ([]*entry, error) {
	var order []*entry
	var errs []error
	for i, root := range b.roots {
		runs, err := tbevents.Runs(root.FS)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("%s: %w", root.Name, err))
		}
		for _, run := range runs {
			if ctx.Err() != nil {
				break
			}
			order = append(order, b.open(i, run))
		}
	}
	return order, errors.Join(errs...)
}

// rest is how many times as long as reading it took a growing run is left
// alone, so that reading takes a tenth of the time at most.
const rest = 9

// open returns a run, from memory if it is as it was.
func (b *board) open(root int, run tbevents.Run) *entry {
	id := fmt.Sprintf("%d/%s", root, run.Name)
	old := b.loaded[id]
	if old != nil && (same(old.run, run) || time.Since(old.read) < rest*old.took) {
		return old
	}
	e := &entry{id: id, root: root, run: run, read: time.Now()}
	e.log, e.unread = tbevents.Load(b.roots[root].FS, run)
	if e.unread != nil {
		e.log = &tbevents.Log{}
	}
	e.took = time.Since(e.read)
	return e
}

// same reports whether the files of a run are as they were.
func same(a, b tbevents.Run) bool {
	return a.Bytes == b.Bytes && a.Modified.Equal(b.Modified) && slices.Equal(a.Files, b.Files)
}

// problems says what is wrong with the files of a run.
func (e *entry) problems() []string {
	var out []string
	if e.unread != nil {
		out = append(out, e.unread.Error())
	}
	for _, err := range e.log.Damaged {
		out = append(out, err.Error())
	}
	if e.log.Dropped > 0 {
		out = append(out, fmt.Sprintf("%d values of too many tags are left out", e.log.Dropped))
	}
	return out
}

// series returns the series of a tag, nil if the run has none of that kind.
func (e *entry) series(tag string, kind tbevents.Kind) *tbevents.Series {
	for _, s := range e.log.Series {
		if s.Tag == tag && s.Kind == kind {
			return s
		}
	}
	return nil
}
