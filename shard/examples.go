package shard

import (
	"fmt"

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
}

// Examples gives the samples of a split to a trainer: what package train calls
// Examples. Example i is the same at every call, but for its pointers. It is
// safe for concurrent use.
type Examples struct {
	split    *Split
	patches  *patches
	features *Features
}

// Examples returns the samples of s as examples.
func (s *Split) Examples(o ExampleOptions) *Examples {
	if o.CacheBytes == 0 {
		o.CacheBytes = 256 << 20
	}
	return &Examples{split: s, features: o.Features, patches: newPatches(o.CacheBytes)}
}

// Len returns the number of examples.
func (e *Examples) Len() int { return e.split.Len() }

// Example returns example i, 0 to Len()-1. Of two examples that are in use at
// the same time and show the same picture, the images are the same pointer.
func (e *Examples) Example(i int) (batch.Example, error) {
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
