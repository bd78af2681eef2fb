package stage

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"strings"

	"mole/base"
	"mole/batch"
	"mole/dataset"
	"mole/shard"
	"mole/store"
	"mole/view"
	"mole/vision"
)

// Preprocess turns a routing set into what training reads: tokens, labels, and
// pictures in the size that the network sees (specification mole, 5.3 and 7).
type Preprocess struct {
	*Place
	Dataset string // name of the routing set on the volume, or of a manifest
	Base    *base.Base
	View    *view.View
	Workers int
	Force   bool
}

// Preprocessed is what came of Preprocess.
type Preprocessed struct {
	Dataset string
	Tree    store.Tree // of package shard
	Meta    *shard.Meta
	Linked  bool // the set is one that a manifest stands for
	Done    bool // it was there before
}

// Run preprocesses the set, or finds what was made of it before.
func (p *Preprocess) Run(ctx context.Context) (*Preprocessed, error) {
	return alone(ctx, p.Place, "mole preprocess", p.run)
}

func (p *Preprocess) run(ctx context.Context) (*Preprocessed, error) {
	set, err := p.routing(ctx, p.Dataset)
	if err == nil {
		err = p.fits(set)
	}
	if err != nil {
		return nil, err
	}
	pictures, digests, err := p.pictures(ctx, sourcesOf(set.Routing))
	if err != nil {
		return nil, err
	}
	if digests["."], err = set.tree.Digest(); err != nil { // no dataset has that name
		return nil, err
	}
	key := store.Key{Stage: "preprocess", Inputs: digests, Settings: map[string]any{
		"router_spec": p.View.Spec.Hash(), "processor": p.Base.Processor, "layout": shard.Version,
	}}
	out := &Preprocessed{Dataset: p.Dataset, Linked: set.linked}
	out.Tree, out.Done, err = p.once(ctx, key, p.Force, func(dir, digest string) (store.Tree, error) {
		return p.write(ctx, dir, digest, set.Routing, pictures)
	})
	if err != nil {
		return nil, err
	}
	if err := p.publish(ctx, out.Tree); err != nil {
		return nil, err
	}
	opened, err := shard.Open(out.Tree.FS(ctx, p.Store))
	if err != nil {
		return nil, err
	}
	out.Meta = &opened.Meta
	return out, opened.Close()
}

// publish makes the result the folder of the set's name, unless it is.
func (p *Preprocess) publish(ctx context.Context, t store.Tree) error {
	path := "preprocessed/" + p.Dataset
	if before, err := p.data().Tree(ctx, path); err == nil && sameTree(before, t) {
		return nil
	}
	return p.data().Publish(ctx, path, t, store.Always)
}

// write makes the folder of shards in work, and stores it.
func (p *Preprocess) write(ctx context.Context, work, digest string, set *dataset.Routing, pictures fs.FS) (store.Tree, error) {
	c := p.Base.Config
	_, err := shard.Write(ctx, work, pictures, inputs(set), shard.Options{
		Input: digest, Dataset: p.Dataset, Model: p.Base.Name, Router: &p.View.Spec, Vision: p.View.Vision,
		Layout: batch.Layout{ImageToken: c.ImageToken, VideoToken: c.VideoToken, Merge: c.Vision.Merge},
		Build:  p.lesson, Tokenizer: p.Base.Tokenizer.Digest(), Processor: p.Base.Processor, RUVersion: set.Metadata.RUVersion,
		Workers:  p.Workers,
		Progress: func(s shard.Progress) { p.progress("preprocess "+s.Phase, int64(s.Done), int64(s.Total)) },
	})
	if err != nil {
		return store.Tree{}, err
	}
	return store.Add(ctx, p.Store, os.DirFS(work), store.AddOptions{})
}

// lesson returns a record as the router is to learn it.
func (p *Preprocess) lesson(r *dataset.Record, im *vision.Patches) (batch.Example, error) {
	if r.Metadata.Label == nil {
		return batch.Example{}, errors.New("no label")
	}
	return p.View.Lesson(im, instruction(r), *r.Metadata.Label)
}

// instruction returns what the user of a record asks for.
func instruction(r *dataset.Record) string {
	for _, t := range r.Conversations {
		if t.From == "human" {
			return strings.TrimSpace(strings.TrimPrefix(t.Value, dataset.ImageMark))
		}
	}
	return ""
}

// inputs returns the splits of a set in the order of training.
func inputs(set *dataset.Routing) []shard.Input {
	return []shard.Input{
		{Name: "train", Records: records(set.Train)},
		{Name: "val", Records: records(set.Val)},
		{Name: "test", Records: records(set.Test)},
	}
}

func records(list []dataset.Record) iter.Seq2[shard.Source, error] {
	return func(yield func(shard.Source, error) bool) {
		for i, r := range list {
			if !yield(shard.Source{Record: r, Line: i + 1}, nil) {
				return
			}
		}
	}
}
