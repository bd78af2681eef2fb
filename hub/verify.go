package hub

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrDamaged says that a file in the cache has another content than its name
// says.
var ErrDamaged = errors.New("damaged")

// Verify reads the file at path, and compares its content with the hash that it
// was downloaded by, if it leads into a cache; known is false if it does not.
// read, if not nil, is told how many bytes were read since the last call. The
// error of another content wraps [ErrDamaged].
func Verify(ctx context.Context, path string, read func(n int64)) (known bool, err error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false, err
	}
	want, inside := blobHash(real)
	if !inside {
		return false, nil
	}
	f, err := os.Open(real)
	if err != nil {
		return true, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return true, err
	}
	sum := newSum(want, info.Size())
	if err := copyWatched(ctx, sum, f, read); err != nil {
		return true, err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		err = fmt.Errorf("%s: %w: %s has the hash %s, want that of its name", filepath.Base(path), ErrDamaged, real, got)
	}
	return true, err
}

// copyWatched copies until the end of r or of ctx.
func copyWatched(ctx context.Context, w io.Writer, r io.Reader, read func(n int64)) error {
	const piece = 16 << 20 // bytes between looks at ctx
	for {
		n, err := io.CopyN(w, r, piece)
		if read != nil {
			read(n)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
}
