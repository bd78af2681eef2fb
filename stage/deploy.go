package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"mole/bundle"
	"mole/eval"
	"mole/route"
	"mole/spec"
	"mole/store"
)

// Paths on the volume of what is deployed (specification mole, 10). The pointer
// is published as the same folder as the release that it names, so that it is
// switched in one step and read like any other folder.
const (
	pointerPath  = "routing/adapter" // where Place.Pointer does not say
	releasesPath = "routing/releases/"
)

// MetadataFile is the file of a release that says what it is.
const MetadataFile = "deploy_metadata.json"

// keptReleases is how many releases are kept where Keep does not say.
const keptReleases = 3

// Metadata is deploy_metadata.json (specification mole, 4.17). Missing fields
// are zero.
type Metadata struct {
	Release    string             `json:"release"`
	Previous   string             `json:"previous,omitempty"` // release that was deployed before, for Rollback
	Run        string             `json:"run_name"`
	Dataset    string             `json:"dataset_name"`
	Checkpoint string             `json:"checkpoint"`              // VOLUME:PATH
	DeployedAt string             `json:"deployed_at"`             // RFC 3339, UTC
	Accuracy   *float64           `json:"eval_accuracy,omitempty"` // 0 to 1, held out; nil without report
	Base       string             `json:"base_model"`
	Labels     spec.Labels        `json:"labels"`
	Spec       spec.Router        `json:"router_spec"`
	SHA256     map[string]string  `json:"sha256"` // of the bundle's files, by path
	Experts    map[string]Adapter `json:"experts,omitempty"`
}

// Adapter says where the adapter of an expert is published.
type Adapter struct {
	Volume  string `json:"volume"`
	Path    string `json:"path"`
	Dataset string `json:"dataset,omitempty"` // that it was trained on
	Tree    string `json:"tree,omitempty"`    // digest of the folder
	Usual   bool   `json:"-"`                 // nobody named the path: it is no news if nothing is there
}

// ParseMetadata reads deploy_metadata.json as tolerantly as the specification
// wants: fields that are missing, or of another type, stay zero, and an accuracy
// above 1 is one in percent.
func ParseMetadata(text []byte) (Metadata, error) {
	var m Metadata
	var loose struct {
		Accuracy any `json:"eval_accuracy"`
	}
	for _, v := range []any{&m, &loose} {
		err := json.Unmarshal(text, v)
		if typ := (*json.UnmarshalTypeError)(nil); err != nil && !errors.As(err, &typ) {
			return Metadata{}, fmt.Errorf("%s: %w", MetadataFile, err)
		}
	}
	m.Accuracy = nil
	if share, ok := loose.Accuracy.(float64); ok {
		if share > 1 {
			share /= 100
		}
		m.Accuracy = &share
	}
	return m, nil
}

// Deployed is what the pointer leads to.
type Deployed struct {
	Version  string     // of the pointer; differs after every switch
	Tree     store.Tree // the bundle and its metadata
	Metadata Metadata
	Done     bool // of Deploy: it was deployed before, and nothing was changed
}

func (p *Place) inference() store.Volume {
	return store.Volume{Store: p.Store, Name: p.Volumes.Inference}
}

// pointer returns the path of what is deployed.
func (p *Place) pointer() string { return first(p.Pointer, pointerPath) }

// Deployed returns the deployed router. The error wraps [fs.ErrNotExist] if
// there is none.
func (p *Place) Deployed(ctx context.Context) (*Deployed, error) {
	version, err := p.DeployedVersion(ctx)
	if err != nil {
		return nil, err
	}
	tree, err := p.inference().Tree(ctx, p.pointer())
	if err != nil {
		return nil, err
	}
	m, err := p.metadata(ctx, tree)
	return &Deployed{Version: version, Tree: tree, Metadata: m}, err
}

// DeployedVersion returns the version of the pointer without reading further.
// The error wraps [fs.ErrNotExist] if nothing is deployed.
func (p *Place) DeployedVersion(ctx context.Context) (string, error) {
	ref, err := p.inference().Ref(p.pointer())
	if err != nil {
		return "", err
	}
	info, err := store.Stat(ctx, p.Store, ref)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s:%s: no router is deployed: %w", p.Volumes.Inference, p.pointer(), fs.ErrNotExist)
	}
	return info.Version, err
}

// metadata reads the metadata of a release; one that has none is fine.
func (p *Place) metadata(ctx context.Context, tree store.Tree) (Metadata, error) {
	text, err := fs.ReadFile(tree.FS(ctx, p.Store), MetadataFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Metadata{}, nil
	}
	if err != nil {
		return Metadata{}, err
	}
	return ParseMetadata(text)
}

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
	now, err := d.now(ctx)
	switch {
	case err != nil:
		return nil, err
	case d.Rollback:
		return d.rollback(ctx, now)
	}
	from, tree, err := d.find(ctx)
	if err != nil {
		return nil, err
	}
	m, err := d.check(ctx, from, tree)
	if err != nil {
		return nil, fmt.Errorf("%s:%s: %w", d.Volumes.Data, from, err)
	}
	if now == nil {
		return d.publish(ctx, tree, m, nil)
	}
	if !d.Force && now.Metadata.same(m) {
		now.Done = true
		return now, nil
	}
	m.Previous = now.Metadata.Release
	return d.publish(ctx, tree, m, now)
}

// now returns what is deployed, nil for nothing.
func (d *Deploy) now(ctx context.Context) (*Deployed, error) {
	if at := d.pointer() + "/"; strings.HasPrefix(at, releasesPath) || strings.HasPrefix(releasesPath, at) {
		return nil, fmt.Errorf("%s:%s: not a place for the deployed router: the releases are in %s", d.Volumes.Inference, d.pointer(), releasesPath)
	}
	now, err := d.Deployed(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return now, err
}

// same reports whether two releases answer alike.
func (m Metadata) same(o Metadata) bool {
	return maps.Equal(m.SHA256, o.SHA256) && maps.Equal(m.Experts, o.Experts)
}

// publish adds a release and points at it.
func (d *Deploy) publish(ctx context.Context, tree store.Tree, m Metadata, now *Deployed) (*Deployed, error) {
	digest, err := tree.Digest()
	if err != nil {
		return nil, err
	}
	at := time.Now().UTC()
	m.DeployedAt, m.Release = at.Format(time.RFC3339), at.Format("20060102T150405.000000Z")+"-"+digest[:12]
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	o, err := store.PutObject(ctx, d.Store, bytes.NewReader(append(text, '\n')))
	if err != nil {
		return nil, err
	}
	if tree, err = store.NewTree(append(bundleFiles(tree), store.File{Path: MetadataFile, Digest: o.Digest, Size: o.Size}), nil); err != nil {
		return nil, err
	}
	if err := d.inference().Publish(ctx, releasesPath+m.Release, tree, store.Absent); err != nil {
		return nil, err
	}
	return d.point(ctx, tree, m, now)
}

// bundleFiles returns the files of a tree but the metadata of a deployment.
func bundleFiles(tree store.Tree) []store.File {
	return slices.DeleteFunc(slices.Clone(tree.Files), func(f store.File) bool { return f.Path == MetadataFile })
}

// point switches the pointer to a release, unless it is no longer as it was.
func (d *Deploy) point(ctx context.Context, tree store.Tree, m Metadata, now *Deployed) (*Deployed, error) {
	when := store.Absent
	if now != nil {
		when = store.Match(now.Version)
	}
	err := d.inference().Publish(ctx, d.pointer(), tree, when)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, store.ErrChanged) {
		return nil, fmt.Errorf("%s:%s: another deployment switched it meanwhile, this one changed nothing: %w", d.Volumes.Inference, d.pointer(), store.ErrChanged)
	}
	if err != nil {
		return nil, err
	}
	d.log().Info("deployed", "release", m.Release, "run", m.Run, "dataset", m.Dataset, "previous", m.Previous)
	if err := d.prune(ctx, m.Release); err != nil { // the deployment stands
		d.log().Warn("old releases stay", "error", err)
	}
	version, err := d.DeployedVersion(ctx)
	return &Deployed{Version: version, Tree: tree, Metadata: m}, err
}

// rollback points at the release before the deployed one.
func (d *Deploy) rollback(ctx context.Context, now *Deployed) (*Deployed, error) {
	if now == nil {
		return nil, fmt.Errorf("%s:%s: nothing is deployed, so there is nothing to go back to", d.Volumes.Inference, d.pointer())
	}
	m := now.Metadata
	if m.Previous == "" {
		return nil, fmt.Errorf("release %q: no release before it is known", m.Release)
	}
	tree, err := d.inference().Tree(ctx, releasesPath+m.Previous)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("release %s: the one before it, %s, is gone; the last %d are kept", m.Release, m.Previous, d.keep())
	}
	if err != nil {
		return nil, err
	}
	if m, err = d.metadata(ctx, tree); err != nil {
		return nil, err
	}
	if err := d.open(ctx, tree); err != nil {
		return nil, fmt.Errorf("release %s: %w", m.Release, err)
	}
	return d.point(ctx, tree, m, now)
}

func (d *Deploy) keep() int { return first(d.Keep, keptReleases) }

// prune removes releases older than the deployed one, but for those that
// Rollback can reach.
func (d *Deploy) prune(ctx context.Context, release string) error {
	keep, err := d.reachable(ctx, release)
	if err != nil {
		return err
	}
	v := d.inference()
	for e, err := range v.List(ctx, releasesPath) {
		if err != nil {
			return err
		}
		if id := strings.TrimPrefix(e.Path, releasesPath); keep[id] || id >= release {
			continue
		}
		if err := v.Remove(ctx, e.Path); err != nil {
			return err
		}
	}
	return nil
}

// reachable returns the release and those before it that stay for Rollback.
func (d *Deploy) reachable(ctx context.Context, release string) (map[string]bool, error) {
	keep := map[string]bool{}
	for id := release; id != "" && len(keep) < d.keep() && !keep[id]; {
		keep[id] = true
		tree, err := d.inference().Tree(ctx, releasesPath+id)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		m, err := d.metadata(ctx, tree)
		if err != nil {
			return nil, err
		}
		id = m.Previous
	}
	return keep, nil
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
	r, err := route.Open(ctx, fsys, route.Options{Base: d.Base, Rung: b.Rungs()[0], Experts: d.Experts, Force: d.Force})
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
	for _, f := range bundleFiles(tree) {
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
