package shard

import (
	"context"
	"iter"
	"sync"
)

// ordered runs do for every job on a number of workers and take on the results,
// in the order of the jobs and on the calling goroutine. It stops at the first
// error of take, or when ctx ends, and returns after all workers have. Jobs are
// drawn on another goroutine, a few more than there are workers ahead of take;
// where drawing one waits for anything, it has to stop with the context that it
// gets.
func ordered[J, R any](ctx context.Context, workers int, jobs func(context.Context) iter.Seq[J], do func(J) R, take func(R) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	work := make(chan func())
	queue := make(chan chan R, workers)
	for range workers {
		running.Go(func() {
			for f := range work {
				f()
			}
		})
	}
	running.Go(func() {
		defer close(queue)
		defer close(work)
		for j := range jobs(ctx) {
			done := make(chan R, 1)
			if !send(ctx, queue, done) || !send(ctx, work, func() { done <- do(j) }) {
				return
			}
		}
	})
	for done := range queue {
		select {
		case r := <-done:
			if err := take(r); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return context.Cause(ctx)
}

// send reports whether v was sent before ctx ended.
func send[T any](ctx context.Context, c chan<- T, v T) bool {
	select {
	case c <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// budget bounds what is in memory at a time. One goroutine acquires, any may
// release.
type budget struct {
	mu       sync.Mutex
	free     int64
	all      int64
	released chan struct{}
}

// newBudget returns a budget of that many bytes, at least 1.
func newBudget(bytes int64) *budget {
	bytes = max(bytes, 1)
	return &budget{free: bytes, all: bytes, released: make(chan struct{}, 1)}
}

// acquire waits until n bytes are free, all of them if n is more than there
// are, and returns how many it took; 0 if ctx ended.
func (b *budget) acquire(ctx context.Context, n int64) int64 {
	n = min(max(n, 1), b.all)
	for {
		if b.take(n) {
			return n
		}
		select {
		case <-b.released:
		case <-ctx.Done():
			return 0
		}
	}
}

func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.free < n {
		return false
	}
	b.free -= n
	return true
}

// release gives n bytes back.
func (b *budget) release(n int64) {
	b.mu.Lock()
	b.free += n
	b.mu.Unlock()
	select {
	case b.released <- struct{}{}:
	default: // one waits at most, and it looks again for the one that is there
	}
}
