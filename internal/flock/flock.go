// Package flock locks open files, so that processes keep out of each other's
// way. The locks are those of flock(2): they belong to the open file, are
// advisory, and end with the process however it ends, so that nothing has to be
// cleaned up after a crash. Other programs that use flock on the same file, as
// Python's filelock does, see them.
package flock

import (
	"context"
	"os"
	"time"
)

// Try takes the lock of an open file or folder, alone or shared, unless another
// open file has it in a way that forbids it. The lock ends when f is closed.
// Where the operating system has no flock it always succeeds: there nothing
// keeps processes apart.
func Try(f *os.File, shared bool) (bool, error) { return try(f, shared) }

// Wait is [Try] until it succeeds. It looks again after pauses that grow from
// first to last, and stops when ctx ends.
func Wait(ctx context.Context, f *os.File, first, last time.Duration) error {
	for pause := first; ; pause = min(2*pause, last) {
		ok, err := try(f, false)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}
