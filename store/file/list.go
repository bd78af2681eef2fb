package file

import (
	"cmp"
	"context"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mole/store"
)

// List implements [store.Store]. It reads one folder at a time.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		if err := store.CheckPrefix(prefix); err != nil {
			yield(store.Info{}, err)
			return
		}
		l := &lister{ctx: ctx, store: s, prefix: prefix, yield: yield}
		if err := l.folder(prefix[:strings.LastIndexByte(prefix, '/')+1]); err != nil {
			yield(store.Info{}, err)
		}
	}
}

// lister walks over the folders of a store.
type lister struct {
	ctx    context.Context
	store  *Store
	prefix string
	yield  func(store.Info, error) bool
	done   bool // yield wants no more
}

// folder lists a folder. Its name is empty or ends with a slash.
func (l *lister) folder(folder string) error {
	entries, err := os.ReadDir(filepath.Join(l.store.dir, filepath.FromSlash(folder)))
	if missing(err) { // never made, or removed meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
		if e.IsDir() || e.Type() == fs.ModeSymlink && isFolder(filepath.Join(l.store.dir, folder, e.Name())) {
			names[i] += "/" // names sort by what comes after the folder
		}
	}
	slices.SortFunc(names, cmp.Compare[string])
	for _, name := range names {
		if err := l.entry(folder + name); err != nil || l.done {
			return err
		}
	}
	return nil
}

// isFolder reports whether a link leads to a folder.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// entry lists one file, or the folder whose name ends with a slash.
func (l *lister) entry(name string) error {
	if err := l.ctx.Err(); err != nil {
		return context.Cause(l.ctx)
	}
	plain, isDir := strings.CutSuffix(name, "/")
	if store.CheckName(plain) != nil {
		return nil // .tmp, .lock, or not ours
	}
	if isDir {
		if strings.HasPrefix(name, l.prefix) || strings.HasPrefix(l.prefix, name) {
			return l.folder(name)
		}
		return nil
	}
	if !strings.HasPrefix(name, l.prefix) {
		return nil
	}
	info, err := stat(filepath.Join(l.store.dir, filepath.FromSlash(name)), name)
	if missing(err) { // deleted meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	l.done = !l.yield(info, nil)
	return nil
}
