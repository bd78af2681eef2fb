package generate

import (
	"context"
	"slices"
)

// errand is a function that wants the engine's goroutine.
type errand struct {
	do       func()
	done     chan struct{}
	panicked any
	ran      bool
}

// Exclusive runs f between two passes, on the goroutine that owns the engine,
// so that f has the cores for itself. It returns when f has; if ctx ends before
// f was begun, f is not run. While there is other work, one function runs
// between two passes, in the order of the calls.
func (s *Service) Exclusive(ctx context.Context, f func()) error {
	e := &errand{do: f, done: make(chan struct{})}
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return ErrClosed
	}
	s.exclusive = append(s.exclusive, e)
	s.mu.Unlock()
	s.kick()
	select {
	case <-e.done:
	case <-ctx.Done():
		if s.withdraw(e) {
			return context.Cause(ctx)
		}
		<-e.done
	}
	switch {
	case e.panicked != nil:
		panic(e.panicked)
	case !e.ran:
		return ErrClosed
	}
	return nil
}

// withdraw takes back an errand that was not begun.
func (s *Service) withdraw(e *errand) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.exclusive, e)
	if i >= 0 {
		s.exclusive = slices.Delete(s.exclusive, i, i+1)
	}
	return i >= 0
}

// runErrand runs the oldest errand, and reports whether there was one.
func (s *Service) runErrand() bool {
	s.mu.Lock()
	if len(s.exclusive) == 0 {
		s.mu.Unlock()
		return false
	}
	e := s.exclusive[0]
	s.exclusive = slices.Delete(s.exclusive, 0, 1)
	s.mu.Unlock()
	defer close(e.done)
	defer func() { e.panicked = recover() }()
	e.ran = true
	e.do()
	return true
}
