package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mole/base"
	"mole/bundle"
	"mole/device"
	"mole/history"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/router"
	"mole/shard"
	"mole/spec"
	"mole/store"
	"mole/train"
	"mole/view"
)

// Train trains a router on a preprocessed set, fits its baselines and its
// calibration, and makes a bundle of them (specification mole, 5.4 and 8).
type Train struct {
	*Place
	Dataset  string // that was preprocessed: a routing set, or a manifest
	Linked   bool   // it is a manifest
	Name     string // of the run
	Base     *base.Base
	View     *view.View
	Device   device.Accelerator
	Settings Settings
	Force    bool // train again, and replace another run of that name
	// Memory is how many bytes the run may take, 0 for as many as it likes. It
	// decides Settings.PassTokens where they are 0, so it should not change
	// before a stopped run goes on.
	Memory int64
	// HourlyRate is what an hour on the device costs, in US dollars.
	HourlyRate float64

	// Report and Evaluated, if not nil, are told about each step and each
	// evaluation.
	Report    func(s train.Step, of Settings)
	Evaluated func(train.Evaluation)

	// expert is what is trained in place of a router, and View nil then.
	expert *view.Expert
}

// Trained is what came of Train.
type Trained struct {
	Name     string // of the run: CheckpointPath, or LinkedPath, on the volume
	Tree     store.Tree
	Bundle   *bundle.Bundle
	Settings Settings // as they were used
	Done     bool     // it was there before
}

// LinkedPath returns where the bundle of a run on a manifest is published.
func LinkedPath(run string) string { return "checkpoints/router_linked/" + run }

// CheckpointPath returns where the bundle of a run on a routing set is
// published.
func CheckpointPath(dataset, run string) string { return "checkpoints/datasets/" + dataset + "/" + run }

// Run trains, or finds the run that was finished before. When ctx ends, it
// leaves a checkpoint and returns train.ErrStopped; the same call continues.
// The error is ErrMemory, before anything was begun, if t.Memory will not do.
func (t *Train) Run(ctx context.Context) (*Trained, error) {
	out, err := alone(ctx, t.Place, "mole train", t.run)
	if err != nil && ctx.Err() != nil && !errors.Is(err, train.ErrStopped) {
		err = fmt.Errorf("%w: %w", train.ErrStopped, err)
	}
	return out, err
}

func (t *Train) run(ctx context.Context) (out *Trained, err error) {
	if err := store.CheckName(t.Name); err != nil {
		return nil, fmt.Errorf("name of the run: %w", err)
	}
	if t.Settings.Loss.On() {
		return nil, ErrRouterWeights
	}
	tree, set, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	out = &Trained{Name: t.Name}
	if out.Settings, err = t.resolve(set); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Dataset, err)
	}
	key := store.Key{Stage: "train", Inputs: map[string]string{"base": t.Base.Digest}, Settings: map[string]any{
		"settings": out.Settings, "run": t.Name, t.specName(): t.specHash(), "device": t.Device.Name(),
	}}
	if key.Inputs["preprocessed"], err = tree.Digest(); err != nil {
		return nil, err
	}
	var line history.Run
	out.Tree, out.Done, err = t.once(ctx, key, t.Force, func(dir, _ string) (tree store.Tree, err error) {
		if err := t.vacant(ctx); err != nil {
			return tree, err
		}
		tree, line, err = t.make(ctx, dir, set, out.Settings)
		return tree, err
	})
	if err != nil {
		return nil, err
	}
	if err := t.publish(ctx, &out.Tree); err != nil {
		return nil, err
	}
	if !out.Done {
		t.remember(ctx, line)
	}
	out.Bundle, err = bundle.Read(out.Tree.FS(ctx, t.Store))
	return out, err
}

// remember adds the run to the list of all runs. The run stands without it, so
// that it cannot be done is a warning.
func (t *Train) remember(ctx context.Context, line history.Run) {
	list := history.Records{Volume: store.Volume{Store: t.Store, Name: t.Volumes.History}, Kind: t.subject()}
	if err := list.Append(ctx, line); err != nil {
		t.log().Warn("the run is not in the history", "run", t.Name, "error", err)
	}
}

// vacant refuses the name of a run that is there already, of other settings or
// data, unless t.Force is set.
func (t *Train) vacant(ctx context.Context) error {
	v, path := t.volume(), t.checkpoint()
	_, err := v.Tree(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && t.Force:
		return nil
	case err == nil:
		err = fmt.Errorf("%s:%s: there is a run of that name already, of other settings or data; choose another name, or force it", v.Name, path)
	}
	return err
}

// publish makes the run the folder of its name. One that is there already, with
// or without a report, stays, and is the tree then.
func (t *Train) publish(ctx context.Context, tree *store.Tree) error {
	v, path := t.volume(), t.checkpoint()
	there, err := v.Tree(ctx, path)
	if err == nil {
		var bare store.Tree
		if bare, err = without(there, bundle.ReportFile); err == nil && sameTree(bare, *tree) {
			*tree = there
			return nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return v.Publish(ctx, path, *tree, store.Always)
}

// open opens the preprocessed set and refuses one that was made for another
// view.
func (t *Train) open(ctx context.Context) (store.Tree, *shard.Set, error) {
	path := "preprocessed/" + t.Dataset
	tree, err := t.data().Tree(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return tree, nil, fmt.Errorf("%s:%s: not there; run mole preprocess --dataset-name %s first", t.Volumes.Data, path, t.Dataset)
	}
	if err != nil {
		return tree, nil, err
	}
	set, err := shard.Open(tree.FS(ctx, t.Store))
	if err != nil {
		return tree, nil, fmt.Errorf("%s: %w", path, err)
	}
	if set.Meta.Router == nil {
		return tree, nil, errors.Join(fmt.Errorf("%s: no router specification, so this is no routing set", path), set.Close())
	}
	if err := spec.Check(path, *set.Meta.Router, t.View.Spec); err != nil {
		return tree, nil, errors.Join(err, set.Close())
	}
	return tree, set, nil
}

// make does the work of a run that was not finished before, in the folder dir.
func (t *Train) make(ctx context.Context, dir string, set *shard.Set, s Settings) (tree store.Tree, line history.Run, err error) {
	m, err := qwen3vl.New(t.Device, t.Base.Config, t.Base.Weights)
	if err != nil {
		return tree, line, err
	}
	defer m.Close()
	l := &lessons{Train: t, settings: s, set: set, model: m, frozen: frozen(s.Targets)}
	if err := l.complete(); err != nil {
		return tree, line, err
	}
	if l.record, err = openRecord(dir, l); err != nil {
		return tree, line, err
	}
	defer l.record.close()
	if err := l.openFeatures(ctx); err != nil {
		return tree, line, err
	}
	defer func() { err = errors.Join(err, l.features.Close()) }()
	b := &bundle.Bundle{Table: t.Experts, Calibrations: map[router.Rung]*router.Calibration{}}
	b.Meta = bundle.Meta{
		Version: bundle.Version, Run: t.Name, Dataset: t.Dataset, Created: time.Now().UTC().Format(time.RFC3339), Rung: s.Rung, Features: s.Features,
		Base: t.Base.Name, Experts: bundle.ExpertsOf(t.Experts), Spec: t.View.Spec,
	}
	var adapter *lora.Adapter
	if s.Rung == router.LoRA || s.Rung == router.Auto {
		if adapter, err = l.train(ctx, filepath.Join(dir, "steps"), b); err != nil {
			return tree, line, err
		}
	}
	if err := l.fit(ctx, adapter, b); err != nil {
		return tree, line, err
	}
	tree, err = l.keep(ctx, filepath.Join(dir, "out"), b)
	return tree, l.record.line(), err
}

// keep writes the bundle and what is known about the run into a new folder, and
// stores both.
func (l *lessons) keep(ctx context.Context, out string, b *bundle.Bundle) (store.Tree, error) {
	if err := errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o777)); err != nil {
		return store.Tree{}, err
	}
	if err := errors.Join(b.Write(out), l.record.write(out, b.Weights != nil)); err != nil {
		return store.Tree{}, err
	}
	return store.Add(ctx, l.Store, os.DirFS(out), store.AddOptions{})
}
