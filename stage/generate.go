package stage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"mole/dataset"
	"mole/expert"
	"mole/store"
)

// Generate assembles a routing set from the experts' datasets (specification
// mole, 5.1).
type Generate struct {
	*Place
	// From is the folder of the experts' datasets; the newest of each expert is
	// taken.
	From string
	// Options but Time, Spec, Workers and Progress. Experts without a count are
	// left out.
	Options dataset.AssembleOptions
	Force   bool // make a new set, though there is one of the same input
}

// Generated is what came of Generate.
type Generated struct {
	Name   string                  // of the routing set
	Dir    string                  // its folder
	Set    *dataset.Routing        // what is in it
	Report *dataset.AssembleReport // nil if it was there before
	Done   bool                    // it was there before
}

// Run assembles the set, or finds the one that was made of the same input.
func (g *Generate) Run(ctx context.Context) (*Generated, error) {
	return alone(ctx, g.Place, "mole generate", g.run)
}

func (g *Generate) run(ctx context.Context) (*Generated, error) {
	sources, err := g.sources()
	if err != nil {
		return nil, err
	}
	key := store.Key{Stage: "generate", Inputs: map[string]string{}, Settings: g.settings()}
	for i, s := range sources {
		if s.FS == nil {
			continue
		}
		g.progress("read datasets", int64(i), int64(len(sources)))
		if key.Inputs[s.Expert.Name], err = folderDigest(ctx, s.FS); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	out := &Generated{}
	tree, done, err := g.once(ctx, key, g.Force, func(dir, _ string) (store.Tree, error) {
		return g.assemble(ctx, dir, sources, out)
	})
	if err != nil {
		return nil, err
	}
	out.Done, out.Name = done, tree.Meta["name"]
	out.Dir = filepath.Join(g.datasets(), out.Name)
	return out, g.restore(ctx, tree, out)
}

// restore brings the folder of a finished set back, if it is gone, and reads
// the set.
func (g *Generate) restore(ctx context.Context, tree store.Tree, out *Generated) error {
	if _, err := os.Stat(out.Dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(g.datasets(), 0o777); err != nil {
			return err
		}
		if err := store.Extract(ctx, g.Store, tree, out.Dir); err != nil {
			return err
		}
	}
	set, _, err := dataset.OpenRouting(os.DirFS(out.Dir), dataset.RoutingOptions{Name: out.Name, Experts: g.Experts})
	out.Set = set
	return err
}

func (g *Generate) datasets() string { return filepath.Join(g.State, "datasets") }

// assemble makes the set in the folder work, and stores it.
func (g *Generate) assemble(ctx context.Context, work string, sources []dataset.Source, out *Generated) (tree store.Tree, err error) {
	o := g.Options
	if o.Time, err = began(work); err != nil {
		return tree, err
	}
	o.Progress = func(done, total int) { g.progress("compare pictures", int64(done), int64(total)) }
	set, report, err := dataset.Assemble(ctx, sources, o)
	if err != nil {
		return tree, err
	}
	out.Report = report
	name, dir := set.Metadata.Name, filepath.Join(work, "set")
	if err := os.RemoveAll(dir); err != nil {
		return tree, err
	}
	if err := set.Write(dir); err != nil {
		return tree, err
	}
	if err := g.vacant(ctx, filepath.Join(g.datasets(), name), dir); err != nil {
		return tree, err
	}
	return store.Add(ctx, g.Store, os.DirFS(dir), store.AddOptions{Meta: map[string]string{"name": name}})
}

// vacant refuses a place where there is something else than the folder made.
func (g *Generate) vacant(ctx context.Context, place, made string) error {
	if _, err := os.Stat(place); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	was, err := folderDigest(ctx, os.DirFS(place))
	if err != nil {
		return err
	}
	is, err := folderDigest(ctx, os.DirFS(made))
	if err == nil && was != is {
		err = fmt.Errorf("%s: there is another routing set of that name; choose another name, or move it away", place)
	}
	return err
}

// began returns when the work in a folder was begun: now, or when the process
// that was killed began it, so that the name of the set is the same.
func began(work string) (time.Time, error) {
	file := filepath.Join(work, "began")
	text, err := os.ReadFile(file)
	if err == nil {
		return time.Parse(time.RFC3339Nano, string(text))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, err
	}
	now := time.Now()
	return now, replaceFile(file, []byte(now.Format(time.RFC3339Nano)))
}

// settings returns what a set depends on beside the datasets.
func (g *Generate) settings() map[string]any {
	o := g.Options
	s := map[string]any{
		"seed": fmt.Sprint(o.Seed), "train": o.Train, "val": o.Val, "test_per_adapter": o.TestPerAdapter, "counts": o.Counts,
		"allow_short": o.AllowShort, "include_val": o.IncludeVal, "keep_apart": o.KeepApart, "near_bits": o.NearBits,
		"researcher": o.Researcher, "name": o.Name, "labels": g.Experts.String(),
	}
	if o.Prefix != "" && o.Prefix != dataset.RoutingPrefix { // what is usual is not named, so that older sets are found
		s["prefix"] = o.Prefix
	}
	if len(o.OwnOnly) > 0 {
		s["own_only"] = o.OwnOnly
	}
	return s
}

// sources returns the newest dataset of each expert that has a count.
func (g *Generate) sources() ([]dataset.Source, error) {
	entries, err := os.ReadDir(g.From)
	if err != nil {
		return nil, fmt.Errorf("datasets of the experts: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	var sources []dataset.Source
	var missing []string
	for _, e := range g.Experts {
		if g.Options.Counts[e.Name] <= 0 {
			continue
		}
		name, ok := dataset.Newest(names, e.Name)
		switch {
		case ok:
			sources = append(sources, dataset.Source{Expert: e, Name: name, FS: os.DirFS(filepath.Join(g.From, name))})
		case e.Kind == expert.OCR: // has the crops of the others
			sources = append(sources, dataset.Source{Expert: e})
		default:
			missing = append(missing, e.Name)
		}
	}
	if missing != nil {
		return nil, fmt.Errorf("%s: no dataset of %s; make them with mole synth, or set their count to 0", g.From, strings.Join(missing, ", "))
	}
	return sources, nil
}

// folderDigest returns a digest of the names and contents of all files.
func folderDigest(ctx context.Context, fsys fs.FS) (string, error) {
	var names []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, name)
		}
		return errors.Join(err, ctx.Err())
	})
	if err != nil {
		return "", err
	}
	sort.Strings(names)
	all := sha256.New()
	for _, name := range names {
		sum, err := fileDigest(fsys, name)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return "", err
		}
		fmt.Fprintf(all, "%q %s\n", name, sum)
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

func fileDigest(fsys fs.FS, name string) (sum string, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
