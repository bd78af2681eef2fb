package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// AddOptions says how Add works.
type AddOptions struct {
	Workers  int                          // files at a time; four per processor if 0
	Meta     map[string]string            // of the tree
	Progress func(bytes int64, files int) // what is done so far, after each file; one call at a time
}

// Add stores every file of fsys and returns the tree, which is not published.
// What is stored already is only read: after an interruption Add continues.
// Links are followed to files; anything else that is neither a file nor a
// folder gives an error, as does a name that [CheckPath] refuses. The tree does
// not depend on the number of workers. Empty folders are not kept.
func Add(ctx context.Context, s Store, fsys fs.FS, o AddOptions) (Tree, error) {
	paths, err := files(ctx, fsys)
	if err != nil {
		return Tree{}, err
	}
	var mu sync.Mutex
	var bytes int64
	done := 0
	list := make([]File, len(paths))
	err = each(ctx, o.Workers, len(paths), func(ctx context.Context, i int) error {
		object, err := addFile(ctx, s, fsys, paths[i])
		if err != nil {
			return fmt.Errorf("add %s: %w", paths[i], err)
		}
		list[i] = File{paths[i], object.Digest, object.Size}
		mu.Lock()
		defer mu.Unlock()
		bytes += object.Size
		done++
		if o.Progress != nil {
			o.Progress(bytes, done)
		}
		return nil
	})
	if err != nil {
		return Tree{}, err
	}
	return NewTree(list, o.Meta)
}

// files returns the paths of all files of fsys.
func files(ctx context.Context, fsys fs.FS) ([]string, error) {
	var paths []string
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil || d.IsDir() {
			return err
		}
		mode := d.Type()
		if mode == fs.ModeSymlink {
			info, err := fs.Stat(fsys, p)
			if err != nil {
				return err
			}
			mode = info.Mode().Type()
		}
		if !mode.IsRegular() {
			return fmt.Errorf("add %s: %v, want a file", p, mode)
		}
		paths = append(paths, p)
		return CheckPath(p)
	})
	return paths, err
}

// addFile stores one file.
func addFile(ctx context.Context, s Store, fsys fs.FS, p string) (o Object, err error) {
	f, err := fsys.Open(p)
	if err != nil {
		return Object{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return PutObject(ctx, s, io.Reader(f))
}
