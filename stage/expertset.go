package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mole/dataset"
	"mole/store"
)

// expertSet is the dataset of an expert, wherever it lies.
type expertSet struct {
	*Place
	Expert  string
	Dataset string // name; the newest of the expert if empty. find and locate set it
	From    string // folder of the dataset, or of datasets; see TrainExpert.Run
	Lenient bool   // of records only screen and instruction matter
}

// find returns the published dataset, and publishes it before if it is one in a
// folder.
func (d *expertSet) find(ctx context.Context) (store.Tree, error) {
	dir, tree, err := d.locate(ctx)
	if err != nil || dir == "" {
		return tree, err
	}
	return d.publishFolder(ctx, dir)
}

// locate returns the folder of the dataset, or, where that is "", what is
// published. The error is a *noDataset if there is none of the expert.
func (d *expertSet) locate(ctx context.Context) (dir string, tree store.Tree, err error) {
	d.Dataset = dataset.BaseName(d.Dataset)
	dir = first(d.From, filepath.Join(d.State, "experts"))
	if holdsDataset(dir) {
		whole, err := filepath.Abs(dir)
		d.Dataset = first(d.Dataset, filepath.Base(whole))
		return dir, tree, err
	}
	if err := d.choose(ctx, dir); err != nil {
		return "", tree, err
	}
	if d.From == "" {
		tree, err := d.training().Tree(ctx, datasets+d.Dataset)
		if !errors.Is(err, fs.ErrNotExist) {
			return "", tree, err
		}
	}
	dir = filepath.Join(dir, d.Dataset)
	if !holdsDataset(dir) {
		return "", tree, fmt.Errorf("dataset %s of expert %s is neither on volume %s nor a folder: no train.jsonl in %s",
			d.Dataset, d.Expert, d.Volumes.Training, dir)
	}
	return dir, tree, nil
}

// datasets begins the paths of datasets on a volume.
const datasets = "datasets/"

// holdsDataset reports whether a folder is a dataset.
func holdsDataset(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "train.jsonl"))
	return err == nil
}

// publishFolder publishes the dataset in a folder, unless a record is broken.
func (d *expertSet) publishFolder(ctx context.Context, dir string) (store.Tree, error) {
	if _, _, err := dataset.OpenExpert(os.DirFS(dir), dataset.ExpertOptions{Name: d.Dataset, Lenient: d.Lenient}); err != nil {
		return store.Tree{}, err
	}
	u := &Upload{Place: d.Place}
	return u.publish(ctx, d.training(), dir, d.Dataset, &Uploaded{})
}

// noDataset says that an expert has no dataset.
type noDataset struct{ expert, volume, dir string }

// Error says where it was looked for, and how to make one.
func (e *noDataset) Error() string {
	return fmt.Sprintf("no dataset of expert %s, neither on volume %s nor in %s: mole synth --expert %s draws one of a built-in screen", e.expert, e.volume, e.dir, e.expert)
}

// choose takes the newest dataset of the expert, in the folder dir or, unless
// that was asked for, on the volume, if none is named.
func (d *expertSet) choose(ctx context.Context, dir string) error {
	if d.Dataset != "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil && (d.From != "" || !errors.Is(err, fs.ErrNotExist)) {
		return fmt.Errorf("datasets of the experts: %w", err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if d.From == "" {
		for e, err := range d.training().List(ctx, datasets) {
			if err != nil {
				return err
			}
			names = append(names, strings.TrimPrefix(e.Path, datasets))
		}
	}
	found := false
	if d.Dataset, found = dataset.Newest(names, d.Expert); !found {
		return &noDataset{d.Expert, d.Volumes.Training, dir}
	}
	return nil
}
