package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mole/base"
	"mole/bundle"
	"mole/device"
	"mole/eval"
	"mole/evidence"
	"mole/history"
	"mole/model/qwen3vl"
	"mole/route"
	"mole/router"
	"mole/shard"
	"mole/spec"
	"mole/store"
	"mole/view"
)

// Eval judges a trained router on a split that it did not learn from, its
// baselines on the same pictures, and all of them on screens of no expert
// (specification mole, 9).
type Eval struct {
	*Place
	Dataset string
	Name    string // of the run
	Base    *base.Base
	View    *view.View
	Device  device.Accelerator
	Split   string // "test"
	Outside string // folder of pictures of no expert, "" for none
	Out     string // folder for the report; State/reports/DATASET/NAME
	Against string // router to compare with, named as in Compare; "" for none
}

// Evaluated is what came of Eval.
type Evaluated struct {
	Report *eval.Report
	Text   string // the report for a terminal
	JSON   string // path of the report
	HTML   string // path of the report as a page
	Bundle *bundle.Bundle
	// Known and Unknown are the decisions about each picture.
	Known, Unknown []eval.Outcome
}

// Run evaluates the router, writes the reports, and publishes the run again
// with its report.
func (e *Eval) Run(ctx context.Context) (*Evaluated, error) {
	path, tree, err := e.runTree(ctx, e.Dataset, e.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s:%s: not there; train it first", e.Volumes.Data, path)
	}
	if err != nil {
		return nil, err
	}
	b, err := bundle.Read(tree.FS(ctx, e.Store))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := spec.Check(path, b.Spec, e.View.Spec); err != nil {
		return nil, err
	}
	began := time.Now()
	j, err := e.judge(ctx, b)
	if err != nil {
		return nil, err
	}
	j.path = path
	if err := j.compare(ctx); err != nil {
		return nil, err
	}
	report, err := j.report(began)
	if err != nil {
		return nil, err
	}
	out := &Evaluated{Report: report, Bundle: b}
	out.Known, out.Unknown = j.outcomes(b.Rung)
	if err := e.write(ctx, out, j); err != nil {
		return nil, err
	}
	if b.Report, err = report.JSON(); err != nil {
		return nil, err
	}
	return out, e.keep(ctx, path, tree, out)
}

// keep puts the report beside the run, and what the test pictures showed into the
// list of all runs. The report stands without that list, so that it cannot be
// added to is a warning.
func (e *Eval) keep(ctx context.Context, path string, tree store.Tree, out *Evaluated) error {
	r := out.Report
	if err := e.addReport(ctx, e.data(), path, tree, out.Bundle.Report); err != nil || r.Split != "test" {
		return err
	}
	list := history.Records{Volume: store.Volume{Store: e.Store, Name: e.Volumes.History}, Kind: history.Routers}
	if err := list.Evaluated(ctx, e.Dataset, e.Name, time.Now(), r.EvalSamples, r.Accuracy.Overall, r.Accuracy.PerClass); err != nil {
		e.log().Warn("the accuracy is not in the history", "run", e.Name, "error", err)
	}
	return nil
}

// without returns a tree without one of its files.
func without(t store.Tree, path string) (store.Tree, error) {
	files := slices.DeleteFunc(slices.Clone(t.Files), func(f store.File) bool { return f.Path == path })
	return store.NewTree(files, t.Meta)
}

// judgement is the evidence about all pictures, and what each rung makes of it.
type judgement struct {
	*Eval
	bundle   *bundle.Bundle
	evidence []router.Evidence
	samples  []shard.Sample
	outside  []router.Evidence
	names    []string // of the outside pictures
	path     string   // of the run on the volume

	comparison *eval.Comparison // nil for none
}

// judge gathers the evidence.
func (e *Eval) judge(ctx context.Context, b *bundle.Bundle) (j *judgement, err error) {
	t := &Train{Place: e.Place, Dataset: e.Dataset, Base: e.Base, View: e.View, Device: e.Device}
	_, set, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	m, err := qwen3vl.New(e.Device, e.Base.Config, e.Base.Weights)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	adapter, err := b.Adapter(m.Sites())
	if err != nil {
		return nil, err
	}
	net, err := evidence.New(m, adapter, evidence.Options{View: e.View, Features: b.Features})
	if err != nil {
		return nil, err
	}
	defer net.Close()
	l := &lessons{Train: t, set: set, model: m, frozen: frozen(b.Preset)}
	if err := l.openFeatures(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.features.Close()) }()
	j = &judgement{Eval: e, bundle: b}
	if err := j.known(ctx, l, net); err != nil {
		return nil, err
	}
	return j, j.unknown(ctx, net)
}

// known gathers the evidence about the samples of the split.
func (j *judgement) known(ctx context.Context, l *lessons, net *evidence.Network) error {
	split, err := l.set.Split(j.split())
	if err != nil {
		return err
	}
	which := make([]int, split.Len())
	for i := range which {
		which[i] = i
	}
	return l.look(ctx, net, "look at "+j.split(), split, which, func(s shard.Sample, e router.Evidence) {
		j.evidence, j.samples = append(j.evidence, e), append(j.samples, s)
	})
}

func (j *judgement) split() string { return first(j.Split, "test") }

// unknown gathers the evidence about the outside pictures.
func (j *judgement) unknown(ctx context.Context, net *evidence.Network) error {
	if j.Outside == "" {
		return nil
	}
	names, err := pictureFiles(j.Outside)
	if err != nil {
		return err
	}
	for lo := 0; lo < len(names); lo += together {
		j.progress("look outside", int64(lo), int64(len(names)))
		some := names[lo:min(lo+together, len(names))]
		e, err := evidenceOf(ctx, net, len(some), func(i int) (*evidence.Picture, error) { return j.stranger(some[i]) })
		if err != nil {
			return err
		}
		j.outside, j.names = append(j.outside, e...), append(j.names, some...)
	}
	return nil
}

// stranger reads an outside picture.
func (j *judgement) stranger(name string) (*evidence.Picture, error) {
	file, err := os.ReadFile(filepath.Join(j.Outside, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	im, patches, err := j.View.Look(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &evidence.Picture{Image: im, Patches: patches}, nil
}

// pictureFiles returns the names of the pictures in a folder and below.
func pictureFiles(dir string) ([]string, error) {
	var names []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && slices.Contains([]string{".png", ".jpg", ".jpeg", ".webp"}, strings.ToLower(filepath.Ext(name))) {
			names = append(names, name)
		}
		return err
	})
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%s: no pictures (png, jpg, jpeg, webp)", dir)
	}
	return names, err
}

// outcomes returns what a rung decides about known and outside pictures.
func (j *judgement) outcomes(r router.Rung) (known, outside []eval.Outcome) {
	for i, s := range j.samples {
		e, _ := j.bundle.Table.ByLabel(s.Label)
		known = append(known, eval.Outcome{ID: s.ID, Image: s.Path, Expected: e.Name, Decision: j.bundle.Decide(r, j.evidence[i])})
	}
	for i, name := range j.names {
		outside = append(outside, eval.Outcome{ID: name, Image: name, Decision: j.bundle.Decide(r, j.outside[i])})
	}
	return known, outside
}

// compare lets the other router answer the same pictures.
func (j *judgement) compare(ctx context.Context) error {
	if j.Against == "" {
		return nil
	}
	q, err := j.questions(ctx, j.Dataset, j.split())
	if err != nil {
		return err
	}
	other, err := j.contestant(ctx, j.Against, route.Options{Models: j.Models(), Precision: precisionOf(j.Device)}, q)
	if err != nil {
		return err
	}
	known, _ := j.outcomes(j.bundle.Rung)
	j.comparison, err = compare(j.Name, contestant{answers: known}, j.Against, other)
	return err
}

// report measures every rung and reports about the one that the bundle routes
// by.
func (j *judgement) report(began time.Time) (*eval.Report, error) {
	b := j.bundle
	var ways []eval.Way
	for _, r := range b.Rungs() {
		known, outside := j.outcomes(r)
		m, err := eval.Measure(b.Table, known, outside)
		if err != nil {
			return nil, err
		}
		ways = append(ways, eval.Summary(string(r), m))
	}
	known, outside := j.outcomes(b.Rung)
	m, err := eval.Measure(b.Table, known, outside)
	if err != nil {
		return nil, err
	}
	c := b.Calibrations[b.Rung]
	mode := map[string]string{"test": "test", "val": "validation", "train": "train"}[j.split()]
	seen := map[string]string{"test": "none", "val": "early-stopping", "train": "train"}[j.split()]
	run := eval.Run{
		RunName: b.Run, DatasetName: b.Dataset, Checkpoint: j.path, CheckpointStep: b.Step,
		EvalMode: mode, Split: j.split(), SeenInTraining: seen, Timestamp: began.UTC().Format(time.RFC3339), DurationSeconds: time.Since(began).Seconds(),
		Rung: b.Rung, Temperature: c.Temperature, MinConfidence: c.MinConfidence, MaxDistance: c.MaxDistance, Spec: b.Spec,
		Settings: []eval.Setting{{Name: "base model", Value: b.Base}, {Name: "adapter", Value: first(b.Preset, "none")}, {Name: "device", Value: j.Device.Name()}},
	}
	if j.path == LinkedPath(j.Name) {
		run.ManifestName = b.Dataset
	}
	return eval.NewReport(run, b.Table, m, known, outside, ways, j.comparison), nil
}
