package base

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"mole/hub"
	"mole/model/qwen3vl"
	"mole/store"
)

// Stored is a base network in a volume of a store (specification mole, 3.2). Its
// files are objects, and are used where they lie. The folder has the name of the
// model with "--" in place of the slash.
type Stored struct {
	Name   hub.Name // with the revision that it was stored with, if that is known
	Commit string   // 40 hexadecimal digits; "" if it is not known
	Bytes  int64    // of the files
	Tree   string   // digest of the list of files

	folder folder
}

// What a tree's meta tells of the model in it. A folder that was put without is
// one of an unknown revision.
const (
	metaRevision = "revision"
	metaCommit   = "commit"

	mainBranch = "main" // what a name without a revision downloads
)

// storedPath returns the path of a model in its volume.
func storedPath(n hub.Name) string { return n.Owner + "--" + n.Model }

// Place returns VOLUME:PATH of the network.
func (s *Stored) Place() string { return s.folder.volume }

// Usable returns the shape of the network, or an error that says why it cannot
// be used. It reads no weights.
func (s *Stored) Usable() (*qwen3vl.Config, error) { return s.folder.usable(s.Name.ID()) }

// is reports whether s is what a name asks for. A name without a revision is
// content with any.
func (s *Stored) is(n hub.Name) bool {
	return n.Revision == "" || n.Revision == s.Name.Revision || n.Revision == s.Commit
}

// lookup finds a model in a volume. The error wraps [fs.ErrNotExist] if there is
// none of that name and revision, or an empty folder.
func lookup(ctx context.Context, v store.Volume, n hub.Name) (*Stored, error) {
	if v.Store == nil {
		return nil, fs.ErrNotExist
	}
	t, err := v.Tree(ctx, storedPath(n))
	if err != nil {
		return nil, err
	}
	s, err := newStored(ctx, v, n, t)
	if err == nil && (len(t.Files) == 0 || !s.is(n)) {
		err = fmt.Errorf("model %v: %s has %d files, revision %q, commit %q: %w", n, s.Place(), len(t.Files), s.Name.Revision, s.Commit, fs.ErrNotExist)
	}
	return s, err
}

// newStored describes the model in a tree.
func newStored(ctx context.Context, v store.Volume, n hub.Name, t store.Tree) (*Stored, error) {
	digest, err := t.Digest()
	n.Revision = t.Meta[metaRevision]
	place := v.Name + ":" + storedPath(n)
	return &Stored{n, t.Meta[metaCommit], t.Bytes(), digest, folder{volume: place, files: t.FS(ctx, v.Store)}}, err
}

// ListStored returns the models in a volume, by name. What is published under
// another name than that of a model is skipped.
func ListStored(ctx context.Context, v store.Volume) ([]*Stored, error) {
	var list []*Stored
	for e, err := range v.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		n, err := hub.ParseName(strings.Replace(e.Path, "--", "/", 1))
		if err != nil || storedPath(n) != e.Path {
			continue
		}
		s, err := lookup(ctx, v, n)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed, or empty
		}
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// Put copies the files of a downloaded model to a volume. The model is there
// when all of it is, in place of one of before; what an interrupted Put copied
// is not copied again. What cannot be used is not stored. Progress, if not nil,
// is told how many bytes are done.
func Put(ctx context.Context, v store.Volume, from *hub.Snapshot, progress func(bytes int64)) (*Stored, error) {
	f := dirFolder(from.Dir)
	if _, err := f.usable(from.Name.ID()); err != nil {
		return nil, fmt.Errorf("model %v in %s is no base model: %w", from.Name, from.Dir, err)
	}
	o := store.AddOptions{Meta: map[string]string{metaCommit: from.Commit, metaRevision: cmp.Or(from.Name.Revision, mainBranch)}}
	if progress != nil {
		o.Progress = func(bytes int64, _ int) { progress(bytes) }
	}
	t, err := store.Add(ctx, v.Store, f.files, o)
	if err == nil {
		err = v.Publish(ctx, storedPath(from.Name), t, store.Always)
	}
	if err != nil {
		return nil, fmt.Errorf("store model %v: %w", from.Name, err)
	}
	return newStored(ctx, v, from.Name, t)
}
