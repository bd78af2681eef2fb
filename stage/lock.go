package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"mole/store"
)

// hold is the lock of a chain, and how many of its stages have it.
type hold struct {
	mu    sync.Mutex
	count int
	lock  io.Closer // nil where the store has no locks
}

// Hold keeps other chains away from the volume Data until the returned function
// is called. Stages that write call it themselves; a chain calls it as well, so
// that nobody comes between its stages. It does not wait: if another process
// has it, the error is store.ErrLocked and says who. A store without locks
// keeps nobody away; names are still put in one step there.
func (p *Place) Hold(ctx context.Context, owner string) (release func() error, err error) {
	h := &p.hold
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count == 0 {
		h.lock, err = store.Lock(ctx, p.Store, "chains/"+p.Volumes.Data, owner)
		if errors.Is(err, errors.ErrUnsupported) {
			h.lock, err = nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("volume %s: another chain is at work: %w", p.Volumes.Data, err)
		}
	}
	h.count++
	return h.release, nil
}

// release gives the lock back once nobody has it any more.
func (h *hold) release() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count--; h.count > 0 || h.lock == nil {
		return nil
	}
	return h.lock.Close()
}

// alone calls run while no other chain works on the volume.
func alone[T any](ctx context.Context, p *Place, owner string, run func(context.Context) (T, error)) (out T, err error) {
	release, err := p.Hold(ctx, owner)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, release()) }()
	return run(ctx)
}
