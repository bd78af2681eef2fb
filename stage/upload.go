package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"mole/dataset"
	"mole/store"
)

// Upload publishes a routing set, and the datasets whose pictures it names, on
// the volumes (specification mole, 5.2).
type Upload struct {
	*Place
	Dir  string // the routing set
	From string // the folder of the experts' datasets
	// SkipValidate publishes without a look at the contents.
	SkipValidate bool
}

// Uploaded is what came of Upload.
type Uploaded struct {
	Name    string // of the routing set: datasets/Name on the volumes
	Tree    store.Tree
	Sources []string // datasets that it names
	Files   int
	Bytes   int64
	Done    bool // all of it was there before
}

// InvalidError says that a dataset breaks the rules.
type InvalidError struct {
	Name     string
	Problems []dataset.Problem // errors, then warnings
}

// Error lists the first problems.
func (e *InvalidError) Error() string {
	const shown = 10
	text := fmt.Sprintf("%s: %d problems", e.Name, len(e.Problems))
	for _, p := range e.Problems[:min(shown, len(e.Problems))] {
		text += "\n  " + p.String()
	}
	return text
}

// Run validates the set and publishes what is not there yet.
func (u *Upload) Run(ctx context.Context) (*Uploaded, error) {
	return alone(ctx, u.Place, "mole upload", u.run)
}

func (u *Upload) run(ctx context.Context) (*Uploaded, error) {
	set, _, err := dataset.OpenRouting(os.DirFS(u.Dir), dataset.RoutingOptions{Name: filepath.Base(u.Dir), Experts: u.Experts})
	if err != nil {
		return nil, err
	}
	out := &Uploaded{Name: filepath.Base(u.Dir), Sources: sourcesOf(set), Done: true}
	if !u.SkipValidate {
		if err := u.validate(out.Name); err != nil {
			return nil, err
		}
	}
	for _, name := range out.Sources {
		if _, err := u.publish(ctx, u.training(), filepath.Join(u.From, name), name, out); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	out.Tree, err = u.publish(ctx, u.data(), u.Dir, out.Name, out)
	return out, err
}

// validate refuses a set with errors.
func (u *Upload) validate(name string) error {
	problems := dataset.ValidateRouting(os.DirFS(u.Dir), dataset.ValidateOptions{Datasets: os.DirFS(u.From), Experts: u.Experts})
	if dataset.Valid(problems) {
		return nil
	}
	return &InvalidError{Name: name, Problems: problems}
}

// publish stores a folder and makes it datasets/NAME of a volume.
func (u *Upload) publish(ctx context.Context, v store.Volume, dir, name string, out *Uploaded) (store.Tree, error) {
	u.progress("upload "+name, 0, 0)
	tree, err := store.Add(ctx, u.Store, os.DirFS(dir), store.AddOptions{Progress: func(bytes int64, _ int) {
		u.progress("upload "+name, bytes, 0)
	}})
	if err != nil {
		return tree, err
	}
	out.Files += len(tree.Files)
	out.Bytes += tree.Bytes()
	path := "datasets/" + name
	before, err := v.Tree(ctx, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return tree, err
	}
	if err == nil && sameTree(before, tree) {
		return tree, nil
	}
	out.Done = false
	return tree, v.Publish(ctx, path, tree, store.Always)
}

func sameTree(a, b store.Tree) bool {
	x, errX := a.Digest()
	y, errY := b.Digest()
	return errX == nil && errY == nil && x == y
}

// sourcesOf returns the datasets whose pictures a set names.
func sourcesOf(set *dataset.Routing) []string {
	seen := map[string]bool{}
	var names []string
	for _, split := range [][]dataset.Record{set.Train, set.Val, set.Test} {
		for _, r := range split {
			name := sourceOf(r.Image)
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
