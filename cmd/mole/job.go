package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"time"

	"mole/config"
	"mole/train"
)

// job is a piece of work with what it may take on this machine (specification
// mole, 16).
type job struct {
	config.Profile
	name    string
	workers int // that the command line wants, 0 if it does not say
}

// jobOf returns a job as profiles.yaml has it. One that it does not have is
// without bounds.
func jobOf(c *config.Config, name string, workers int) job {
	return job{c.Jobs.Profile("local", name), name, workers}
}

// cores returns how many cores the job is to use, 0 for all that there are.
func (j job) cores() int {
	most := int(math.Ceil(j.CPU))
	if j.workers > 0 || most >= runtime.GOMAXPROCS(0) {
		return j.workers
	}
	return most
}

// memory returns the bytes that the job may take of so many, 0 for not known.
func (j job) memory(of int64) int64 {
	const gib = 1 << 30
	most := int64(j.MemoryGB * gib)
	if of == 0 || most > 0 && most < of {
		return most
	}
	return of
}

// bound holds the process to the cores and the memory of the job until release
// is called. The bound of the memory is soft: garbage is collected harder near
// it.
func (j job) bound() (release func()) {
	cores, memory := runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1)
	if n := j.cores(); n > 0 && j.workers == 0 {
		runtime.GOMAXPROCS(n)
	}
	debug.SetMemoryLimit(j.memory(memory))
	return func() {
		runtime.GOMAXPROCS(cores)
		debug.SetMemoryLimit(memory)
	}
}

// errOvertime is the end of a job that took its time.
var errOvertime = errors.New("time is over")

// within runs a job within its bounds. One that takes longer than it may is
// stopped, and started again as often as it may be; then it has the status of
// what can be continued.
func within[T any](ctx context.Context, j job, run func(context.Context) (T, error)) (out T, err error) {
	defer j.bound()()
	for attempt := 0; attempt <= j.Retries; attempt++ {
		if out, err = timed(ctx, j.Timeout, run); !errors.Is(err, errOvertime) {
			return out, err
		}
	}
	return out, hintedError{overtimeError{j}, "the same command goes on, or begins this job again"}
}

// overtimeError is what is left of a job that took too long. It has the status
// of what was stopped.
type overtimeError struct{ job }

// Error names the job and the time that it had.
func (e overtimeError) Error() string {
	return fmt.Sprintf("%s took longer than the %v of its timeout in profiles.yaml", e.name, e.Timeout)
}

// Is reports whether target is train.ErrStopped.
func (overtimeError) Is(target error) bool { return target == train.ErrStopped }

// timed runs a function for a time at the most, 0 for any.
func timed[T any](ctx context.Context, most time.Duration, run func(context.Context) (T, error)) (T, error) {
	if most == 0 {
		return run(ctx)
	}
	inner, stop := context.WithTimeoutCause(ctx, most, errOvertime)
	defer stop()
	out, err := run(inner)
	late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, train.ErrStopped)
	if late && context.Cause(inner) == errOvertime {
		err = errOvertime
	}
	return out, err
}
