// Package file is a store in a folder of the local disk. A name is a path in
// it, so that one can look around with any tool; folders that begin with a dot
// are not for names:
//
//	NAME           one content; never written to again, only replaced or removed
//	.tmp/RANDOM    a content that is being written
//	.lock/NN       locks that order the changes of names (NN from a digest of the name)
//	.lock/named-X  a lock of store.Lock, with its holder
//
// A content is written to .tmp, flushed to the disk, and gets its name by
// link(2), which never replaces, or rename(2), which does; then the folder is
// flushed. A process that is killed leaves at most a file in .tmp, which a later
// one removes when it is older than a day. Locks are those of flock(2) and end
// with the process. Where the operating system has no flock, one process at a
// time may use the folder.
//
// The version of a name is its time of modification, in nanoseconds, together
// with the size. Each change of a name sets a later time than any before it,
// under a lock, even if the clock stands still or goes back; what was deleted
// leaves its time on the lock.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"mole/store"
)

var (
	_ store.Store  = (*Store)(nil)
	_ store.Stater = (*Store)(nil)
	_ store.Mapper = (*Store)(nil)
	_ store.Locker = (*Store)(nil)
)

// Store is a store in a folder. Any number of them, in any number of processes,
// may share the folder.
type Store struct {
	dir     string
	stripes [stripes]chan struct{} // hold one element while a goroutine has the lock
	sweep   sync.Once              // of .tmp
	lax     bool                   // nothing is flushed: for tests that lose no power
}

// Open returns the store in the folder dir. The folder need not be there; the
// first Put makes it, reading does not.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(abs); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("store %s: not a folder", abs)
	}
	s := &Store{dir: abs}
	for i := range s.stripes {
		s.stripes[i] = make(chan struct{}, 1)
	}
	return s, nil
}

// Dir returns the absolute path of the store's folder.
func (s *Store) Dir() string { return s.dir }

// begin checks the arguments that every method has, and returns the path of a
// name.
func (s *Store) begin(ctx context.Context, name string) (string, error) {
	if err := store.CheckName(name); err != nil {
		return "", err
	}
	return filepath.Join(s.dir, filepath.FromSlash(name)), context.Cause(ctx)
}

// stat returns what is at the path of a name. Whatever is no regular file is
// not there.
func stat(path, name string) (store.Info, error) {
	info, err := os.Stat(path)
	if missing(err) || err == nil && !info.Mode().IsRegular() {
		return store.Info{}, store.NotExist(name)
	}
	if err != nil {
		return store.Info{}, err
	}
	return describe(name, info), nil
}

// missing reports whether err says that a path leads nowhere.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// describe returns the store's view of a file.
func describe(name string, info fs.FileInfo) store.Info {
	time := info.ModTime()
	version := strconv.FormatInt(time.UnixNano(), 36) + "-" + strconv.FormatInt(info.Size(), 36)
	return store.Info{Name: name, Size: info.Size(), Version: version, Time: time}
}

// Stat implements [store.Stater].
func (s *Store) Stat(ctx context.Context, name string) (store.Info, error) {
	path, err := s.begin(ctx, name)
	if err != nil {
		return store.Info{}, err
	}
	return stat(path, name)
}

// Path implements [store.Mapper].
func (s *Store) Path(ctx context.Context, name string) (string, error) {
	path, err := s.begin(ctx, name)
	if err != nil {
		return "", err
	}
	_, err = stat(path, name)
	return path, err
}

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	path, err := s.Path(ctx, name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if missing(err) { // deleted meanwhile
		return nil, store.NotExist(name)
	}
	if err != nil {
		return nil, err
	}
	return &reader{ctx, f}, nil
}

// reader reads a file until its context ends.
type reader struct {
	ctx context.Context
	f   *os.File
}

// Read implements [io.Reader].
func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.f.Read(p)
}

// Close implements [io.Closer].
func (r *reader) Close() error { return r.f.Close() }
