package main

import (
	"context"
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"mole/config"
	"mole/train"
)

func TestJobBounds(t *testing.T) {
	all := runtime.GOMAXPROCS(2)
	defer runtime.GOMAXPROCS(all)
	const gib = 1 << 30
	tests := []struct {
		j      job
		cores  int
		memory int64 // of 4 GiB
	}{
		{job{}, 0, 4 * gib},
		{job{Profile: config.Profile{CPU: 0.5, MemoryGB: 1.5}}, 1, 3 * gib / 2},
		{job{Profile: config.Profile{CPU: 16, MemoryGB: 16}}, 0, 4 * gib},
		{job{Profile: config.Profile{CPU: 1}, workers: 5}, 5, 4 * gib},
	}
	for _, tt := range tests {
		if cores, memory := tt.j.cores(), tt.j.memory(4*gib); cores != tt.cores || memory != tt.memory {
			t.Errorf("%+v: got %d cores, %d bytes, want %d, %d", tt.j, cores, memory, tt.cores, tt.memory)
		}
	}
	if got := (job{Profile: config.Profile{MemoryGB: 1}}).memory(0); got != gib {
		t.Errorf("of a machine whose memory is not known: got %d", got)
	}
	release := job{Profile: config.Profile{CPU: 1, MemoryGB: 8}}.bound()
	if n, m := runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1); n != 1 || m != 8*gib {
		t.Errorf("got %d cores, %d bytes", n, m)
	}
	release()
	if n, m := runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1); n != 2 || m != math.MaxInt64 {
		t.Errorf("afterwards: got %d cores, %d bytes", n, m)
	}
}

// TestWithin checks what becomes of a job that takes too long.
func TestWithin(t *testing.T) {
	other := errors.New("disk is full")
	j := job{Profile: config.Profile{Timeout: time.Millisecond, Retries: 2}, name: "eval"}
	tests := []struct {
		name     string
		run      func(ctx context.Context, attempt int) error
		attempts int
		want     error
	}{
		{"in time", func(context.Context, int) error { return nil }, 1, nil},
		{"never", func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }, 3, train.ErrStopped},
		{"the second time", func(ctx context.Context, attempt int) error {
			if attempt == 1 {
				<-ctx.Done()
				return train.ErrStopped
			}
			return nil
		}, 2, nil},
		{"another error", func(ctx context.Context, _ int) error { <-ctx.Done(); return other }, 1, other},
	}
	for _, tt := range tests {
		attempts := 0
		_, err := within(t.Context(), j, func(ctx context.Context) (int, error) {
			attempts++
			return attempts, tt.run(ctx, attempts)
		})
		if !errors.Is(err, tt.want) || attempts != tt.attempts {
			t.Errorf("%s: got %v after %d attempts, want %v after %d", tt.name, err, attempts, tt.want, tt.attempts)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	_, err := within(ctx, job{Profile: config.Profile{Timeout: time.Hour}}, func(ctx context.Context) (int, error) {
		stop()
		<-ctx.Done()
		return 0, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, train.ErrStopped) {
		t.Errorf("a signal: got %v", err)
	}
}
