package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"mole/base"
	"mole/bundle"
	"mole/device"
	"mole/eval"
	"mole/lora"
	"mole/spec"
	"mole/store"
	"mole/view"
)

// DeployExpert makes an adapter the deployed one of an expert, or goes back to
// the one before, as [Deploy] does for routers: checked before, switched in one
// step (specification mole, 10). The adapter may come from elsewhere: a folder
// as PEFT writes it does.
type DeployExpert struct {
	*Place
	// Checkpoint is a path of the volume Training, VOLUME:PATH, or a folder of
	// this machine; or Dataset and Name narrow the runs of TrainExpert down.
	Checkpoint    string
	Dataset, Name string
	Latest        bool // of those that are left, the one that was completed last
	Rollback      bool // instead: the release before the deployed one
	// Force does without a report, deploys again what is deployed, and an adapter
	// that names another base model.
	Force       bool
	Accuracy    *float64 // on held-out tests, 0 to 1, of an adapter that has no report
	MinAccuracy float64  // what is known must not be less; 0 for any
	Base        *base.Base
	View        *view.Expert // names the expert
	Device      device.Accelerator
	Path        string // of what is deployed, where it is not ExpertPath
	Keep        int    // as in Deploy
}

// Run deploys. It returns an error that wraps [store.ErrChanged] if somebody
// else deployed meanwhile; nothing is changed then.
func (d *DeployExpert) Run(ctx context.Context) (*Deployed, error) {
	slot := d.expertSlot(d.View.Spec.Expert, d.Path)
	slot.keep, slot.open = first(d.Keep, keptReleases), d.open
	now, err := slot.now(ctx)
	switch {
	case err != nil:
		return nil, err
	case d.Rollback:
		return slot.rollback(ctx, now)
	}
	name, err := d.find(ctx)
	if err != nil {
		return nil, err
	}
	c, err := d.checkpoint(ctx, name)
	if err != nil {
		return nil, err
	}
	m, err := d.check(c)
	if err != nil {
		return nil, err
	}
	tree, err := c.release(ctx, d.Store)
	if err != nil {
		return nil, err
	}
	for _, f := range tree.Files {
		m.SHA256[f.Path] = f.Digest
	}
	return slot.replace(ctx, tree, m, now, d.Force)
}

// find returns the checkpoint to deploy.
func (d *DeployExpert) find(ctx context.Context) (string, error) {
	if d.Checkpoint != "" {
		return d.Checkpoint, nil
	}
	if !d.Latest && d.Name == "" && d.Dataset == "" {
		return "", errors.New("no adapter is named: want a checkpoint, a run, a dataset, or the latest")
	}
	runs, err := d.runs(ctx)
	who := d.View.Spec.Expert
	switch {
	case err != nil:
		return "", err
	case len(runs) == 0:
		return "", fmt.Errorf("%s:checkpoints: no run of expert %s; train it first", d.Volumes.Training, who)
	case len(runs) > 1 && !d.Latest:
		return "", fmt.Errorf("%s:checkpoints: several runs of expert %s, %s and %s the newest; name one, or take the latest",
			d.Volumes.Training, who, runs[0].path, runs[1].path)
	}
	return runs[0].path, nil
}

// runs returns the runs that are looked for, the newest first.
func (d *DeployExpert) runs(ctx context.Context) ([]candidate, error) {
	var all []candidate
	for e, err := range d.training().List(ctx, "checkpoints/") {
		if err != nil {
			return nil, err
		}
		done, ok, err := d.candidate(ctx, e.Path)
		if err != nil {
			return nil, fmt.Errorf("%s:%s: %w", d.Volumes.Training, e.Path, err)
		}
		if ok {
			all = append(all, candidate{e.Path, done})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return b.created.Compare(a.created) })
	return all, nil
}

// candidate returns when the run at a path was completed, if it is one of the
// expert that is looked for.
func (d *DeployExpert) candidate(ctx context.Context, at string) (done time.Time, ok bool, err error) {
	tree, err := d.training().Tree(ctx, at)
	if err != nil {
		return done, false, err
	}
	fsys := tree.FS(ctx, d.Store)
	text, err := fs.ReadFile(fsys, spec.ExpertFile)
	if err != nil {
		return done, false, ignoreAbsent(err)
	}
	if e, err := spec.ParseExpert(text); err != nil || e.Expert != d.View.Spec.Expert {
		return done, false, err
	}
	run, err := runOf(fsys)
	if err != nil || run == nil {
		return done, false, err
	}
	done, err = time.Parse(time.RFC3339, run.Completed)
	wanted := (d.Name == "" || d.Name == run.Name) && (d.Dataset == "" || strings.TrimPrefix(d.Dataset, "datasets/") == run.Dataset)
	return done, wanted, err
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ranAs is what a run says about itself: the part of run.json that others need.
type ranAs struct {
	Name      string `json:"run_name"`
	Dataset   string `json:"dataset_name"`
	Completed string `json:"completed"`
}

// runOf reads run.json; nil if there is none.
func runOf(fsys fs.FS) (*ranAs, error) {
	text, err := fs.ReadFile(fsys, runFile)
	if err != nil {
		return nil, ignoreAbsent(err)
	}
	r := &ranAs{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", runFile, err)
	}
	return r, nil
}

// check refuses an adapter that should not be deployed, and returns what its
// metadata begin with.
func (d *DeployExpert) check(c *checkpoint) (Metadata, error) {
	m := Metadata{Checkpoint: c.from, Base: d.Base.Name, Expert: d.View.Spec.Expert, Reads: c.reads, SHA256: map[string]string{}}
	run, err := runOf(c.fsys)
	if err != nil {
		return m, err
	}
	if run != nil {
		m.Run, m.Dataset = run.Name, run.Dataset
	}
	a, err := d.try(c)
	if err != nil {
		return m, err
	}
	if m.Accuracy, err = d.accuracy(c, a, run != nil); err != nil {
		err = fmt.Errorf("%s: %w", c.from, err)
	}
	return m, err
}

// try loads an adapter onto the base network. One that does not say what it was
// trained to read must name the network.
func (d *DeployExpert) try(c *checkpoint) (*lora.Adapter, error) {
	d.progress("try the adapter", 0, 1)
	if _, err := c.view(d.Base, d.View); err != nil {
		return nil, err
	}
	_, a, done, err := c.load(d.Base, d.Device)
	if err != nil {
		return nil, err
	}
	done()
	if named := a.Config.BaseModel; c.reads == nil && !d.Force && named != "" && !SameModel(named, d.Base.Name) {
		return nil, fmt.Errorf("%s: %w: it names %q, want %q", c.from, ErrOtherBase, named, d.Base.Name)
	}
	return a, nil
}

// open tries a release.
func (d *DeployExpert) open(ctx context.Context, tree store.Tree) error {
	c := &checkpoint{from: "release", fsys: tree.FS(ctx, d.Store), tree: tree}
	if err := c.read(); err != nil {
		return err
	}
	forced := *d
	forced.Force = true // it was deployed once
	_, err := forced.try(c)
	return err
}

// accuracy returns the share of held-out tests that an adapter passes, nil if
// nobody knows. One that was trained here has to have been tested, but for Force.
func (d *DeployExpert) accuracy(c *checkpoint, a *lora.Adapter, ours bool) (*float64, error) {
	known, err := d.Accuracy, error(nil)
	text, missing := fs.ReadFile(c.fsys, bundle.ReportFile)
	switch {
	case missing == nil:
		known, err = passed(text, a)
	case !errors.Is(missing, fs.ErrNotExist):
		err = missing
	case ours && known == nil && !d.Force:
		err = fmt.Errorf("no report about its tests (%w); mole test --expert %s makes one", missing, d.View.Spec.Expert)
	}
	if err == nil && d.MinAccuracy > 0 && (known == nil || *known < d.MinAccuracy) {
		err = fmt.Errorf("accuracy on held-out tests %s, want %.4g or more", shareText(known), d.MinAccuracy)
	}
	return known, err
}

// passed returns the share of tests that an adapter passed, by its report.
func passed(report []byte, a *lora.Adapter) (*float64, error) {
	r, err := eval.ParseExpertReport(report)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bundle.ReportFile, err)
	}
	if got := a.Digest(); r.Adapter != got {
		return nil, fmt.Errorf("%s: about an adapter %.12s, this one is %.12s", bundle.ReportFile, r.Adapter, got)
	}
	share := float64(r.Results.Passed) / float64(r.Results.Total)
	return &share, nil
}

func shareText(v *float64) string {
	if v == nil {
		return "is not known"
	}
	return fmt.Sprintf("%.4g", *v)
}

// release stores the files that a server reads: the two of the adapter, what it
// was trained to read, and the report, as far as they are there.
func (c *checkpoint) release(ctx context.Context, s store.Store) (store.Tree, error) {
	var files []store.File
	for _, name := range []string{lora.ConfigFile, lora.WeightsFile, spec.ExpertFile, bundle.ReportFile} {
		text, err := fs.ReadFile(c.fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return store.Tree{}, err
		}
		o, err := store.PutObject(ctx, s, bytes.NewReader(text))
		if err != nil {
			return store.Tree{}, err
		}
		files = append(files, store.File{Path: name, Digest: o.Digest, Size: o.Size})
	}
	return store.NewTree(files, nil)
}
