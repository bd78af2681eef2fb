package shard

import (
	"container/list"
	"maps"
	"sync"
	"weak"

	"mole/vision"
)

// patches keeps patches by picture: those used last, up to a number of bytes,
// and beyond that those that somebody still uses, so that a picture has one
// pointer among all examples in use.
type patches struct {
	mu     sync.Mutex
	limit  int64
	bytes  int64
	recent *list.List               // of *kept, the last used first
	kept   map[string]*list.Element // in recent
	used   map[string]weak.Pointer[vision.Patches]
	sweep  int // size of used at which the dead are removed
	making map[string]*making
}

// kept is an entry of recent.
type kept struct {
	digest string
	*vision.Patches
}

// making is a picture whose patches are being made.
type making struct {
	done chan struct{}
	im   *vision.Patches
	err  error
}

// newPatches returns an empty cache of so many bytes.
func newPatches(limit int64) *patches {
	return &patches{
		limit: limit, recent: list.New(), kept: map[string]*list.Element{},
		used: map[string]weak.Pointer[vision.Patches]{}, making: map[string]*making{}, sweep: 64,
	}
}

// get returns the patches of a picture, from load if they are not there. Only
// one load of a picture runs at a time.
func (p *patches) get(digest string, load func(string) (*vision.Patches, error)) (*vision.Patches, error) {
	p.mu.Lock()
	if im := p.find(digest); im != nil {
		p.mu.Unlock()
		return im, nil
	}
	m, running := p.making[digest]
	if !running {
		m = &making{done: make(chan struct{})}
		p.making[digest] = m
	}
	p.mu.Unlock()
	if running {
		<-m.done
		return m.im, m.err
	}
	m.im, m.err = load(digest)
	p.mu.Lock()
	delete(p.making, digest)
	if m.err == nil {
		p.used[digest] = weak.Make(m.im)
		p.keep(digest, m.im)
	}
	p.mu.Unlock()
	close(m.done)
	return m.im, m.err
}

// find returns patches that are kept or in use, nil if there are none.
func (p *patches) find(digest string) *vision.Patches {
	if e, ok := p.kept[digest]; ok {
		p.recent.MoveToFront(e)
		return e.Value.(*kept).Patches
	}
	im := p.used[digest].Value()
	if im != nil {
		p.keep(digest, im)
	}
	return im
}

// keep puts patches in front, and lets go of those that were not used for the
// longest time while they are too many.
func (p *patches) keep(digest string, im *vision.Patches) {
	p.kept[digest] = p.recent.PushFront(&kept{digest, im})
	p.bytes += bytesOf(im)
	for p.bytes > p.limit && p.recent.Len() > 1 {
		e := p.recent.Back()
		k := e.Value.(*kept)
		p.recent.Remove(e)
		delete(p.kept, k.digest)
		p.bytes -= bytesOf(k.Patches)
	}
	if len(p.used) > p.sweep {
		maps.DeleteFunc(p.used, func(_ string, w weak.Pointer[vision.Patches]) bool { return w.Value() == nil })
		p.sweep = 2*len(p.used) + 64
	}
}

// bytesOf returns the memory that patches take.
func bytesOf(im *vision.Patches) int64 {
	n := len(im.Pixels)
	if f := im.Features; f != nil {
		n += len(f.Tokens) * (1 + len(f.Deep))
	}
	return 4 * int64(n)
}
