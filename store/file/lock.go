package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mole/internal/flock"
	"mole/store"
)

// stripes is how many locks all names share.
const stripes = 64

// nameLock is a lock that orders the changes of some names.
type nameLock struct {
	f      *os.File
	stripe chan struct{}
}

// lock waits for the lock of a name.
func (s *Store) lock(ctx context.Context, name string) (*nameLock, error) {
	n := sha256.Sum256([]byte(name))[0] % stripes
	l := &nameLock{stripe: s.stripes[n]}
	select {
	case l.stripe <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	var err error
	if l.f, err = s.openLock(fmt.Sprintf("%02x", n)); err != nil {
		<-l.stripe
		return nil, err
	}
	if err := flock.Wait(ctx, l.f, 20*time.Microsecond, 2*time.Millisecond); err != nil {
		l.unlock()
		return nil, err
	}
	return l, nil
}

// openLock opens a file of the folder .lock, and makes it if need be.
func (s *Store) openLock(name string) (*os.File, error) {
	folder := filepath.Join(s.dir, ".lock")
	if err := s.makeFolders(folder); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(folder, name), os.O_RDWR|os.O_CREATE, 0o666)
}

// unlock gives the lock back.
func (l *nameLock) unlock() {
	_ = l.f.Close() // nothing was written; closing ends the lock
	<-l.stripe
}

// stamp sets the time of a file after that of everything that the name, which
// last had the given time, ever held.
func (l *nameLock) stamp(path string, last time.Time) error {
	info, err := l.f.Stat()
	if err != nil {
		return err
	}
	if info.ModTime().After(last) {
		last = info.ModTime()
	}
	next := time.Now()
	if !next.After(last) {
		next = last.Add(1)
	}
	// File systems round times down, some to two seconds.
	for step := time.Microsecond; step < time.Minute; step *= 100 {
		if err := os.Chtimes(path, time.Time{}, next); err != nil {
			return err
		}
		if info, err = os.Stat(path); err != nil || info.ModTime().After(last) {
			return err
		}
		next = last.Add(step)
	}
	return fmt.Errorf("%s: the file system does not keep times", path)
}

// remember keeps the time of a file that is about to be deleted.
func (l *nameLock) remember(t time.Time) error {
	info, err := l.f.Stat()
	if err != nil || info.ModTime().After(t) {
		return err
	}
	return os.Chtimes(l.f.Name(), time.Time{}, t)
}

// Lock implements [store.Locker].
func (s *Store) Lock(ctx context.Context, name, owner string, shared bool) (io.Closer, error) {
	if _, err := s.begin(ctx, name); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(name))
	f, err := s.openLock("named-" + hex.EncodeToString(sum[:16]))
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	ok, err := flock.Try(f, shared)
	if err == nil && !ok {
		err = &store.LockedError{Name: name, Holder: holder(f)}
	}
	if err == nil {
		err = sign(f, owner)
	}
	if err != nil {
		_ = f.Close() // nothing of worth was written
		return nil, err
	}
	l := &namedLock{f: f}
	held.Store(l, nil)
	return l, nil
}

// held are the locks that were not given back. The garbage collector would
// close the file of one that the caller does not keep, and end the lock.
var held sync.Map

// holder returns who signed a lock file, the zero Holder if that cannot be
// read.
func holder(f *os.File) store.Holder {
	var h store.Holder
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	if err != nil || json.Unmarshal(text, &h) != nil {
		return store.Holder{}
	}
	return h
}

// sign writes into a lock file who has it.
func sign(f *os.File, owner string) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	text, err := json.Marshal(store.Holder{Owner: owner, PID: os.Getpid(), Host: host, Since: time.Now().Truncate(time.Second)})
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(text, 0)
	return err
}

// namedLock is a lock that Lock took.
type namedLock struct {
	f    *os.File
	once sync.Once
}

// Close gives the lock back. Twice is fine.
func (l *namedLock) Close() (err error) {
	l.once.Do(func() {
		held.Delete(l)
		err = errors.Join(l.f.Truncate(0), l.f.Close())
	})
	return err
}
