package generate

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
)

// work is the engine's goroutine.
func (s *Service) work() {
	defer close(s.done)
	defer s.end()
	for {
		busy := s.runErrand()
		s.sweep()
		s.admit()
		s.shelf.settle(s.queued)
		busy = s.pass() || busy
		s.snapshot()
		if s.ended() {
			return
		}
		if !busy {
			<-s.wake
		}
	}
}

// ended reports whether the service is closed and nothing is left to do.
func (s *Service) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.killed || s.closing && len(s.queue) == 0 && len(s.active) == 0 && len(s.exclusive) == 0
}

// end fails what is left and frees the engine.
func (s *Service) end() {
	s.mu.Lock()
	left, errands := s.queue, s.exclusive
	s.queue, s.exclusive = nil, nil
	s.mu.Unlock()
	for _, j := range slices.Concat(left, s.active) {
		j.fail(ErrClosed)
	}
	s.sweep()
	for _, e := range errands {
		close(e.done)
	}
	s.shelf.close()
	if err := protect(func() error { s.o.Engine.Free(); return nil }); err != nil {
		s.report("engine freed", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Engine, s.stats.Active = EngineStats{}, 0
}

// sweep gives back what jobs hold that have ended.
func (s *Service) sweep() {
	kept := s.active[:0]
	for _, j := range s.active {
		if ended, _ := j.state(); ended {
			s.release(j)
		} else {
			kept = append(kept, j)
		}
	}
	clear(s.active[len(kept):])
	s.active = kept
}

// release closes the sequence of a job.
func (s *Service) release(j *job) {
	if err := protect(func() error { s.o.Engine.Close(j.sequence); return nil }); err != nil {
		s.report("sequence closed", err)
	}
	s.shelf.release(j.version)
}

// admit opens sequences for the jobs in the queue, in their order, as long as
// there is room.
func (s *Service) admit() {
	s.mu.Lock()
	queue := slices.Clone(s.queue)
	s.mu.Unlock()
	for _, j := range queue {
		if s.runnable() >= s.o.MaxBatch {
			return
		}
		if ended, _ := j.state(); ended {
			continue // its reader takes it out
		}
		err := s.open(j)
		switch {
		case err == nil:
		case errors.Is(err, errReading):
			continue
		case errors.Is(err, errMemory) || errors.Is(err, ErrNoPages) && len(s.active) > 0:
			return // when a sequence ends there is room
		default:
			s.log("request refused", err)
			j.fail(err)
		}
		s.mu.Lock()
		s.drop(j)
		s.mu.Unlock()
	}
}

// runnable returns how many jobs do not wait for their reader.
func (s *Service) runnable() (n int) {
	for _, j := range s.active {
		if _, held := j.state(); !held {
			n++
		}
	}
	return n
}

// open opens the sequence of a job.
func (s *Service) open(j *job) error {
	v, err := s.shelf.take(j.Adapter, &j.attempts)
	if err != nil {
		return err
	}
	if j.Generation != 0 && (v == nil || v.generation != j.Generation) {
		s.shelf.release(v)
		return fmt.Errorf("%w: %.40q is not of generation %d any more", ErrChanged, j.Adapter, j.Generation)
	}
	err = protect(func() (err error) {
		j.sequence, j.cached, err = s.o.Engine.Open(j.Prompt, v.number(), j.MaxTokens)
		return err
	})
	if err != nil {
		s.shelf.release(v)
		return err
	}
	j.version = v
	if j.rows -= j.cached; j.rows <= 0 {
		panic(fmt.Sprintf("generate: %d of %d tokens are cached, want one to run", j.cached, len(j.Prompt.Tokens)))
	}
	s.active = append(s.active, j)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.PromptTokens += uint64(len(j.Prompt.Tokens))
	s.stats.CachedTokens += uint64(j.cached)
	return nil
}

// pass runs one pass, and reports whether there was something to run.
func (s *Service) pass() bool {
	jobs, turns := s.compose()
	if len(turns) == 0 {
		return false
	}
	var logits [][]float32
	err := protect(func() (err error) {
		logits, err = s.o.Engine.Run(turns)
		return err
	})
	if err == nil && len(logits) != len(turns) {
		err = fmt.Errorf("logits of %d turns, want %d", len(logits), len(turns))
	}
	if err != nil {
		err = fmt.Errorf("pass of %d sequences: %w", len(turns), err)
		s.report("pass", err)
		for _, j := range jobs {
			j.fail(err)
		}
		return true
	}
	s.count(turns, s.spread(jobs, turns, logits))
	return true
}

// compose chooses the jobs of the next pass and what they do. Those that write
// take one row each; those that read their prompt share the rows of a chunk
// evenly, so that short prompts get through beside long ones.
func (s *Service) compose() (jobs []*job, turns []Turn) {
	reading := 0
	for i := range s.active {
		j := s.active[(i+s.shift)%len(s.active)]
		if ended, held := j.state(); ended || held {
			continue
		}
		if len(jobs) == s.o.MaxBatch {
			s.shift += i // the next pass begins with this one
			break
		}
		jobs = append(jobs, j)
		if j.rows > 0 {
			reading++
		}
	}
	if len(s.active) > 0 {
		s.shift %= len(s.active)
	}
	rows := s.o.Chunk
	for _, j := range jobs {
		t := j.turn(max(1, rows/max(1, reading)))
		if t.Rows > 0 {
			reading--
			rows -= t.Rows
		}
		turns = append(turns, t)
	}
	return jobs, turns
}

// spread gives every job its logits. Choosing a token takes as long as some
// layers, so the jobs share the cores; each has a generator of its own. It
// returns how many tokens were chosen.
func (s *Service) spread(jobs []*job, turns []Turn, logits [][]float32) (tokens int) {
	var next, chosen atomic.Int64
	var workers sync.WaitGroup
	for range min(len(jobs), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(jobs); i = int(next.Add(1)) - 1 {
				chosen.Add(s.step(jobs[i], turns[i], logits[i], s.spaces[i]))
			}
		})
	}
	workers.Wait()
	return int(chosen.Load())
}

// step takes a job further after a pass, and returns how many tokens it chose.
func (s *Service) step(j *job, t Turn, logits []float32, space *scratch) int64 {
	j.rows -= t.Rows
	if j.rows > 0 {
		return 0
	}
	err := protect(func() error {
		if logits == nil {
			return errors.New("no logits behind the prompt")
		}
		c, err := j.advance(&s.o, s.ends, logits, space)
		if err == nil && (c.Text != "" || c.Finish != "") {
			j.push(c)
		}
		return err
	})
	if err != nil {
		s.report("token", err)
		j.fail(fmt.Errorf("token %d of the answer: %w", j.answer, err))
		return 0
	}
	return 1
}

// protect calls f and turns a panic into an error.
func protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	return f()
}

// panicError is a panic below. Its message has no stack, since it may go to a
// client; the log has it.
type panicError struct {
	value any
	stack []byte
}

// Error says what was panicked with.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// log writes an error that a request made.
func (s *Service) log(what string, err error) { s.o.Log.Info(what, "err", err) }

// report writes a fault, with the stack of a panic.
func (s *Service) report(what string, err error) {
	args := []any{"err", err}
	if p := new(panicError); errors.As(err, &p) {
		args = append(args, "stack", string(p.stack))
	}
	s.o.Log.Error(what, args...)
}

// queued reports whether a request waits for an adapter.
func (s *Service) queued(adapter string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.queue, func(j *job) bool { return j.Adapter == adapter })
}
