package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"mole/bundle"
	"mole/dataset"
	"mole/device/cpu"
	"mole/eval"
	"mole/route"
	"mole/store"
)

// DeployedRouter names the deployed router where a router is asked for.
const DeployedRouter = "deployed"

// Compare lets two routers answer the same held-out pictures, each as it would
// in service: with its own prompt, size of pictures, and base network
// (specification mole, 9.6).
type Compare struct {
	*Place
	Dataset string // the routing set on the volume
	Split   string // "test"
	A, B    string // DeployedRouter, a run of Dataset, or DATASET/RUN
	Base    string // base network, "" for the one that each router names
	// Precision is that of products with weights in bfloat16.
	Precision cpu.Precision
}

// Run compares the routers.
func (c *Compare) Run(ctx context.Context) (*eval.Comparison, error) {
	q, err := c.questions(ctx, c.Dataset, first(c.Split, "test"))
	if err != nil {
		return nil, err
	}
	a, err := c.contestant(ctx, c.A, route.Options{Base: c.Base, Models: c.Models(), Precision: c.Precision}, q)
	if err != nil {
		return nil, err
	}
	b, err := c.contestant(ctx, c.B, route.Options{Base: c.Base, Models: c.Models(), Precision: c.Precision}, q)
	if err != nil {
		return nil, err
	}
	return compare(c.A, a, c.B, b)
}

// compare pairs the answers of two routers.
func compare(nameA string, a contestant, nameB string, b contestant) (*eval.Comparison, error) {
	c, err := eval.Compare(nameA, a.answers, nameB, b.answers)
	if err != nil {
		return nil, err
	}
	c.SeenA, c.SeenB = a.seen, b.seen
	return c, nil
}

// questions are the pictures of a split, and which expert each belongs to.
type questions struct {
	dataset  string
	records  []dataset.Record
	expected []string
	pictures fs.FS
}

// questions reads a split of a routing set on the volume.
func (p *Place) questions(ctx context.Context, name, split string) (*questions, error) {
	set, err := p.routing(ctx, name)
	if err == nil {
		err = p.fits(set)
	}
	if err != nil {
		return nil, err
	}
	q := &questions{dataset: name}
	switch split {
	case "test":
		q.records = set.Test
	case "val":
		q.records = set.Val
	case "train":
		q.records = set.Train
	default:
		return nil, fmt.Errorf("split %q, want test, val or train", split)
	}
	for _, r := range q.records {
		e, ok := p.Experts.ByLabel(*r.Metadata.Label)
		if !ok {
			return nil, fmt.Errorf("%s: %s: label %d is no expert's", name, r.ID, *r.Metadata.Label)
		}
		q.expected = append(q.expected, e.Name)
	}
	q.pictures, _, err = p.pictures(ctx, sourcesOf(set.Routing))
	return q, err
}

// contestant is a router that has answered.
type contestant struct {
	answers []eval.Outcome
	seen    int // pictures that it was trained on
}

// contestant opens a router and lets it answer. Name is as in Compare.
func (p *Place) contestant(ctx context.Context, name string, o route.Options, q *questions) (c contestant, err error) {
	tree, err := p.routerTree(ctx, q.dataset, name)
	if err != nil {
		return c, err
	}
	r, err := route.Open(ctx, tree.FS(ctx, p.Store), o)
	if err != nil {
		return c, fmt.Errorf("router %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for i, record := range q.records {
		p.progress("ask "+name, int64(i), int64(len(q.records)))
		file, err := fs.ReadFile(q.pictures, record.Image)
		if err != nil {
			return c, err
		}
		a, err := r.Route(ctx, file, instruction(&record))
		if err != nil {
			return c, fmt.Errorf("router %s: %s: %w", name, record.Image, err)
		}
		c.answers = append(c.answers, eval.Outcome{ID: record.ID, Image: record.Image, Expected: q.expected[i], Decision: a.Decision})
	}
	c.seen, err = p.seen(ctx, r.Bundle.Dataset, q)
	return c, err
}

// routerTree returns the bundle of a router; a name alone is that of a run on
// the dataset.
func (p *Place) routerTree(ctx context.Context, dataset, name string) (store.Tree, error) {
	if name == DeployedRouter {
		d, err := p.Deployed(ctx)
		if err != nil {
			return store.Tree{}, err
		}
		return d.Tree, nil
	}
	set, run, both := strings.Cut(name, "/")
	if !both {
		set, run = dataset, name
	}
	path, tree, err := p.runTree(ctx, set, run)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s:%s: not there; want %s, a run of the set, or DATASET/RUN", p.Volumes.Data, path, DeployedRouter)
	}
	return tree, err
}

// runTree returns the bundle of a run on a routing set or a manifest, and where
// it is published.
func (p *Place) runTree(ctx context.Context, set, run string) (path string, tree store.Tree, err error) {
	path = CheckpointPath(set, run)
	tree, err = p.data().Tree(ctx, path)
	if !errors.Is(err, fs.ErrNotExist) {
		return path, tree, err
	}
	linked, err := p.data().Tree(ctx, LinkedPath(run))
	if err != nil {
		return path, tree, err
	}
	b, err := bundle.Read(linked.FS(ctx, p.Store))
	if err == nil && b.Dataset != set {
		err = fs.ErrNotExist // of another manifest
	}
	return LinkedPath(run), linked, err
}

// ManifestOf returns the manifest that a run was trained on.
func (p *Place) ManifestOf(ctx context.Context, run string) (string, error) {
	tree, err := p.data().Tree(ctx, LinkedPath(run))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s:%s: no run of that name on a manifest; name the routing set that it was trained on", p.Volumes.Data, LinkedPath(run))
	}
	if err != nil {
		return "", err
	}
	b, err := bundle.Read(tree.FS(ctx, p.Store))
	if err != nil {
		return "", fmt.Errorf("%s: %w", LinkedPath(run), err)
	}
	return b.Dataset, nil
}

// seen returns how many of the pictures were in the training split of the set
// that a router was made from. That of a set which is gone, or was
// linked and has changed, is not known; 0 then.
func (p *Place) seen(ctx context.Context, name string, q *questions) (int, error) {
	set, err := p.routing(ctx, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrStale) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	trained := map[string]bool{}
	for _, r := range set.Train {
		trained[r.Image] = true
	}
	n := 0
	for _, r := range q.records {
		if trained[r.Image] {
			n++
		}
	}
	return n, nil
}
