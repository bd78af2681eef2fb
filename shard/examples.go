package shard

import (
	"fmt"
	"iter"
	"slices"
	"sync"

	"mole/batch"
	"mole/vision"
)

// ExampleOptions says how Examples works. The zero value is usable; nothing in
// it changes an example, but that Features stand for pixels.
type ExampleOptions struct {
	// Features, if not nil, gives images their features in place of pixels,
	// where it has them. It is for networks whose vision tower is frozen.
	Features *Features
	// CacheBytes bounds the patches and features that are kept for the next
	// example of the same picture, 256 MiB.
	CacheBytes int64
	// Order, if not nil, is the order in which a trainer will ask for examples,
	// from its first step in this process on. They are then made ahead of time,
	// in the background, until Close. A call out of the order is answered as
	// well, only not ahead of time.
	Order iter.Seq[int]
	// Ahead is how many examples are made ahead of time, 32.
	Ahead int
}

// Examples gives the samples of a split to a trainer: what package train calls
// Examples. Example i is the same at every call, but for its pointers. It is
// safe for concurrent use, Close excepted.
type Examples struct {
	split    *Split
	patches  *patches
	features *Features

	ahead *ahead // nil without an order
}

// Examples returns the samples of s as examples. If o has an order, Close has
// to be called.
func (s *Split) Examples(o ExampleOptions) *Examples {
	if o.CacheBytes == 0 {
		o.CacheBytes = 256 << 20
	}
	if o.Ahead == 0 {
		o.Ahead = 32
	}
	e := &Examples{split: s, features: o.Features, patches: newPatches(o.CacheBytes)}
	if o.Order != nil {
		e.ahead = startAhead(o.Order, max(o.Ahead, 1), e.make)
	}
	return e
}

// Len returns the number of examples.
func (e *Examples) Len() int { return e.split.Len() }

// Example returns example i, 0 to Len()-1. Of two examples that are in use at
// the same time and show the same picture, the images are the same pointer.
func (e *Examples) Example(i int) (batch.Example, error) {
	if e.ahead != nil {
		if r, ok := e.ahead.take(i); ok {
			return r.example, r.err
		}
	}
	return e.make(i)
}

// Close ends the work in the background.
func (e *Examples) Close() {
	if e.ahead != nil {
		e.ahead.close()
	}
}

// make returns example i.
func (e *Examples) make(i int) (batch.Example, error) {
	s, err := e.split.Sample(i)
	if err != nil {
		return batch.Example{}, err
	}
	im, err := e.patches.get(s.Image, e.load)
	if err != nil {
		return batch.Example{}, fmt.Errorf("split %s: sample %s: %w", e.split.Name, s.ID, err)
	}
	return batch.Example{Tokens: s.Tokens, Labels: s.Labels, Images: []*vision.Patches{im}}, nil
}

// load makes the patches of a picture, or takes its features.
func (e *Examples) load(digest string) (*vision.Patches, error) {
	set := e.split.set
	if e.features != nil {
		f, err := e.features.Get(digest)
		if err != nil {
			return nil, err
		}
		if f != nil {
			g, err := set.Grid(digest)
			return &vision.Patches{Grid: g, Features: f}, err
		}
	}
	return set.Patches(digest)
}

// ahead makes examples in the background, in a given order, a bounded number
// of them before they are asked for.
type ahead struct {
	stop    chan struct{}
	room    chan struct{} // holds a token for each example that is made or ready
	running sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond // of what follows
	ready   []made    // in the order
	current int       // the example being made, nobody's number if there is none
}

// made is an example that is ready.
type made struct {
	number  int
	example batch.Example
	err     error
}

// startAhead starts making examples in an order.
func startAhead(order iter.Seq[int], room int, produce func(int) (batch.Example, error)) *ahead {
	a := &ahead{stop: make(chan struct{}), room: make(chan struct{}, room), current: -1}
	a.changed.L = &a.mu
	a.running.Go(func() {
		for i := range order {
			select {
			case a.room <- struct{}{}:
			case <-a.stop:
				return
			}
			a.begin(i)
			ex, err := produce(i)
			a.finish(made{i, ex, err})
		}
	})
	return a
}

// begin notes which example is being made.
func (a *ahead) begin(i int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.current = i
}

// finish puts an example beside those that are ready.
func (a *ahead) finish(m made) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ready = append(a.ready, m)
	a.current = -1
	a.changed.Broadcast()
}

// take returns example i if it is ready or being made. Those before it in the
// order were not asked for and are dropped.
func (a *ahead) take(i int) (made, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		k := slices.IndexFunc(a.ready, func(m made) bool { return m.number == i })
		if k >= 0 {
			r := a.ready[k]
			a.ready = slices.Delete(a.ready, 0, k+1)
			for range k + 1 {
				<-a.room
			}
			return r, true
		}
		if a.current != i {
			return made{}, false
		}
		a.changed.Wait()
	}
}

// close stops and waits for the end.
func (a *ahead) close() {
	close(a.stop)
	a.running.Wait()
}
