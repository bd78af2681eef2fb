package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"mole/store"
)

// sourceOf returns the dataset that the path of a picture begins with.
func sourceOf(image string) string {
	name, _, _ := strings.Cut(image, "/")
	return name
}

// folders is a folder of folders: the datasets of a volume by name.
type folders map[string]fs.FS

// Open opens a file of one of the folders.
func (f folders) Open(name string) (fs.File, error) {
	first, rest, inside := strings.Cut(name, "/")
	in, ok := f[first]
	if !ok || !inside || !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return in.Open(rest)
}

// pictures returns the folder in which the pictures of datasets are found.
func (p *Place) pictures(ctx context.Context, names []string) (fs.FS, map[string]string, error) {
	all, digests := folders{}, map[string]string{}
	for _, name := range names {
		tree, err := p.published(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		if digests[name], err = tree.Digest(); err != nil {
			return nil, nil, err
		}
		all[name] = tree.FS(ctx, p.Store)
	}
	return all, digests, nil
}

// published returns the dataset of an expert that was uploaded.
func (p *Place) published(ctx context.Context, name string) (store.Tree, error) {
	tree, err := p.training().Tree(ctx, "datasets/"+name)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s:datasets/%s: not there; upload it first", p.Volumes.Training, name)
	}
	return tree, err
}
