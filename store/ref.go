package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Ref is what a reference holds: which tree, and how much that is.
type Ref struct {
	Tree  string `json:"tree"`  // digest of the tree's canonical form
	Files int    `json:"files"` // of the tree
	Bytes int64  `json:"bytes"` // of the files
}

const (
	refSuffix = ".json"
	maxRef    = 4096 // bytes of a reference
)

// checkRef returns an error unless ref may name a reference.
func checkRef(ref string) error {
	if err := CheckName(ref); err != nil {
		return err
	}
	if !strings.HasSuffix(ref, refSuffix) || strings.HasPrefix(ref, objectPrefix) {
		return fmt.Errorf("%w %.100q: a reference ends with %s and is outside %s", ErrName, ref, refSuffix, objectPrefix)
	}
	return nil
}

// PutTree publishes a tree under the name ref, which ends with ".json", in one
// step. All its objects have to be stored: a missing one gives an error that
// names the file. The error wraps [fs.ErrExist] or [ErrChanged] if the
// condition is not met. It waits while [Sweep] is at work.
func PutTree(ctx context.Context, s Store, ref string, t Tree, when Condition) (err error) {
	if err := checkRef(ref); err != nil {
		return err
	}
	release, err := shareSweepLock(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	digest, err := putTreeObject(ctx, s, t)
	if err != nil {
		return fmt.Errorf("publish %s: %w", ref, err)
	}
	return putRef(ctx, s, ref, Ref{digest, len(t.Files), t.Bytes()}, when)
}

// putRef writes a reference.
func putRef(ctx context.Context, s Store, ref string, r Ref, when Condition) error {
	text, err := canonical(r)
	if err != nil {
		return err
	}
	return s.Put(ctx, ref, bytes.NewReader(append(text, '\n')), when)
}

// shareSweepLock keeps Sweep from running until release is called. Where a
// store has no locks, only the age of objects protects them.
func shareSweepLock(ctx context.Context, s Store) (release func() error, err error) {
	l, ok := s.(Locker)
	if !ok {
		return func() error { return nil }, nil
	}
	for {
		held, err := l.Lock(ctx, sweepLock, "publish", true)
		if err == nil {
			return held.Close, nil
		}
		if !errors.Is(err, ErrLocked) {
			return nil, err
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// sleep waits, or returns the reason why the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// ReadRef returns what the reference of that name holds.
func ReadRef(ctx context.Context, s Store, ref string) (Ref, error) {
	if err := checkRef(ref); err != nil {
		return Ref{}, err
	}
	text, err := ReadAll(ctx, s, ref, maxRef)
	if err != nil {
		return Ref{}, err
	}
	r, err := parseRef(text)
	if err != nil {
		return Ref{}, fmt.Errorf("reference %s: %w", ref, err)
	}
	return r, nil
}

// parseRef reads a reference.
func parseRef(text []byte) (Ref, error) {
	var r Ref
	if err := strictJSON(text, &r); err != nil {
		return Ref{}, err
	}
	if r.Files < 0 || r.Bytes < 0 {
		return Ref{}, fmt.Errorf("%d files of %d bytes", r.Files, r.Bytes)
	}
	return r, checkDigest(r.Tree)
}

// ReadTree returns the tree that was published under the name ref. The error
// wraps [fs.ErrNotExist] if there is none.
func ReadTree(ctx context.Context, s Store, ref string) (Tree, error) {
	r, err := ReadRef(ctx, s, ref)
	if err != nil {
		return Tree{}, err
	}
	t, err := getTreeObject(ctx, s, r.Tree)
	if errors.Is(err, fs.ErrNotExist) { // the reference does exist
		return Tree{}, fmt.Errorf("reference %s: %w: tree %s is missing", ref, ErrDamaged, r.Tree)
	}
	if err != nil {
		return Tree{}, fmt.Errorf("reference %s: %w", ref, err)
	}
	return t, nil
}
