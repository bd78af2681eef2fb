package hub

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestVerify(t *testing.T) {
	s := newServer(t)
	snap := mustPull(t, s.client(t))
	var read int64
	for _, name := range got {
		known, err := Verify(t.Context(), filepath.Join(snap.Dir, name), func(n int64) { read += n })
		if !known || err != nil {
			t.Errorf("%s: got %v, %v", name, known, err)
		}
	}
	if read != snap.Bytes {
		t.Errorf("%d bytes were read, want %d", read, snap.Bytes)
	}
	for _, name := range []string{bigShard, "config.json"} {
		path := filepath.Join(snap.Dir, name)
		write(t, path, string(s.files[name][:20])+"\x00"+string(s.files[name][21:]))
		if _, err := Verify(t.Context(), path, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v, want %v", name, err, ErrDamaged)
		}
	}
	plain := filepath.Join(t.TempDir(), "config.json")
	write(t, plain, "{}")
	if known, err := Verify(t.Context(), plain, nil); known || err != nil {
		t.Errorf("a file that is not of a cache: got %v, %v", known, err)
	}
	if _, err := Verify(t.Context(), plain+"x", nil); err == nil {
		t.Error("a file that is not there was verified")
	}
}

func TestVerifyStops(t *testing.T) {
	data := make([]byte, 20<<20)
	path := filepath.Join(t.TempDir(), "models--a--b", "blobs", gitHash(data))
	write(t, path, string(data))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}
