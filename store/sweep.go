package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// sweepLock is the lock that Sweep holds and that publishers share.
const sweepLock = "sweep"

// SweepOptions says what Sweep removes.
type SweepOptions struct {
	Grace  time.Duration // objects younger than this stay, for uploads under way; 24h if 0
	DryRun bool          // only count
}

// Swept counts objects, bytes of them, and how many stay.
type Swept struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	Kept    int   `json:"kept"`
}

// Sweep removes the objects that no reference leads to. Only what [PutTree]
// writes counts as a reference. It refuses to remove anything if a reference of
// a volume or a stage cannot be followed, or while somebody publishes. Whoever
// still reads a tree whose reference is gone may lose its files.
func Sweep(ctx context.Context, s Store, o SweepOptions) (swept Swept, err error) {
	if o.Grace == 0 {
		o.Grace = 24 * time.Hour
	}
	if !o.DryRun {
		release, err := lockIfAble(ctx, s)
		if err != nil {
			return Swept{}, err
		}
		defer func() { err = errors.Join(err, release.Close()) }()
	}
	live, err := mark(ctx, s)
	if err != nil {
		return Swept{}, err
	}
	return o.remove(ctx, s, live)
}

// lockIfAble takes the lock of Sweep, where the store has locks.
func lockIfAble(ctx context.Context, s Store) (io.Closer, error) {
	held, err := Lock(ctx, s, sweepLock, "sweep")
	if errors.Is(err, errors.ErrUnsupported) {
		return io.NopCloser(nil), nil
	}
	return held, err
}

// mark returns the digests of all objects that references lead to.
func mark(ctx context.Context, s Store) (map[string]bool, error) {
	live := map[string]bool{}
	for info, err := range s.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(info.Name, objectPrefix) || !strings.HasSuffix(info.Name, refSuffix) || info.Size > maxRef {
			continue
		}
		r, err := ReadRef(ctx, s, info.Name)
		if err != nil && !isReference(info.Name) {
			continue // some other small file
		}
		if err != nil {
			return nil, fmt.Errorf("sweep: nothing was removed: %w", err)
		}
		if err := markTree(ctx, s, live, r.Tree); err != nil {
			return nil, fmt.Errorf("sweep: nothing was removed: reference %s: %w", info.Name, err)
		}
	}
	return live, nil
}

// isReference reports whether a name ending with ".json" can only be one of a
// reference.
func isReference(name string) bool {
	return strings.HasPrefix(name, volumePrefix) || strings.HasPrefix(name, stagePrefix)
}

// markTree adds the objects of a tree to live.
func markTree(ctx context.Context, s Store, live map[string]bool, digest string) error {
	if live[digest] {
		return nil
	}
	t, err := getTreeObject(ctx, s, digest)
	if err != nil {
		return err
	}
	live[digest] = true
	for _, f := range t.Files {
		live[f.Digest] = true
	}
	return nil
}

// remove deletes the objects that are neither live nor young.
func (o SweepOptions) remove(ctx context.Context, s Store, live map[string]bool) (swept Swept, err error) {
	border := time.Now().Add(-o.Grace)
	for info, err := range s.List(ctx, objectPrefix) {
		if err != nil {
			return swept, err
		}
		digest := strings.ReplaceAll(info.Name[len(objectPrefix):], "/", "")
		if live[digest] || info.Time.After(border) {
			swept.Kept++
			continue
		}
		if !o.DryRun {
			err = s.Delete(ctx, info.Name)
		}
		if err != nil {
			return swept, err
		}
		swept.Objects++
		swept.Bytes += info.Size
	}
	return swept, nil
}
