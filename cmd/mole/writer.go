package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mole/answer"
	"mole/bundle"
	"mole/generate"
	"mole/route"
	"mole/serve"
	"mole/store"
)

// writerFlags say how experts answer.
type writerFlags struct {
	Adapters      string `placeholder:"DIR" help:"Folder of adapters beside the deployed ones: NAME/adapter_config.json or NAME/adapter/adapter_config.json, ours or PEFT's. It is looked at again and again."`
	KeyMemory     int    `default:"1024" placeholder:"MIB" help:"Memory for keys and values of all answers under way. Default: 1024."`
	AdapterMemory int    `default:"1024" placeholder:"MIB" help:"Memory for adapters; those that nobody used for longest make room. Default: 1024."`
	MaxBatch      int    `default:"16" placeholder:"N" help:"Answers that are written at the same time. Default: 16."`
	RouteOnly     bool   `help:"Decide, and let no expert answer."`
}

// writers opens what writes answers, one for each base network in use, and
// keeps the adapters of experts as they are deployed.
type writers struct {
	*chain
	flags  writerFlags
	router routerFlags

	mu   sync.Mutex
	open map[string]*sharedWriter // by name of the base network
}

// sharedWriter is a writer of several deployments.
type sharedWriter struct {
	*answer.Writer
	users  int               // deployments, guarded by writers.mu
	served map[string]string // digest of the deployed adapter, by expert; of the goroutine that calls sync alone
}

func newWriters(c *chain, r routerFlags, f writerFlags) *writers {
	return &writers{chain: c, flags: f, router: r, open: map[string]*sharedWriter{}}
}

// attach gives d what writes answers on the base network that the router in a
// folder is opened on, and the router's options its turn there.
func (w *writers) attach(ctx context.Context, d *serve.Deployment, fsys fs.FS, o *route.Options) error {
	if w.flags.RouteOnly {
		return nil
	}
	b, err := bundle.Read(fsys)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	name := cmp.Or(o.Base, b.Base)
	shared, err := w.take(ctx, name)
	if err != nil {
		return err
	}
	if o.Networks <= 1 { // several share the cores as they are
		o.Alone = shared.Exclusive
	}
	d.Engine = &serve.Engine{
		Base: shared.Base.Name, Generator: shared.Service, Renderer: shared.Renderer, Vision: shared.Base.Vision,
		Adapters: adapterList{shared.Service}, Figures: figuresOf(shared.Service),
	}
	d.Free = func() error { return w.release(shared, name) }
	return nil
}

// take returns the writer for a base network, for one deployment more.
func (w *writers) take(ctx context.Context, base string) (*sharedWriter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s, ok := w.open[base]; ok {
		s.users++
		return s, nil
	}
	opened, err := answer.Open(ctx, answer.Options{
		Base: base, Models: w.Models(), Precision: precisionOf(w.router.Precision), Keys: int64(w.flags.KeyMemory) << 20, MaxBatch: w.flags.MaxBatch,
		AdapterMemory: int64(w.flags.AdapterMemory) << 20, Log: w.Log,
	})
	if err != nil {
		return nil, err
	}
	s := &sharedWriter{Writer: opened, users: 1, served: map[string]string{}}
	if err := w.sync(ctx, s); err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	w.open[base] = s
	return s, nil
}

// release ends the use of a writer by one deployment. The last one closes it:
// nobody asks any more.
func (w *writers) release(s *sharedWriter, base string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.users--; s.users > 0 {
		return nil
	}
	delete(w.open, base)
	return s.Close(context.Background())
}

// refresh brings the adapters of all writers up to date. One that does not load
// leaves the old one in use.
func (w *writers) refresh(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.open {
		if err := w.sync(ctx, s); err != nil {
			w.Log.Error("adapters were not read", "error", err)
		}
	}
}

// sync brings the adapters of a writer up to date.
func (w *writers) sync(ctx context.Context, s *sharedWriter) error {
	if w.flags.Adapters != "" {
		if err := s.Scan(w.flags.Adapters); err != nil {
			return err
		}
	}
	deployed, err := w.deployedAdapters(ctx)
	if err != nil {
		return err
	}
	for name, tree := range deployed {
		if err := w.bring(ctx, s, name, tree); err != nil {
			w.Log.Error("adapter does not load", "expert", name, "error", err)
		}
	}
	for name := range s.served {
		if _, ok := deployed[name]; !ok {
			delete(s.served, name)
			if err := s.Remove(name); err != nil && !errors.Is(err, generate.ErrNoAdapter) {
				return err
			}
		}
	}
	return nil
}

// deployedAdapters returns the adapters of experts: as they are deployed, or,
// where none is, as the deployed router names them.
func (w *writers) deployedAdapters(ctx context.Context) (map[string]store.Tree, error) {
	out := map[string]store.Tree{}
	router, err := w.Deployed(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if router != nil {
		for name, a := range router.Metadata.Experts {
			tree, err := store.Volume{Store: w.Store, Name: a.Volume}.Tree(ctx, a.Path)
			if err == nil {
				out[name] = tree
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	for _, e := range w.Experts {
		d, err := w.DeployedExpert(ctx, e.Name, w.expertPath(e.Name))
		if err == nil {
			out[e.Name] = d.Tree
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return out, nil
}

// bring loads the deployed adapter of an expert, unless that is what it has. The
// files are copied to a folder of their own first: the service reads them again
// when an adapter had to make room.
func (w *writers) bring(ctx context.Context, s *sharedWriter, name string, tree store.Tree) error {
	digest, err := tree.Digest()
	if err != nil || s.served[name] == digest {
		return err
	}
	home := filepath.Join(w.State, "serve", name)
	dir := filepath.Join(home, digest)
	if err := copyTree(ctx, dir, tree, w.Store); err != nil {
		return err
	}
	if err := s.Set(name, dir); err != nil {
		return err
	}
	s.served[name] = digest
	return removeStale(home, digest)
}

// copyTree copies the files of a tree to a folder, which is there whole or not
// at all.
func copyTree(ctx context.Context, dir string, tree store.Tree, s store.Store) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".tmp-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }() // what is left of a failure
	if err := os.CopyFS(temp, tree.FS(ctx, s)); err != nil {
		return err
	}
	if err := os.Chmod(temp, 0o777); err != nil {
		return err
	}
	if err := os.Rename(temp, dir); err != nil && !errors.Is(err, fs.ErrExist) { // another server may have been faster
		return err
	}
	return nil
}

// staleAfter is the age from which on nobody uses a copy that is not that of
// the deployed adapter.
const staleAfter = 24 * time.Hour

// removeStale removes old copies beside the one of that name, and what killed
// processes left. Other servers may still use newer ones.
func removeStale(dir, name string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		info, gone := e.Info()
		if gone == nil && e.Name() != name && time.Since(info.ModTime()) > staleAfter {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// adapterList is the adapters of a service as the server wants them.
type adapterList struct{ *generate.Service }

// List implements [serve.Adapters].
func (l adapterList) List() []serve.AdapterInfo {
	var out []serve.AdapterInfo
	for _, a := range l.Adapters() {
		out = append(out, serve.AdapterInfo{
			Name: a.Name, Dir: a.Dir, Generation: a.Generation, Loaded: a.Loaded, Bytes: a.Bytes, Problem: a.Error, Expert: a.Spec,
		})
	}
	return out
}

// figuresOf returns the figures of a service as the server wants them.
func figuresOf(s *generate.Service) func() serve.Figures {
	return func() serve.Figures {
		f := s.Stats()
		return serve.Figures{
			Waiting: f.Queued, Running: f.Active, Steps: f.Passes, Rows: f.PromptRows + f.AnswerTokens,
			AdaptersLoaded: f.AdaptersLoaded, AdapterBytes: f.AdapterBytes, AdapterLoads: f.Loads,
			CachePages: f.Engine.Pages - f.Engine.Free - f.Engine.Cached, CachePagesMax: f.Engine.Pages,
		}
	}
}
