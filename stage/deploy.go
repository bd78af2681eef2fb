package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"mole/bundle"
	"mole/eval"
	"mole/route"
	"mole/store"
)

// Deploy makes a trained router the deployed one, or goes back to the one
// before (specification mole, 10). What is deployed changes in one step, after
// every check; whatever happens before leaves it as it was.
type Deploy struct {
	*Place
	// Checkpoint is the path of the router on the volume of data, or Dataset and
	// Name narrow the published ones down.
	Checkpoint    string
	Dataset, Name string // Name is that of the run
	Latest        bool   // of those that are left, the one that was completed last
	Rollback      bool   // instead: the release before the deployed one
	// Force does without a held-out report, deploys again what is deployed, and
	// overlooks differences in the router specification but labels.
	Force       bool
	MinAccuracy float64            // the report's must not be less, 0 to 1; 0 for any
	Base        string             // base model to check with, "" for the one that the router names
	Keep        int                // releases that Rollback can reach, the deployed one included, stay; 3
	Adapters    map[string]Adapter // of experts by name, as the configuration lists them
}

// Run deploys. It returns an error that wraps [store.ErrChanged] if somebody
// else deployed meanwhile; nothing is changed then.
func (d *Deploy) Run(ctx context.Context) (*Deployed, error) {
	slot := d.slot()
	now, err := slot.now(ctx)
	switch {
	case err != nil:
		return nil, err
	case d.Rollback:
		return slot.rollback(ctx, now)
	}
	from, tree, err := d.find(ctx)
	if err != nil {
		return nil, err
	}
	m, err := d.check(ctx, from, tree)
	if err != nil {
		return nil, fmt.Errorf("%s:%s: %w", d.Volumes.Data, from, err)
	}
	return slot.replace(ctx, tree, m, now, d.Force)
}

// slot returns where the router is deployed.
func (d *Deploy) slot() *slot {
	s := d.routerSlot()
	s.keep, s.open = first(d.Keep, keptReleases), d.open
	return s
}

// open opens the router in a tree as a server would, by the dearest rung that it
// has: that loads its adapter, and tries every rung.
func (d *Deploy) open(ctx context.Context, tree store.Tree) error {
	fsys := tree.FS(ctx, d.Store)
	b, err := bundle.Read(fsys)
	if err != nil {
		return err
	}
	d.progress("try the router", 0, 1)
	r, err := route.Open(ctx, fsys, route.Options{Base: d.Base, Models: d.Models(), Rung: b.Rungs()[0], Experts: d.Experts, Force: d.Force})
	if err != nil {
		return err
	}
	return r.Close()
}

// check refuses a router that should not be deployed, and returns what its
// metadata begin with.
func (d *Deploy) check(ctx context.Context, from string, tree store.Tree) (Metadata, error) {
	b, err := bundle.Read(tree.FS(ctx, d.Store))
	if err != nil {
		return Metadata{}, err
	}
	m := Metadata{
		Run: b.Run, Dataset: b.Dataset, Checkpoint: d.Volumes.Data + ":" + from, Base: b.Base, Labels: b.Spec.Labels, Spec: b.Spec, SHA256: map[string]string{},
	}
	for _, f := range releaseFiles(tree) {
		m.SHA256[f.Path] = f.Digest
	}
	if m.Accuracy, err = d.accuracy(b); err != nil {
		return m, err
	}
	if m.Experts, err = d.adapters(ctx, b); err != nil {
		return m, err
	}
	return m, d.open(ctx, tree)
}

// accuracy returns the held-out accuracy of a router, 0 to 1, nil if there is no
// report and Force does without.
func (d *Deploy) accuracy(b *bundle.Bundle) (*float64, error) {
	r, err := reportOf(b)
	if err == nil && r.SeenInTraining != "none" && !d.Force {
		err = fmt.Errorf("%s is about split %q, which training saw (%s), want a held-out one", bundle.ReportFile, r.Split, r.SeenInTraining)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.Force:
		return nil, nil
	case err != nil:
		return nil, err
	}
	held := share(r)
	if held < d.MinAccuracy {
		return nil, fmt.Errorf("held-out accuracy %.4g (%d of %d), want %.4g or more", held, r.Results.Correct, r.Results.Total, d.MinAccuracy)
	}
	return &held, nil
}

// reportOf reads the report of a router.
func reportOf(b *bundle.Bundle) (*eval.Report, error) {
	if b.Report == nil {
		return nil, fmt.Errorf("no held-out report (%s: %w); evaluate the router first", bundle.ReportFile, fs.ErrNotExist)
	}
	r := &eval.Report{}
	if err := json.Unmarshal(b.Report, r); err != nil {
		return nil, fmt.Errorf("%s: %w", bundle.ReportFile, err)
	}
	switch {
	case r.Results.Total < 1 || r.Results.Correct < 0 || r.Results.Correct > r.Results.Total:
		return nil, fmt.Errorf("%s: %d of %d right", bundle.ReportFile, r.Results.Correct, r.Results.Total)
	case r.SpecHash != b.Spec.Hash():
		return nil, fmt.Errorf("%s: about a router with specification %.12s, this one has %.12s", bundle.ReportFile, r.SpecHash, b.Spec.Hash())
	}
	return r, nil
}

func share(r *eval.Report) float64 { return float64(r.Results.Correct) / float64(r.Results.Total) }

// adapters returns the adapters of the router's experts that are published in
// the store. The others are told in the log.
func (d *Deploy) adapters(ctx context.Context, b *bundle.Bundle) (map[string]Adapter, error) {
	var found map[string]Adapter
	for _, e := range b.Table {
		a, ok := d.Adapters[e.Name]
		if !ok {
			continue
		}
		v := store.Volume{Store: d.Store, Name: a.Volume}
		tree, err := v.Find(ctx, a.Path)
		if errors.Is(err, fs.ErrNotExist) {
			d.missing(e.Name, a)
			continue
		}
		if err == nil {
			a.Tree, err = tree.Digest()
		}
		if err != nil {
			return nil, fmt.Errorf("adapter of expert %s: %w", e.Name, err)
		}
		if found == nil {
			found = map[string]Adapter{}
		}
		a.Usual = false
		found[e.Name] = a
	}
	return found, nil
}

// missing tells the log about an adapter that is not where somebody said.
func (d *Deploy) missing(expert string, a Adapter) {
	if !a.Usual {
		d.log().Warn("no adapter", "expert", expert, "volume", a.Volume, "path", a.Path)
	}
}

// candidate is a published router.
type candidate struct {
	path    string
	created time.Time
}

// find returns the router to deploy.
func (d *Deploy) find(ctx context.Context) (string, store.Tree, error) {
	if d.Checkpoint != "" {
		tree, err := d.data().Find(ctx, d.Checkpoint)
		return d.Checkpoint, tree, err
	}
	if !d.Latest && d.Name == "" && d.Dataset == "" {
		return "", store.Tree{}, errors.New("no router is named: want a checkpoint, a run, a dataset, or the latest")
	}
	all, err := d.candidates(ctx)
	if err != nil {
		return "", store.Tree{}, err
	}
	switch {
	case len(all) == 0:
		return "", store.Tree{}, fmt.Errorf("%s:checkpoints: no trained router%s; train one first", d.Volumes.Data, d.wanted())
	case len(all) > 1 && !d.Latest:
		return "", store.Tree{}, fmt.Errorf("%s:checkpoints: %d routers%s, %s and %s the newest; name one, or take the latest",
			d.Volumes.Data, len(all), d.wanted(), all[0].path, all[1].path)
	}
	tree, err := d.data().Tree(ctx, all[0].path)
	return all[0].path, tree, err
}

// candidates returns the published routers that are looked for, the newest
// first.
func (d *Deploy) candidates(ctx context.Context) ([]candidate, error) {
	var all []candidate
	for e, err := range d.data().List(ctx, "checkpoints/") {
		if err != nil {
			return nil, err
		}
		c, ok, err := d.candidate(ctx, e.Path)
		if err != nil {
			return nil, fmt.Errorf("%s:%s: %w", d.Volumes.Data, e.Path, err)
		}
		if ok {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return b.created.Compare(a.created) })
	return all, nil
}

// wanted says which routers are looked for.
func (d *Deploy) wanted() string {
	s := ""
	if d.Dataset != "" {
		s += " of dataset " + d.dataset()
	}
	if d.Name != "" {
		s += " of run " + d.Name
	}
	return s
}

func (d *Deploy) dataset() string { return strings.TrimPrefix(d.Dataset, "datasets/") }

// candidate returns what is published at a path, if it is a router that is
// looked for.
func (d *Deploy) candidate(ctx context.Context, at string) (c candidate, ok bool, err error) {
	tree, err := d.data().Tree(ctx, at)
	if _, is := tree.File(bundle.MetaFile); err != nil || !is {
		return c, false, err
	}
	text, err := fs.ReadFile(tree.FS(ctx, d.Store), bundle.MetaFile)
	if err != nil {
		return c, false, err
	}
	var m struct {
		Run     string    `json:"run_name"`
		Dataset string    `json:"dataset_name"`
		Created time.Time `json:"created"`
	}
	if err := json.Unmarshal(text, &m); err != nil { // it does not hinder the others
		d.log().Warn("not a router", "path", at, "error", err)
		return c, false, nil
	}
	ok = (d.Name == "" || d.Name == m.Run || d.Name == path.Base(at)) && (d.Dataset == "" || d.dataset() == m.Dataset)
	return candidate{at, m.Created}, ok, nil
}
