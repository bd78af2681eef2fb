package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Holder says who has a lock.
type Holder struct {
	Owner string    `json:"owner"` // what it does: "mole train"
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// LockedError is the error of a lock that somebody else has. It is [ErrLocked].
type LockedError struct {
	Name   string
	Holder Holder // zero if the store does not know
}

// Error names the holder.
func (e *LockedError) Error() string {
	h := e.Holder
	if h == (Holder{}) {
		return fmt.Sprintf("lock %s: another process has it", e.Name)
	}
	return fmt.Sprintf("lock %s: %s has it, process %d on host %s, since %s",
		e.Name, h.Owner, h.PID, h.Host, h.Since.Local().Format(time.DateTime))
}

// Is reports whether target is ErrLocked.
func (*LockedError) Is(target error) bool { return target == ErrLocked }

// Lock takes the lock of that name for owner, a few words for the message that
// others get, and holds it until Close. It does not wait: the error is a
// *[LockedError] if somebody else has it. Package file's locks end with the
// process. A store that has no locks gives [errors.ErrUnsupported].
func Lock(ctx context.Context, s Store, name, owner string) (io.Closer, error) {
	l, ok := s.(Locker)
	if !ok {
		return nil, fmt.Errorf("lock %s: the store has no locks: %w", name, errors.ErrUnsupported)
	}
	return l.Lock(ctx, name, owner, false)
}
