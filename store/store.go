// Package store keeps named immutable byte strings. A directory, a bucket and
// a platform volume are stores; package file is the first, storetest holds the
// tests that all of them pass. Everything that the stages hand on to each other
// goes through here: datasets, shards, checkpoints, bundles.
//
// Contents lie once, under the digest of their bytes ([PutObject]). A folder is
// a [Tree]: a list of paths and digests, itself an object. What can change is
// small: a reference names a tree and is put in one step, create-only or by
// compare-and-swap ([PutTree]), so that a reader sees all of a folder or none.
// References are what volumes ([Volume]) and finished stages ([Result]) are
// made of; [Sweep] removes the objects that no reference leads to.
//
// docs/store.md describes names and formats.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"
)

// Store keeps named immutable byte strings. [CheckName] says what a name is;
// one name never continues another: where there is a/b there is no a. All
// methods may be called from several goroutines and processes at once, return
// soon after their context has ended, and refuse a bad name with [ErrName].
type Store interface {
	// Get returns the content of a name: all of what one Put stored, even if
	// the name is replaced meanwhile. The error wraps [fs.ErrNotExist] if there
	// is none.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// Put stores what r holds, whole or not at all: if r or the store gives an
	// error, or the process dies, the name is as before. The error wraps
	// [fs.ErrExist] or [ErrChanged] if the condition is not met; r may then be
	// unread.
	Put(ctx context.Context, name string, r io.Reader, when Condition) error
	// List returns the names that begin with prefix, in bytewise order. An
	// error is the last thing it yields.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes a name. That there is none is no error.
	Delete(ctx context.Context, name string) error
}

// Stater is a store that can look up one name without listing; see [Stat].
type Stater interface {
	// Stat returns what List would. The error wraps [fs.ErrNotExist].
	Stat(ctx context.Context, name string) (Info, error)
}

// Mapper is a store whose contents are local files, which may be mapped into
// memory.
type Mapper interface {
	// Path returns the file that holds the content of a name. Nobody may write
	// to it. The error wraps [fs.ErrNotExist].
	Path(ctx context.Context, name string) (string, error)
}

// Locker is a store that can keep others out; see [Lock].
type Locker interface {
	// Lock takes the lock of a name, alone or shared with others who share, and
	// holds it until Close or the end of the process. It does not wait: the
	// error is a *[LockedError] if somebody else has it. Locks and stored names
	// have nothing to do with each other.
	Lock(ctx context.Context, name, owner string, shared bool) (io.Closer, error)
}

// Info describes what is stored under a name.
type Info struct {
	Name    string
	Size    int64     // bytes
	Version string    // differs for every Put to this name, ever
	Time    time.Time // of the Put
}

// Errors that callers test for with [errors.Is].
var (
	ErrName    = errors.New("bad name")
	ErrChanged = errors.New("changed by somebody else")
	ErrDamaged = errors.New("content is damaged")
	ErrLocked  = errors.New("locked")
)

// Condition says when Put may store: [Always], [Absent], or as [Match] says.
type Condition string

// The conditions that need no version.
const (
	Always Condition = "always" // replaces what is there
	Absent Condition = "absent" // only if there is nothing under the name
)

const matchPrefix = "match "

// Match is the condition that the name holds the given version.
func Match(version string) Condition { return Condition(matchPrefix + version) }

// Check returns nil if a name with the given state may be put, otherwise an
// error that wraps [fs.ErrExist] or [ErrChanged]. Stores call it where nothing
// can come between it and their writing.
func (c Condition) Check(name string, current Info, exists bool) error {
	version, match := strings.CutPrefix(string(c), matchPrefix)
	switch {
	case match && !exists:
		return fmt.Errorf("put %s: %w: it was deleted", name, ErrChanged)
	case match && current.Version != version:
		return fmt.Errorf("put %s: %w: version is %s, want %s", name, ErrChanged, current.Version, version)
	case c == Absent && exists:
		return fmt.Errorf("put %s: %w", name, fs.ErrExist)
	case !match && c != Absent && c != Always:
		return fmt.Errorf("put %s: condition %q, want always, absent or match", name, string(c))
	}
	return nil
}

// Stat returns what is stored under a name. The error wraps [fs.ErrNotExist]
// if there is nothing. A version that was looked up before the content was
// read is safe to Match: at worst the content is newer and Put refuses.
func Stat(ctx context.Context, s Store, name string) (Info, error) {
	if err := CheckName(name); err != nil {
		return Info{}, err
	}
	if st, ok := s.(Stater); ok {
		return st.Stat(ctx, name)
	}
	for info, err := range s.List(ctx, name) {
		if err != nil {
			return Info{}, err
		}
		if info.Name == name { // the shortest name with this prefix comes first
			return info, nil
		}
		break
	}
	return Info{}, NotExist(name)
}

// NotExist returns the error for a name under which there is nothing.
func NotExist(name string) error { return fmt.Errorf("object %s: %w", name, fs.ErrNotExist) }

// ReadAll returns the content of a name, which must not be longer than limit
// bytes.
func ReadAll(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
	r, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("object %s: longer than %d bytes", name, limit)
	}
	return data, nil
}
