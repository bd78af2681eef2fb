package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mole/base"
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

// TrainExpert trains the adapter of an expert to answer as its dataset does. It
// publishes and preprocesses the dataset first, where that was not done. Trainer,
// schedule, checkpoints and records are those of [Train]; so is what the fields
// mean that both have (specification mole, 4.3, 4.5 and 8).
type TrainExpert struct {
	*Place
	Dataset string // name; the newest of the expert if empty
	From    string // folder of the dataset, or of datasets; see Run
	Name    string // of the run; made of the dataset's if empty
	Base    *base.Base
	View    *view.Expert
	Device  device.Accelerator
	// Settings are those of a run. Rung, Features, ShuffleLabels and the bounds of
	// errors mean nothing here.
	Settings   Settings
	Workers    int // that preprocess
	Force      bool
	Memory     int64
	HourlyRate float64
	Report     func(s train.Step, of Settings)
	Evaluated  func(train.Evaluation)
}

// TrainedExpert is what came of TrainExpert.
type TrainedExpert struct {
	Expert   string
	Dataset  string
	Name     string // of the run: ExpertCheckpointPath(Dataset, Name) on the volume Training
	Tree     store.Tree
	Settings Settings // as they were used
	Done     bool     // it was there before
	Meta     shard.Meta
	Shared   int      // samples of validation whose picture training shows, too
	Steps    int      // done
	Loss     *float64 // lowest of an evaluation, nats; nil without one
}

// perPicture is Settings.PerPicture where it does not say.
const perPicture = 4

// ExpertCheckpointPath returns where the adapter of an expert's run is
// published.
func ExpertCheckpointPath(dataset, run string) string { return "checkpoints/" + dataset + "/" + run }

// expertTiny is what the preset tiny means for an expert: what did best on the
// tests of the built-in screens with the embedded network. docs/expert.md has
// the figures.
var expertTiny = Settings{Batch: 8, Accumulation: 1, Rate: 2e-3, Steps: 300, EvalEvery: 50, SaveEvery: 50, EvalMax: 64}

// Run trains, or finds the run that was finished before. The dataset is the one
// in From, which is published then; without From it is the published one of the
// name, or the newest that is published or in the folder experts of the state. When ctx ends, it leaves a
// checkpoint and returns train.ErrStopped; the same call continues.
func (t *TrainExpert) Run(ctx context.Context) (*TrainedExpert, error) {
	out, err := alone(ctx, t.Place, "mole train", t.run)
	if err != nil && ctx.Err() != nil && !errors.Is(err, train.ErrStopped) {
		err = fmt.Errorf("%w: %w", train.ErrStopped, err)
	}
	return out, err
}

func (t *TrainExpert) run(ctx context.Context) (out *TrainedExpert, err error) {
	data := &expertData{expertSet: t.source(), View: t.View, Base: t.Base, Workers: t.Workers}
	tree, err := data.prepare(ctx)
	if err != nil {
		return nil, err
	}
	t.Dataset, t.Name = data.Dataset, first(t.Name, RunName(data.Dataset))
	if err := store.CheckName(t.Name); err != nil {
		return nil, fmt.Errorf("name of the run: %w", err)
	}
	set, err := shard.Open(tree.FS(ctx, t.Store))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Dataset, err)
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	out = &TrainedExpert{Expert: t.View.Spec.Expert, Dataset: t.Dataset, Name: t.Name, Meta: set.Meta}
	if out.Shared, err = sharedPictures(set); err != nil {
		return nil, err
	}
	return out, t.learn(ctx, tree, set, out)
}

// source returns the dataset, which is still to be found.
func (t *TrainExpert) source() expertSet {
	return expertSet{Place: t.Place, Expert: t.View.Spec.Expert, Dataset: t.Dataset, From: t.From}
}

// Needs returns what the run would take, and touches nothing. The dataset must
// have been preprocessed, as a run does before it begins.
func (t *TrainExpert) Needs(ctx context.Context) (n Needs, err error) {
	data := t.source()
	if err := data.choose(ctx, first(t.From, filepath.Join(t.State, "experts"))); err != nil {
		return n, err
	}
	path := "preprocessed/" + strings.TrimPrefix(data.Dataset, datasets)
	tree, err := t.training().Tree(ctx, path)
	if err != nil {
		return n, fmt.Errorf("%s:%s: %w; a run makes it, and looks at the memory before its first step", t.Volumes.Training, path, err)
	}
	set, err := shard.Open(tree.FS(ctx, t.Store))
	if err != nil {
		return n, fmt.Errorf("%s: %w", path, err)
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	return t.inner().needs(set)
}

// learn trains on an opened set.
func (t *TrainExpert) learn(ctx context.Context, preprocessed store.Tree, set *shard.Set, out *TrainedExpert) error {
	if t.Settings.ShuffleLabels {
		return errors.New("a control run with shuffled labels is for routers")
	}
	inner := t.inner()
	var err error
	if out.Settings, err = inner.resolve(set); err != nil {
		return fmt.Errorf("%s: %w", t.Dataset, err)
	}
	key := store.Key{Stage: "train-expert", Inputs: map[string]string{"base": t.Base.Digest}, Settings: map[string]any{
		"settings": out.Settings, "run": t.Name, "expert_spec": t.View.Spec.Hash(), "device": t.Device.Name(),
	}}
	if key.Inputs["preprocessed"], err = preprocessed.Digest(); err != nil {
		return err
	}
	var line history.Run
	out.Tree, out.Done, err = t.once(ctx, key, t.Force, func(dir, _ string) (tree store.Tree, err error) {
		if err := inner.vacant(ctx); err != nil {
			return tree, err
		}
		tree, line, err = t.make(ctx, inner, dir, set, out.Settings)
		return tree, err
	})
	if err != nil {
		return err
	}
	if err := inner.publish(ctx, &out.Tree); err != nil {
		return err
	}
	if !out.Done {
		inner.remember(ctx, line)
	}
	return out.read(out.Tree.FS(ctx, t.Store))
}

// inner returns the run as one of Train, whose machinery does the work.
func (t *TrainExpert) inner() *Train {
	s := t.Settings
	s.Rung, s.PerPicture = router.LoRA, first(s.PerPicture, perPicture)
	if s.Preset == "tiny" {
		s = s.fill(expertTiny)
	}
	return &Train{
		Place: t.Place, Dataset: t.Dataset, Name: t.Name, Base: t.Base, Device: t.Device, Settings: s, Force: t.Force,
		Memory: t.Memory, HourlyRate: t.HourlyRate, Report: t.Report, Evaluated: t.Evaluated, expert: t.View,
	}
}

// fill returns s with what it leaves open taken from p.
func (s Settings) fill(p Settings) Settings {
	s.Batch, s.Accumulation = first(s.Batch, p.Batch), first(s.Accumulation, p.Accumulation)
	s.Rate, s.EvalMax = first(s.Rate, p.Rate), first(s.EvalMax, p.EvalMax)
	s.EvalEvery, s.SaveEvery = first(s.EvalEvery, p.EvalEvery), first(s.SaveEvery, p.SaveEvery)
	if s.Epochs == 0 {
		s.Steps = first(s.Steps, p.Steps)
	}
	return s
}

// make does the work of a run that was not finished before, in the folder dir.
func (t *TrainExpert) make(ctx context.Context, inner *Train, dir string, set *shard.Set, s Settings) (tree store.Tree, line history.Run, err error) {
	m, err := qwen3vl.New(t.Device, t.Base.Config, t.Base.Weights)
	if err != nil {
		return tree, line, err
	}
	defer m.Close()
	l := &lessons{Train: inner, settings: s, set: set, model: m, frozen: frozen(s.Targets)}
	if l.record, err = openRecord(dir, l); err != nil {
		return tree, line, err
	}
	defer l.record.close()
	if l.frozen { // otherwise they are not what the adapted tower makes
		if err := l.openFeatures(ctx); err != nil {
			return tree, line, err
		}
		defer func() { err = errors.Join(err, l.features.Close()) }()
	}
	adapter, err := l.adapt(ctx, filepath.Join(dir, "steps"))
	if err != nil {
		return tree, line, err
	}
	tree, err = l.keepExpert(ctx, filepath.Join(dir, "out"), adapter)
	return tree, l.record.line(), err
}

// keepExpert writes the adapter, what it was trained to read, and what is known
// about the run into a new folder, and stores them.
func (l *lessons) keepExpert(ctx context.Context, out string, a *lora.Adapter) (store.Tree, error) {
	if err := errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o777)); err != nil {
		return store.Tree{}, err
	}
	text, err := json.MarshalIndent(l.expert.Spec, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(out, spec.ExpertFile), append(text, '\n'), 0o666)
	}
	if err = errors.Join(err, a.Save(out), l.record.write(out, true)); err != nil {
		return store.Tree{}, err
	}
	return store.Add(ctx, l.Store, os.DirFS(out), store.AddOptions{})
}

// read takes over what a run left about itself.
func (out *TrainedExpert) read(fsys fs.FS) error {
	text, err := fs.ReadFile(fsys, stateFile)
	if err != nil {
		return err
	}
	s, err := history.ParseTrainerState(text)
	if err != nil {
		return fmt.Errorf("%s: %w", stateFile, err)
	}
	out.Steps, out.Loss = s.GlobalStep, s.BestMetric
	return nil
}

// subject names what is trained, for lists of runs: "router", or the expert.
func (t *Train) subject() string {
	if t.expert != nil {
		return t.expert.Spec.Expert
	}
	return history.Routers
}

// specName names the specification of what is trained, and specHash is its hash.
func (t *Train) specName() string {
	if t.expert != nil {
		return "expert_spec"
	}
	return "router_spec"
}

func (t *Train) specHash() string {
	if t.expert != nil {
		return t.expert.Spec.Hash()
	}
	return t.View.Spec.Hash()
}

// volume is where the run is published, and checkpoint the path there.
func (t *Train) volume() store.Volume {
	if t.expert != nil {
		return t.training()
	}
	return t.data()
}

func (t *Train) checkpoint() string {
	if t.expert != nil {
		return ExpertCheckpointPath(t.Dataset, t.Name)
	}
	if t.Linked {
		return LinkedPath(t.Name)
	}
	return CheckpointPath(t.Dataset, t.Name)
}
