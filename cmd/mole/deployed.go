package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"

	"mole/config"
	"mole/expert"
	"mole/route"
	"mole/router"
	"mole/serve"
	"mole/stage"
	"mole/store"
)

// routerFlags say which router a command uses.
type routerFlags struct {
	State     string `default:".mole" env:"MOLE_STATE" placeholder:"DIR" help:"Folder of the store with the deployed router. Default: .mole."`
	Config    string `default:"config" placeholder:"DIR" help:"Folder of the configuration. Default: config."`
	Bundle    string `placeholder:"DIR" help:"Use the router in this folder instead of the deployed one."`
	BaseModel string `placeholder:"DIR" help:"Base network. Default: the one that the router names."`
	Rung      string `enum:",lora,linear,prototype" default:"" placeholder:"NAME" help:"How to decide: lora, linear or prototype. Default: as the router was trained for."`
	Precision string `enum:"auto,f32,bf16" default:"auto" placeholder:"NAME" help:"Matrix products with bfloat16 weights: f32 as the reference, bf16, or auto for bf16 where the processor multiplies in it. Default: auto."`
	Force     bool   `help:"Use a router whose specification differs from this program's in anything but labels."`
	Verbose   bool   `short:"v" help:"Log more."`
}

// open opens the configuration and the store.
func (f routerFlags) open(out, errs io.Writer) (*chain, error) {
	c, err := openConfig(f.Config, "serve")
	if err != nil {
		return nil, err
	}
	return chainFlags{State: f.State, BaseModel: f.BaseModel, Verbose: f.Verbose}.openWith(c, out, errs)
}

// source returns where the router comes from. That in a folder stays the same;
// the deployed one may change. Adapters of experts are brought up to date at
// every look.
func (f routerFlags) source(ch *chain, networks int, w *writers) serve.Source {
	return func(ctx context.Context, have string) (*serve.Deployment, error) {
		if w != nil {
			w.refresh(ctx)
		}
		if f.Bundle != "" {
			if have != "" {
				return nil, nil
			}
			return f.load(ctx, ch, f.Bundle, os.DirFS(f.Bundle), networks, w)
		}
		version, err := ch.DeployedVersion(ctx)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, hintedError{err, "mole deploy --latest deploys one, mole demo makes one"}
		}
		if err != nil || version == have {
			return nil, err
		}
		d, err := ch.Deployed(ctx)
		if err != nil {
			return nil, err
		}
		return f.load(ctx, ch, d.Version, d.Tree.FS(ctx, ch.Store), networks, w)
	}
}

// load opens the router in a folder, and what writes answers on its base
// network.
func (f routerFlags) load(ctx context.Context, ch *chain, version string, fsys fs.FS, networks int, w *writers) (*serve.Deployment, error) {
	m, err := metadataIn(fsys)
	if err != nil {
		return nil, err
	}
	o := route.Options{
		Base: f.BaseModel, Models: ch.Models(), Rung: router.Rung(f.Rung), Experts: configured(ch.config), Force: f.Force, Networks: networks, Precision: precisionOf(f.Precision),
	}
	d := &serve.Deployment{Version: version}
	if err := w.attach(ctx, d, fsys, &o); err != nil {
		return nil, err
	}
	if err := f.describe(ctx, d, fsys, o, m); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// describe opens the router of a deployment, and says what it is.
func (f routerFlags) describe(ctx context.Context, d *serve.Deployment, fsys fs.FS, o route.Options, m stage.Metadata) error {
	digest, err := digestOf(fsys)
	if err != nil {
		return err
	}
	r, err := route.Open(ctx, fsys, o)
	if err != nil {
		return err
	}
	b := r.Bundle
	if r.Rung != b.Rung {
		m.Accuracy = nil // it is that of another rung
	}
	d.Router, d.Experts, d.Adapters = r, r.Experts(), slices.Sorted(maps.Keys(m.Experts))
	d.About = serve.About{
		Release: m.Release, Run: b.Run, Dataset: b.Dataset, Rung: string(r.Rung), Model: r.Base, Spec: r.Spec, Digest: digest, Accuracy: m.Accuracy, Deployed: m.DeployedAt,
	}
	return nil
}

// digestOf returns the SHA-256 of a line "DIGEST  NAME" for each file of a
// router, in the order of their names, in hexadecimal.
func digestOf(fsys fs.FS) (string, error) {
	all := sha256.New()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		one := sha256.New()
		_, err = io.Copy(one, f)
		fmt.Fprintf(all, "%x  %s\n", one.Sum(nil), name)
		return errors.Join(err, f.Close())
	})
	return hex.EncodeToString(all.Sum(nil)), err
}

// metadataIn reads the metadata of a release; a folder without is fine.
func metadataIn(fsys fs.FS) (stage.Metadata, error) {
	text, err := fs.ReadFile(fsys, stage.MetadataFile)
	if errors.Is(err, fs.ErrNotExist) {
		return stage.Metadata{}, nil
	}
	if err != nil {
		return stage.Metadata{}, err
	}
	return stage.ParseMetadata(text)
}

// configured returns the experts of the configuration, or nil if there is none
// beside the defaults: a router brings its own table.
func configured(c *config.Config) expert.Table {
	for _, file := range c.Files {
		if file.Found && path.Base(file.Name) == "adapters.yaml" {
			return c.Experts
		}
	}
	return nil
}

// openRouter opens the router once.
func (f routerFlags) openRouter(ctx context.Context, ch *chain, w *writers) (*serve.Deployment, error) {
	d, err := f.source(ch, 1, w)(ctx, "")
	if errors.Is(err, store.ErrDamaged) {
		err = hintedError{err, "mole deploy --rollback goes back to the release before"}
	}
	if err != nil {
		return nil, fmt.Errorf("router: %w", err)
	}
	return d, nil
}
