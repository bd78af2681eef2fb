package shard

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"mole/safetensors"
	"mole/store"
)

// lazy is a shard that is opened, checked and parsed when it is first needed.
type lazy[T any] struct {
	fsys  fs.FS
	file  File
	parse func(*safetensors.File) (T, error)
	held  *memory

	opening sync.Mutex
	content atomic.Pointer[content[T]] // nil while it is not open
}

// content is an open shard.
type content[T any] struct {
	file   *safetensors.File
	parsed T
}

// get returns the content of the shard.
func (l *lazy[T]) get() (T, error) {
	if c := l.content.Load(); c != nil {
		return c.parsed, nil
	}
	l.opening.Lock()
	defer l.opening.Unlock()
	if c := l.content.Load(); c != nil {
		return c.parsed, nil
	}
	f, mapped, err := openShard(l.fsys, l.file)
	c := &content[T]{file: f}
	if err == nil {
		if c.parsed, err = l.parse(f); err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", l.file.Path, err), f.Close())
		}
	}
	if err != nil {
		return c.parsed, err
	}
	l.content.Store(c)
	if !mapped {
		l.held.add(l, l.file.Bytes)
	}
	return c.parsed, nil
}

// forget lets go of a shard that was read into memory. Who still uses its
// content may.
func (l *lazy[T]) forget() { l.content.Store(nil) }

// close gives the memory back.
func (l *lazy[T]) close() error {
	if c := l.content.Swap(nil); c != nil {
		return c.file.Close()
	}
	return nil
}

// heldBytes is how much of shards that are not mapped is kept in memory.
const heldBytes = 256 << 20

// memory counts the shards that were read into memory.
type memory struct {
	mu    sync.Mutex
	bytes int64
	held  []heldShard // the oldest first
}

type heldShard struct {
	shard interface{ forget() }
	bytes int64
}

// add notes a shard, and lets go of the oldest others while they are too many.
func (m *memory) add(shard interface{ forget() }, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = append(m.held, heldShard{shard, bytes})
	m.bytes += bytes
	for m.bytes > heldBytes && len(m.held) > 1 {
		m.bytes -= m.held[0].bytes
		m.held[0].shard.forget()
		m.held = slices.Delete(m.held, 0, 1)
	}
}

// openShard opens a file after checking its bytes. It is mapped if it lies on
// this machine.
func openShard(fsys fs.FS, f File) (_ *safetensors.File, mapped bool, err error) {
	if p, err := store.LocalPath(fsys, f.Path); err == nil && isRegular(p) {
		if err := checkFile(p, f); err != nil {
			return nil, false, err
		}
		open, err := safetensors.Open(p)
		return open, true, err
	}
	data, err := readShard(fsys, f)
	if err != nil {
		return nil, false, err
	}
	open, err := safetensors.Parse(data)
	if err != nil {
		err = fmt.Errorf("%s: %w", f.Path, err)
	}
	return open, false, err
}

// isRegular reports whether a path is that of a file: a file system may call
// its files by names that mean nothing outside of it.
func isRegular(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.Mode().IsRegular()
}

// readShard reads a whole file and checks its bytes. It allocates what the file
// has, whatever its entry says.
func readShard(fsys fs.FS, f File) (_ []byte, err error) {
	r, err := fsys.Open(f.Path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data, err := io.ReadAll(io.LimitReader(r, f.Bytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	sum := sha256.Sum256(data)
	return data, f.compare(int64(len(data)), sum[:])
}
