package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mole/dataset"
	"mole/expert"
	"mole/store"
)

// Link makes a manifest of samples of the experts' datasets, which stands for a
// routing set (specification mole, 4.8 and 5.6).
type Link struct {
	*Place
	// From is the folder of the experts' datasets; without it they are looked for
	// on the volume and in the folder experts of the state. Those that are not on
	// the volume are published.
	From string
	// Options but Time, Digests and Progress. Experts without a count are left
	// out.
	Options    dataset.LinkOptions
	Only       []string // experts to take, nil for all that have a count
	RequireAll bool     // an expert without a dataset is an error
	Dry        bool     // publish nothing
	Force      bool     // make a new manifest, though there is one of the same input, and replace one of that name
}

// LinkedSet is what came of Link.
type LinkedSet struct {
	Manifest *dataset.LinkManifest
	Report   *dataset.LinkReport // nil if it was there before
	Missing  []string            // experts that have no dataset
	Done     bool                // it was there before
}

// manifests begins the paths of manifests on the volume of data.
const manifests = "router_manifests/"

func manifestPath(name string) string { return manifests + name + ".json" }

// ManifestName strips what the name of a manifest may carry as an argument: its
// folder, and the ending of its file.
func ManifestName(s string) string {
	return strings.TrimSuffix(strings.TrimPrefix(dataset.BaseName(s), manifests), ".json")
}

// Run makes the manifest and publishes it, or finds the one that was made of the
// same input.
func (l *Link) Run(ctx context.Context) (*LinkedSet, error) {
	return alone(ctx, l.Place, "mole link", l.run)
}

func (l *Link) run(ctx context.Context) (*LinkedSet, error) {
	l.Options.Name = ManifestName(l.Options.Name)
	if err := l.check(ctx); err != nil {
		return nil, err
	}
	out := &LinkedSet{}
	sources, err := l.sources(ctx, out)
	if err != nil {
		return nil, err
	}
	if l.Dry {
		out.Manifest, out.Report, err = dataset.Link(ctx, sources, l.Options)
		return out, err
	}
	return out, l.make(ctx, sources, out)
}

// check refuses names that cannot be meant.
func (l *Link) check(ctx context.Context) error {
	for _, name := range l.Only {
		if _, ok := l.Experts.ByName(name); !ok {
			return fmt.Errorf("expert %q, want some of %s", name, strings.Join(l.Experts.Names(), ", "))
		}
	}
	if l.From != "" && holdsDataset(l.From) {
		return fmt.Errorf("%s: the dataset of one expert, want the folder above it", l.From)
	}
	name := l.Options.Name
	if name == "" {
		return nil
	}
	if strings.Contains(name, "/") {
		return fmt.Errorf("name of the manifest: %q, want one without a slash", name)
	}
	if err := store.CheckName(name); err != nil {
		return fmt.Errorf("name of the manifest: %w", err)
	}
	_, err := l.data().Tree(ctx, datasets+name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil:
		err = fmt.Errorf("%s:%s%s: a routing set has that name; choose another one", l.Volumes.Data, datasets, name)
	}
	return err
}

// wanted reports whether an expert is to be linked.
func (l *Link) wanted(name string) bool {
	return l.Options.Counts[name] > 0 && (l.Only == nil || slices.Contains(l.Only, name))
}

// sources returns the newest dataset of each expert, and its digest in the
// options, published unless Dry is set.
func (l *Link) sources(ctx context.Context, out *LinkedSet) ([]dataset.Source, error) {
	var sources []dataset.Source
	l.Options.Digests = map[string]string{}
	for _, e := range l.Experts {
		if !l.wanted(e.Name) {
			continue
		}
		s, err := l.source(ctx, e)
		var none *noDataset
		switch {
		case errors.As(err, &none) && !l.RequireAll:
			out.Missing = append(out.Missing, e.Name)
		case err != nil:
			return nil, err
		default:
			sources = append(sources, s)
		}
	}
	if sources == nil {
		return nil, fmt.Errorf("no dataset of any expert that is wanted (%s); mole synth --expert all draws those of the built-in screens", strings.Join(out.Missing, ", "))
	}
	return sources, nil
}

// source returns the newest dataset of an expert.
func (l *Link) source(ctx context.Context, e expert.Expert) (s dataset.Source, err error) {
	set := &expertSet{Place: l.Place, Expert: e.Name, From: l.From, Lenient: true}
	dir, tree, err := set.locate(ctx)
	if err != nil {
		return s, err
	}
	s = dataset.Source{Expert: e, Name: set.Dataset, FS: os.DirFS(dir)}
	if dir != "" && l.Dry {
		return s, nil
	}
	if dir != "" {
		if tree, err = set.publishFolder(ctx, dir); err != nil {
			return s, err
		}
	}
	s.FS = tree.FS(ctx, l.Store)
	l.Options.Digests[e.Name], err = tree.Digest()
	return s, err
}

// make makes the manifest, or finds the one of the same input, and publishes it.
func (l *Link) make(ctx context.Context, sources []dataset.Source, out *LinkedSet) error {
	key := store.Key{Stage: "link", Inputs: l.Options.Digests, Settings: l.settings(sources)}
	tree, done, err := l.once(ctx, key, l.Force, func(dir, _ string) (tree store.Tree, err error) {
		o := l.Options
		if o.Time, err = began(dir); err != nil {
			return tree, err
		}
		o.Progress = func(done, total int) { l.progress("compare pictures", int64(done), int64(total)) }
		m, report, err := dataset.Link(ctx, sources, o)
		if err != nil {
			return tree, err
		}
		out.Report = report
		return l.keep(ctx, m)
	})
	if err != nil {
		return err
	}
	out.Done = done
	if out.Manifest, err = readManifest(ctx, l.Store, tree); err != nil {
		return err
	}
	path := manifestPath(out.Manifest.Name)
	if before, err := l.data().Tree(ctx, path); err == nil && sameTree(before, tree) {
		return nil
	}
	return l.data().Publish(ctx, path, tree, store.Always)
}

// keep stores a manifest, unless there is another one of that name.
func (l *Link) keep(ctx context.Context, m *dataset.LinkManifest) (tree store.Tree, err error) {
	text, err := m.JSON()
	if err != nil {
		return tree, err
	}
	o, err := store.PutObject(ctx, l.Store, bytes.NewReader(text))
	if err != nil {
		return tree, err
	}
	path := manifestPath(m.Name)
	if tree, err = store.SingleFile(filepath.Base(path), o); err != nil || l.Force {
		return tree, err
	}
	before, err := l.data().Tree(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return tree, nil
	case err == nil && !sameTree(before, tree):
		err = fmt.Errorf("%s:%s: there is another manifest of that name; choose another name, or force it", l.Volumes.Data, path)
	}
	return tree, err
}

// settings returns what a manifest depends on beside the datasets.
func (l *Link) settings(sources []dataset.Source) map[string]any {
	counts, names := map[string]int{}, map[string]string{}
	for _, s := range sources {
		counts[s.Expert.Name], names[s.Expert.Name] = l.Options.Counts[s.Expert.Name], s.Name
	}
	return map[string]any{
		"seed": fmt.Sprint(l.Options.Seed), "tests": l.Options.Tests, "counts": counts, "datasets": names, "name": l.Options.Name,
		"config_path": l.Options.ConfigPath, "labels": l.Experts.String(),
	}
}

// readManifest reads the manifest that is the only file of a tree.
func readManifest(ctx context.Context, s store.Store, tree store.Tree) (*dataset.LinkManifest, error) {
	if len(tree.Files) != 1 {
		return nil, fmt.Errorf("%d files, want one", len(tree.Files))
	}
	text, err := fs.ReadFile(tree.FS(ctx, s), tree.Files[0].Path)
	if err != nil {
		return nil, err
	}
	return dataset.ParseLinkManifest(text)
}

// LinkedExperts returns the experts that a manifest has samples of: a router
// that learns from it knows no others.
func (p *Place) LinkedExperts(ctx context.Context, name string) (expert.Table, error) {
	tree, err := p.data().Tree(ctx, manifestPath(name))
	if err != nil {
		return nil, err
	}
	m, err := readManifest(ctx, p.Store, tree)
	if err != nil {
		return nil, fmt.Errorf("%s:%s: %w", p.Volumes.Data, manifestPath(name), err)
	}
	var rows []expert.Expert
	for _, e := range p.Experts {
		if m.Experts[e.Name] != nil {
			rows = append(rows, e)
		}
	}
	return expert.NewTable(rows)
}

// HasManifest reports whether a name is that of a manifest, and of no routing
// set.
func (p *Place) HasManifest(ctx context.Context, name string) (bool, error) {
	if name == "" {
		return false, nil
	}
	for path, want := range map[string]bool{datasets + name: false, manifestPath(name): true} {
		_, err := p.data().Tree(ctx, path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		if (err == nil) != want {
			return false, nil
		}
	}
	return true, nil
}

// linkedSet opens the routing set that a manifest stands for. The error wraps
// ErrStale if a dataset has changed since, and [fs.ErrNotExist] if there is no
// manifest.
func (p *Place) linkedSet(ctx context.Context, name string) (*routingSet, error) {
	path := manifestPath(name)
	tree, err := p.data().Tree(ctx, path)
	if err != nil {
		return nil, err
	}
	set, err := p.relabel(ctx, tree)
	if err != nil {
		return nil, fmt.Errorf("%s:%s: %w", p.Volumes.Data, path, err)
	}
	return &routingSet{Routing: set, tree: tree, linked: true}, nil
}

// relabel returns the routing set that the manifest in a tree stands for.
func (p *Place) relabel(ctx context.Context, tree store.Tree) (*dataset.Routing, error) {
	m, err := readManifest(ctx, p.Store, tree)
	if err != nil {
		return nil, err
	}
	digests := map[string]string{}
	for _, e := range m.Experts {
		digests[e.Dataset] = e.Digest
	}
	return m.Routing(func(name string) (fs.FS, error) { return p.unchanged(ctx, name, digests[name]) })
}

// fits refuses a linked set whose labels are not those of the configuration.
func (p *Place) fits(set *routingSet) error {
	for _, name := range slices.Sorted(maps.Keys(set.Metadata.Labels)) {
		label := set.Metadata.Labels[name]
		if e, ok := p.Experts.ByName(name); set.linked && (!ok || e.Label != label) {
			return fmt.Errorf("%s: %w: expert %s has label %d there, the configuration says %s", set.Metadata.Name, ErrStale, name, label, p.Experts)
		}
	}
	return nil
}

// ErrStale says that a manifest is not about what is there now.
var ErrStale = errors.New("the manifest is out of date; mole link makes a new one")

// unchanged returns the folder of a published dataset, which must still be the
// one of the digest.
func (p *Place) unchanged(ctx context.Context, name, digest string) (fs.FS, error) {
	tree, err := p.published(ctx, name)
	if err != nil {
		return nil, err
	}
	is, err := tree.Digest()
	if err == nil && is != digest {
		err = fmt.Errorf("%w: dataset %s has changed since it was linked, digest %.12s, want %.12s", ErrStale, name, is, digest)
	}
	return tree.FS(ctx, p.Store), err
}
