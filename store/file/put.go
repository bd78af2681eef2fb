package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mole/store"
)

// Put implements [store.Store].
func (s *Store) Put(ctx context.Context, name string, r io.Reader, when store.Condition) (err error) {
	path, err := s.begin(ctx, name)
	if err != nil {
		return err
	}
	if _, err := allowed(path, name, when); err != nil {
		return err // before anything is written
	}
	temp, err := s.write(ctx, r)
	if err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	defer func() { // a rename took it away, a link did not
		if e := os.Remove(temp); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	if err := s.commit(ctx, temp, path, name, when); err != nil {
		return err
	}
	if err := s.flush(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // deleted and pruned meanwhile
}

// allowed returns an error unless a name may be put, otherwise what is there;
// the zero Info for nothing.
func allowed(path, name string, when store.Condition) (store.Info, error) {
	current, err := stat(path, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return current, err
	}
	return current, when.Check(name, current, err == nil)
}

// write writes what r holds to a temporary file, flushes it, and returns its
// path.
func (s *Store) write(ctx context.Context, r io.Reader) (path string, err error) {
	folder := filepath.Join(s.dir, ".tmp")
	if err := s.makeFolders(folder); err != nil {
		return "", err
	}
	s.sweep.Do(func() { sweepTemp(folder, time.Now().Add(-24*time.Hour)) })
	path = filepath.Join(folder, rand.Text())
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return "", err
	}
	// Only Read and Write, so that the copy looks at the context now and then.
	from := struct{ io.Reader }{&source{ctx, r}}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, from, make([]byte, 128<<10))
	if err == nil && !s.lax {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}

// source reads what is to be stored until its context ends.
type source struct {
	ctx context.Context
	r   io.Reader
}

// Read implements [io.Reader].
func (s *source) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
}

// sweepTemp removes temporary files that were last written before a time. It
// is housekeeping: what goes wrong has no effect.
func sweepTemp(folder string, before time.Time) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().Before(before) {
			_ = os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}

// commit gives a temporary file its name, if the condition is met.
func (s *Store) commit(ctx context.Context, temp, path, name string, when store.Condition) error {
	l, err := s.lock(ctx, name)
	if err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	defer l.unlock()
	current, err := allowed(path, name, when)
	if err != nil {
		return err
	}
	if err := l.stamp(temp, current.Time); err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() && os.Remove(path) != nil {
		return fmt.Errorf("put %s: there are names that begin with %s/", name, name)
	}
	place := os.Rename
	if when == store.Absent {
		place = link
	}
	if err := s.inFolder(path, func() error { return place(temp, path) }); err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	return nil
}

// inFolder makes the folder of a path and calls f, again if somebody who
// deleted a neighbour removed the folder in between.
func (s *Store) inFolder(path string, f func() error) (err error) {
	for range 100 {
		if err = s.makeFolders(filepath.Dir(path)); err == nil {
			err = f()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

// link gives a file a second name that is new. Where there are no links, the
// lock has to do.
func link(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		return os.Rename(from, to)
	}
	return err
}

// flush makes the names in a folder survive a loss of power.
func (s *Store) flush(folder string) error {
	if s.lax {
		return nil
	}
	return syncFolder(folder)
}

// makeFolders makes a folder and those above it, each flushed to the disk.
func (s *Store) makeFolders(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s: is a file, want a folder", path)
	}
	if err == nil {
		return nil
	}
	parent := filepath.Dir(path)
	if missing(err) && parent != path {
		if err := s.makeFolders(parent); err != nil {
			return err
		}
	}
	err = os.Mkdir(path, 0o777)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.flush(parent)
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, name string) error {
	path, err := s.begin(ctx, name)
	if err != nil {
		return err
	}
	if _, err := stat(path, name); errors.Is(err, fs.ErrNotExist) {
		return nil // nor is there a store to be made for the lock
	}
	l, err := s.lock(ctx, name)
	if err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	defer l.unlock()
	current, err := stat(path, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = l.remember(current.Time)
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return s.prune(filepath.Dir(path))
}

// prune removes a folder and those above it as far as they are empty, and
// flushes the last one that stays.
func (s *Store) prune(folder string) error {
	for len(folder) > len(s.dir) && os.Remove(folder) == nil {
		folder = filepath.Dir(folder)
	}
	err := s.flush(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another Delete went on from here
	}
	return err
}
