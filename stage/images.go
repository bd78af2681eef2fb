package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"mole/dataset"
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

// routingSet is an opened routing set.
type routingSet struct {
	*dataset.Routing
	tree   store.Tree // what says which records are in it
	linked bool       // that is a manifest
}

// routing opens a routing set that was uploaded, or the one that a manifest of
// that name stands for. The error wraps [fs.ErrNotExist] if there is neither.
func (p *Place) routing(ctx context.Context, name string) (*routingSet, error) {
	path := datasets + name
	tree, err := p.data().Tree(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		set, err := p.linkedSet(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s:%s: not there; upload it first: %w", p.Volumes.Data, path, fs.ErrNotExist)
		}
		return set, err
	}
	if err != nil {
		return nil, err
	}
	set, _, err := dataset.OpenRouting(tree.FS(ctx, p.Store), dataset.RoutingOptions{Name: name, Experts: p.Experts})
	return &routingSet{Routing: set, tree: tree}, err
}
