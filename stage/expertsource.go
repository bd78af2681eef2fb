package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"mole/base"
	"mole/device"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/spec"
	"mole/store"
	"mole/view"
)

// checkpoint is an opened folder of an expert's adapter.
type checkpoint struct {
	from    string // VOLUME:PATH, or a folder of this machine
	path    string // on the volume Training, "" elsewhere
	fsys    fs.FS
	tree    store.Tree
	config  []byte
	weights []byte
	reads   *spec.Expert // what it was trained to read; nil if somebody else trained it
}

// checkpoint opens a folder with an adapter: a path on the volume Training, a
// VOLUME:PATH, or a folder of this machine. The adapter may lie in its folder
// final or adapter.
func (p *Place) checkpoint(ctx context.Context, name string) (*checkpoint, error) {
	c := &checkpoint{from: p.Volumes.Training + ":" + name, path: name}
	v := p.training()
	if volume, at, named := strings.Cut(name, ":"); named {
		v.Name, c.from, c.path = volume, name, ""
		name = at
	}
	var err error
	c.tree, err = v.Find(ctx, name)
	switch {
	case err == nil:
		c.fsys = c.tree.FS(ctx, p.Store)
	case !isFolder(name):
		return nil, fmt.Errorf("adapter: neither published (%w) nor a folder", err)
	default:
		c.from, c.path, c.fsys = name, "", os.DirFS(name)
	}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.from, err)
	}
	return c, nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// read reads the files of the adapter, wherever they lie, and makes that place
// the folder.
func (c *checkpoint) read() (err error) {
	dir, err := adapterFolder(c.fsys)
	if err == nil {
		c.fsys, err = fs.Sub(c.fsys, dir)
	}
	if err == nil {
		c.config, err = fs.ReadFile(c.fsys, lora.ConfigFile)
	}
	if err == nil {
		c.weights, err = fs.ReadFile(c.fsys, lora.WeightsFile)
	}
	if err != nil {
		return err
	}
	text, err := fs.ReadFile(c.fsys, spec.ExpertFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	e, err := spec.ParseExpert(text)
	c.reads = &e
	return err
}

// adapterFolder returns the folder that holds the adapter of a checkpoint.
func adapterFolder(fsys fs.FS) (string, error) {
	for _, dir := range []string{".", "final", "adapter"} {
		_, err := fs.Stat(fsys, path.Join(dir, lora.ConfigFile))
		if !errors.Is(err, fs.ErrNotExist) {
			return dir, err
		}
	}
	return "", fmt.Errorf("no %s, neither there nor in final or adapter", lora.ConfigFile)
}

// view returns how the expert sees: as it was trained to, or else as byDefault
// says. It refuses an expert of another name, base network or prompt.
func (c *checkpoint) view(b *base.Base, byDefault *view.Expert) (*view.Expert, error) {
	if c.reads == nil {
		return byDefault, nil
	}
	if got, want := c.reads.Expert, byDefault.Spec.Expert; got != want {
		return nil, fmt.Errorf("%s: %s: the adapter of expert %s, want %s", c.from, spec.ExpertFile, got, want)
	}
	v, err := view.ExpertOf(*c.reads, view.ExpertOptions{Tokenizer: b.Tokenizer, Base: b.Digest, Vision: b.Vision})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.from, err)
	}
	return v, nil
}

// load returns the base network with the adapter. done gives both back.
func (c *checkpoint) load(b *base.Base, d device.Accelerator) (net *qwen3vl.Net, a *lora.Adapter, done func(), err error) {
	m, err := qwen3vl.New(d, b.Config, b.Weights)
	if err != nil {
		return nil, nil, nil, err
	}
	if a, err = lora.Decode(c.config, c.weights, m.Sites()); err == nil {
		net, err = m.With(a)
	}
	if err != nil {
		m.Close()
		return nil, nil, nil, fmt.Errorf("%s: %w", c.from, err)
	}
	return net, a, func() { net.Close(); m.Close() }, nil
}
