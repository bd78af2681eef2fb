//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package flock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestTry(t *testing.T) {
	tests := []struct {
		name          string
		first, second bool // shared
		want          bool
	}{
		{"two alone", false, false, false},
		{"alone then shared", false, true, false},
		{"shared then alone", true, false, false},
		{"two shared", true, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lock")
			a, b := open(t, path), open(t, path)
			if ok, err := Try(a, tt.first); !ok || err != nil {
				t.Fatalf("first: got %v, %v", ok, err)
			}
			if ok, err := Try(b, tt.second); ok != tt.want || err != nil {
				t.Errorf("second: got %v, %v, want %v", ok, err, tt.want)
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			if ok, err := Try(b, tt.second); !ok || err != nil {
				t.Errorf("after the first: got %v, %v", ok, err)
			}
		})
	}
}

func TestWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	a, b := open(t, path), open(t, path)
	if err := Wait(t.Context(), a, 1, 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := Wait(ctx, b, time.Microsecond, time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
	time.AfterFunc(5*time.Millisecond, func() { _ = a.Close() })
	if err := Wait(t.Context(), b, time.Microsecond, time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Try(b, false); err == nil {
		t.Error("a closed file was locked")
	}
}
