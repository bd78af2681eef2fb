package route

import (
	"container/list"
	"sync"

	"mole/evidence"
)

// recent keeps pictures that were routed not long ago with what the frozen
// tower made of them, as many as fit: screens repeat. They stay in memory,
// since they are somebody's screens. It is safe for concurrent use.
type recent struct {
	limit int64 // bytes; nothing is kept below 1

	mu    sync.Mutex
	bytes int64
	order *list.List // of *seen, the last used first
	at    map[string]*list.Element
}

// seen is a picture of recent.
type seen struct {
	digest  string // of the file
	picture evidence.Picture
	bytes   int64
}

func newRecent(limit int64) *recent {
	return &recent{limit: limit, order: list.New(), at: map[string]*list.Element{}}
}

// get returns a copy of the picture of a file, nil if it is not there. What it
// points to must not be changed.
func (r *recent) get(digest string) *evidence.Picture {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.at[digest]
	if !ok {
		return nil
	}
	r.order.MoveToFront(e)
	p := e.Value.(*seen).picture
	return &p
}

// put keeps the picture of a file, whose features are there, and gives up those
// that nobody used for longest.
func (r *recent) put(digest string, p *evidence.Picture) {
	s := &seen{digest: digest, picture: evidence.Picture{Image: p.Image, Patches: p.Patches}, bytes: sizeOf(p)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.at[digest]; there || s.bytes > r.limit {
		return
	}
	r.at[digest] = r.order.PushFront(s)
	for r.bytes += s.bytes; r.bytes > r.limit; {
		old := r.order.Remove(r.order.Back()).(*seen)
		delete(r.at, old.digest)
		r.bytes -= old.bytes
	}
}

// sizeOf returns the bytes that a picture takes.
func sizeOf(p *evidence.Picture) int64 {
	floats := len(p.Patches.Pixels) + len(p.Image.Colours)
	if f := p.Patches.Features; f != nil {
		floats += len(f.Tokens) * (1 + len(f.Deep))
	}
	return int64(4*floats + len(p.Image.RGB))
}
