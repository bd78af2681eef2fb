// Package stage holds the stages of the chain: generate, upload, preprocess,
// train, eval and deploy. A stage is a function from objects to objects, kept
// under a digest of its inputs and settings: one that has finished is skipped,
// one that was killed is continued by starting it again. Success means that the
// result is there, never an exit status (DESIGN 14; specification mole, 5).
package stage

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"

	"mole/expert"
	"mole/store"
)

// Place is where a chain works: its folder for what is under way, the store
// for what is finished, and the names of the volumes in it (specification
// mole, 3.2). Stages of one chain share a Place; it must not be copied.
type Place struct {
	State   string // folder for work under way, logs, and generated datasets
	Store   store.Store
	Volumes Volumes
	Pointer string // path of the deployed router on the volume of what is deployed; "routing/adapter"
	Experts expert.Table
	Log     *slog.Logger // nil for none
	// Progress, if not nil, is told what a stage is doing and how far it is. total
	// is 0 where it is not known. Calls do not overlap.
	Progress func(what string, done, total int64)

	hold hold
}

// Volumes names the volumes of a chain. The zero value of a field means the
// default in its comment.
type Volumes struct {
	Data      string // routing sets, what they were preprocessed to, checkpoints; "moe-lora-data"
	Training  string // datasets of the experts; "claimhawk-lora-training"
	Inference string // what is deployed; "moe-inference"
	History   string // records of runs; "claimhawk-training-history"
	Models    string // base models; "claimhawk-model-cache"
}

// WithDefaults returns v with defaults filled in.
func (v Volumes) WithDefaults() Volumes {
	for _, d := range []struct {
		name  *string
		value string
	}{
		{&v.Data, "moe-lora-data"}, {&v.Training, "claimhawk-lora-training"}, {&v.Inference, "moe-inference"}, {&v.History, "claimhawk-training-history"},
		{&v.Models, "claimhawk-model-cache"},
	} {
		if *d.name == "" {
			*d.name = d.value
		}
	}
	return v
}

func (p *Place) data() store.Volume { return store.Volume{Store: p.Store, Name: p.Volumes.Data} }
func (p *Place) training() store.Volume {
	return store.Volume{Store: p.Store, Name: p.Volumes.Training}
}

// Models returns the volume of base models.
func (p *Place) Models() store.Volume { return store.Volume{Store: p.Store, Name: p.Volumes.Models} }

func (p *Place) log() *slog.Logger {
	if p.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.Log
}

func (p *Place) progress(what string, done, total int64) {
	if p.Progress != nil {
		p.Progress(what, done, total)
	}
}

// once returns what a stage made for a key before, or else what make returns,
// which is then kept. done reports the former. make works in the folder dir,
// where it finds what a process that was killed left; the folder goes when the
// result is safe. With force the work is done again, and replaces the result.
func (p *Place) once(ctx context.Context, key store.Key, force bool, make func(dir, digest string) (store.Tree, error)) (t store.Tree, done bool, err error) {
	digest, err := key.Digest()
	if err != nil {
		return t, false, err
	}
	const shown = 16 // digits are enough to tell the work of one machine apart
	dir := filepath.Join(p.State, "work", key.Stage, digest[:shown])
	if !force {
		t, done, err = store.Result(ctx, p.Store, key.Stage, digest)
	}
	if err == nil && !done {
		t, err = p.perform(ctx, key.Stage, digest, force, func() (store.Tree, error) {
			if err := os.MkdirAll(dir, 0o777); err != nil {
				return store.Tree{}, err
			}
			return make(dir, digest)
		})
	}
	if err != nil {
		return t, false, err
	}
	return t, done, os.RemoveAll(dir)
}

// perform does the work of a stage and keeps the result.
func (p *Place) perform(ctx context.Context, stage, digest string, replace bool, make func() (store.Tree, error)) (store.Tree, error) {
	t, err := make()
	if err != nil {
		return t, err
	}
	if !replace {
		return store.Finish(ctx, p.Store, stage, digest, t)
	}
	ref, err := store.ResultRef(stage, digest)
	if err != nil {
		return t, err
	}
	return t, store.PutTree(ctx, p.Store, ref, t, store.Always)
}
