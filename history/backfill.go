package history

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"mole/store"
)

// Leftover is what a run left: its folder in checkpoints/.
type Leftover struct {
	Dataset, Run string
	Path         string // "checkpoints/datasets/DATASET/RUN"
	FS           fs.FS  // of the folder
}

// linked is the folder of runs on manifests.
const linked = "router_linked"

// newLeftover returns the run in a folder. That of a run on a manifest does not
// name the manifest: its results do, or nothing does.
func newLeftover(dataset, run, path string, fsys fs.FS) Leftover {
	var results *TrainResults
	if dataset == linked && read(fsys, &results, "train-results.json") == nil && results != nil {
		dataset = cmp.Or(results.DatasetName, dataset)
	}
	return Leftover{dataset, run, path, fsys}
}

// parsePath returns dataset and run of the path of a run's folder, in any
// layout: checkpoints/[datasets/]DATASET/RUN.
func parsePath(p string) (dataset, run string, ok bool) {
	rest, ok := strings.CutPrefix(p, "checkpoints/")
	if !ok {
		return "", "", false
	}
	dataset, run, ok = strings.Cut(strings.TrimPrefix(rest, "datasets/"), "/")
	return dataset, run, ok && dataset != "datasets" && !strings.Contains(run, "/")
}

// FindFolders returns the runs in the folder of a volume.
func FindFolders(fsys fs.FS) ([]Leftover, error) {
	var found []Leftover
	for _, pattern := range []string{"checkpoints/*/*", "checkpoints/datasets/*/*"} {
		paths, err := fs.Glob(fsys, pattern)
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			dataset, run, ok := parsePath(p)
			info, err := fs.Stat(fsys, p)
			if err != nil || !info.IsDir() || !ok || path.Dir(p) == "checkpoints/datasets" {
				continue // a file, or gone
			}
			sub, err := fs.Sub(fsys, p)
			if err != nil {
				return nil, err
			}
			found = append(found, newLeftover(dataset, run, p, sub))
		}
	}
	sortLeftovers(found)
	return found, nil
}

// FindPublished returns the runs that were published on a volume.
func FindPublished(ctx context.Context, v store.Volume) ([]Leftover, error) {
	var found []Leftover
	for e, err := range v.List(ctx, "checkpoints/") {
		if err != nil {
			return nil, err
		}
		dataset, run, ok := parsePath(e.Path)
		if !ok {
			continue
		}
		t, err := v.Tree(ctx, e.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, err
		}
		found = append(found, newLeftover(dataset, run, e.Path, t.FS(ctx, v.Store)))
	}
	sortLeftovers(found)
	return found, nil
}

// sortLeftovers sorts by path.
func sortLeftovers(list []Leftover) {
	slices.SortFunc(list, func(a, b Leftover) int { return cmp.Compare(a.Path, b.Path) })
}

// Prefix begins the ids of all records of the run.
func (l Leftover) Prefix() string { return idPrefix(l.Dataset, l.Run) }

// evalReport is what a record takes of an evaluation report (4.15).
type evalReport struct {
	Timestamp   string `json:"timestamp"`
	EvalSamples int    `json:"eval_samples"`
	Accuracy    struct {
		Overall  *float64            `json:"overall"`
		PerClass map[string]*float64 `json:"per_class"`
	} `json:"accuracy"`
}

// adapterConfig is what a record takes of adapter_config.json (4.12).
type adapterConfig struct {
	R     int `json:"r"`
	Alpha int `json:"lora_alpha"`
}

// ErrNothingLeft is the error of a run that left none of trainer state,
// evaluation report and results.
var ErrNothingLeft = errors.New("no trainer state, evaluation report or train results")

// Backfill makes the record of a run from what it left. At is the time for a
// run that left none.
func (l Leftover) Backfill(at time.Time) (Run, error) {
	run, err := l.backfill(at)
	if err != nil {
		return Run{}, fmt.Errorf("%s: %w", l.Path, err)
	}
	return run, nil
}

func (l Leftover) backfill(at time.Time) (Run, error) {
	step, checkpoint := l.newest()
	var state *TrainerState
	var report *evalReport
	var results *TrainResults
	var cost *CostReport
	var config *adapterConfig
	err := errors.Join(
		read(l.FS, &state, path.Join(checkpoint, "trainer_state.json"), "trainer_state.json"),
		read(l.FS, &report, "eval_report.json", "eval-report.json", "final/eval_report.json"),
		read(l.FS, &results, "train-results.json"),
		read(l.FS, &cost, "cost_report.json"),
		read(l.FS, &config, "final/adapter_config.json", path.Join(checkpoint, "adapter_config.json")),
	)
	if err != nil {
		return Run{}, err
	}
	if state == nil && report == nil && results == nil {
		return Run{}, ErrNothingLeft
	}
	r := Run{Type: "router", DatasetName: l.Dataset, RunName: l.Run, Backfilled: true}
	r.Metrics.TotalSteps = step
	r.takeResults(results)
	r.takeState(state)
	r.takeReport(report)
	r.takeCost(cost)
	if config != nil {
		r.Hyperparams.LoRARank, r.Hyperparams.LoRAAlpha = config.R, config.Alpha
	}
	r.date(at, results, report, cost)
	return r, nil
}

// newest returns the checkpoint with the highest step.
func (l Leftover) newest() (step int, folder string) {
	entries, err := fs.ReadDir(l.FS, ".")
	if err != nil {
		return 0, "." // reading says what is wrong
	}
	folder = "."
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), "checkpoint-")
		n, err := strconv.Atoi(digits)
		if ok && err == nil && n >= step && e.IsDir() {
			step, folder = n, e.Name()
		}
	}
	return step, folder
}

// maxJSON is the longest file that a record is made from, in bytes.
const maxJSON = 64 << 20

// read reads the first of the files that there is; to stays nil if there is
// none.
func read[T any](fsys fs.FS, to **T, names ...string) error {
	for _, name := range names {
		f, err := fsys.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		data, err := io.ReadAll(io.LimitReader(f, maxJSON))
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		v := new(T)
		if err := json.Unmarshal(data, v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*to = v
		return nil
	}
	return nil
}

// takeResults takes what train-results.json says.
func (r *Run) takeResults(t *TrainResults) {
	if t == nil {
		return
	}
	r.Metrics.TotalSteps = t.Training.TotalSteps
	r.DatasetSize = DatasetSize{Train: t.Dataset.TrainSamples, Val: t.Dataset.ValSamples}
	r.Hyperparams = Hyperparams{LoRARank: t.Training.LoRARank, LoRAAlpha: t.Training.LoRAAlpha, LearningRate: t.Training.LearningRate,
		BatchSize: t.Training.BatchSize, GradientAccumulationSteps: t.Training.GradientAccumulationSteps}
}

// takeState takes what the trainer's state says.
func (r *Run) takeState(s *TrainerState) {
	if s == nil {
		return
	}
	r.Metrics.TotalSteps = max(r.Metrics.TotalSteps, s.GlobalStep)
	r.Metrics.EarlyStopped = s.EarlyStopped()
	r.Metrics.ValLoss = known(s.BestEvalLoss())
}

// takeReport takes what the evaluation says.
func (r *Run) takeReport(e *evalReport) {
	if e == nil {
		return
	}
	r.DatasetSize.Eval = e.EvalSamples
	r.Metrics.EvalAccuracy, r.Metrics.PerClassAccuracy = e.Accuracy.Overall, e.Accuracy.PerClass
}

// takeCost takes what the cost report says.
func (r *Run) takeCost(c *CostReport) {
	if c == nil {
		return
	}
	r.Metrics.CostUSD, r.Metrics.TrainingTimeHours = known(c.Cost.TotalUSD), known(c.Time.TotalHours)
	r.Metrics.TotalSteps = max(r.Metrics.TotalSteps, c.Run.TotalSteps)
}

// date dates the record by the latest time that the run left.
func (r *Run) date(at time.Time, t *TrainResults, e *evalReport, c *CostReport) {
	var stamps []string
	if t != nil {
		stamps = append(stamps, t.CompletionTime)
	}
	if e != nil {
		stamps = append(stamps, e.Timestamp)
	}
	if c != nil {
		stamps = append(stamps, c.Run.CompletionTime)
	}
	latest := time.Unix(math.MinInt32, 0)
	for _, s := range stamps {
		s = s[:min(len(s), len(Layout))] // without fractions and zone
		if x, err := time.ParseInLocation(Layout, s, time.Local); err == nil && x.After(latest) {
			latest, at = x, x
		}
	}
	r.Timestamp, r.ID = at.Format(Layout), ID(r.DatasetName, r.RunName, at)
}

// Is reports whether this is the run of that name, of that dataset; the
// dataset's name may begin with "datasets/".
func (l Leftover) Is(dataset, run string) bool { return l.Prefix() == idPrefix(dataset, run) }
