package history

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"mole/store"
	"mole/store/file"
)

// volume returns an empty volume.
func volume(t *testing.T, name string) store.Volume {
	t.Helper()
	s, err := file.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return store.Volume{Store: s, Name: name}
}

// appended returns records to which three runs were added at once, each twice.
func appended(t *testing.T) (Records, []Run) {
	t.Helper()
	r, ctx := Records{volume(t, "claimhawk-training-history"), "router"}, context.Background()
	if runs, err := r.Read(ctx); err != nil || len(runs) != 0 {
		t.Errorf("got %v, %v", runs, err)
	}
	var wg sync.WaitGroup
	for _, run := range examples(3) {
		run.ID = ID(run.DatasetName, run.RunName, noon)
		wg.Go(func() {
			for range 2 { // the second time changes nothing
				if err := r.Append(ctx, run); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	runs, err := r.Read(ctx)
	if err != nil || len(runs) != 3 {
		t.Fatalf("got %d runs, %v", len(runs), err)
	}
	return r, runs
}

func TestRecords(t *testing.T) {
	r, runs := appended(t)
	ctx := context.Background()
	name, err := r.Volume.Records("router/" + runs[0].ID + ".json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := store.ReadAll(ctx, r.Volume.Store, name, 1<<20)
	want, werr := runs[0].JSON()
	if err != nil || werr != nil || string(text) != string(want) {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
	for prefix, want := range map[string]bool{idPrefix(runs[1].DatasetName, runs[1].RunName): true, "other__": false} {
		if got, err := r.Has(ctx, prefix); got != want || err != nil {
			t.Errorf("%s: got %v, %v", prefix, got, err)
		}
	}
}

func TestRecordWithABadName(t *testing.T) {
	r, ctx := Records{volume(t, "v"), "router"}, context.Background()
	if err := r.Append(ctx, Run{ID: "../x"}); err == nil {
		t.Error("a name with dots was taken")
	}
	if runs, err := r.Read(ctx); err != nil || len(runs) != 0 {
		t.Errorf("got %v, %v: the list has what no file has", runs, err)
	}
}

// leftovers is what three runs left.
func leftovers() fstest.MapFS {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	const state = `{"global_step": 60, "max_steps": 200, "log_history": [{"step": 20, "eval_loss": 0.5}, {"step": 40, "eval_loss": 0.25}], "best_metric": null}`
	return fstest.MapFS{
		"checkpoints/datasets/routing_1/a/checkpoint-60/trainer_state.json": text(state),
		"checkpoints/datasets/routing_1/a/checkpoint-9/trainer_state.json":  text(`{"global_step": 9}`),
		"checkpoints/datasets/routing_1/a/final/adapter_config.json":        text(`{"r": 16, "lora_alpha": 32}`),
		"checkpoints/datasets/routing_1/a/eval_report.json":                 text(`{"timestamp": "2026-01-06T08:00:00", "eval_samples": 175, "accuracy": {"overall": 98.3, "per_class": {"ocr": null}}}`),
		"checkpoints/datasets/routing_1/a/cost_report.json":                 text(`{"cost": {"total_usd": 2.25}, "time": {"total_hours": 0.5}, "run_metadata": {"completion_time": "2026-01-05T12:00:00"}}`),
		"checkpoints/datasets/routing_1/a/train-results.json":               text(`{"dataset": {"train_samples": 5600, "val_samples": 1400}, "training": {"total_steps": 60, "learning_rate": 5e-05, "batch_size": 2}}`),
		"checkpoints/router_linked/b/final/adapter_config.json":             text(`{}`),
		"checkpoints/routing_2/c/eval-report.json":                          text(`{"accuracy": 3}`),
		"checkpoints/routing_2/note.txt":                                    text(""),
	}
}

// check compares what was found of the three runs.
func check(t *testing.T, found []Leftover) {
	t.Helper()
	if len(found) != 3 || found[1].Dataset != linked || found[2].Prefix() != "routing_2__c__" {
		t.Fatalf("got %+v", found)
	}
	run, err := found[0].Backfill(noon)
	if err != nil {
		t.Fatal(err)
	}
	text, err := run.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "backfilled.json", text)
	if _, err := found[1].Backfill(noon); !errors.Is(err, ErrNothingLeft) || !strings.HasPrefix(err.Error(), "checkpoints/router_linked/b: ") {
		t.Errorf("got %v", err)
	}
	if _, err := found[2].Backfill(noon); err == nil || !strings.Contains(err.Error(), "routing_2/c: eval-report.json: json") {
		t.Errorf("got %v", err)
	}
}

func TestBackfillFolders(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, leftovers()); err != nil {
		t.Fatal(err)
	}
	found, err := FindFolders(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	check(t, found)
	none, err := FindFolders(os.DirFS(filepath.Join(dir, "none")))
	if err != nil || len(none) != 0 {
		t.Errorf("got %v, %v", none, err)
	}
}

func TestBackfillPublished(t *testing.T) {
	v, ctx := volume(t, "moe-lora-data"), context.Background()
	all := leftovers()
	for _, p := range []string{"checkpoints/datasets/routing_1/a", "checkpoints/router_linked/b", "checkpoints/routing_2/c"} {
		sub, err := all.Sub(p)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := store.Add(ctx, v.Store, sub, store.AddOptions{})
		if err == nil {
			err = v.Publish(ctx, p, tree, store.Absent)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	found, err := FindPublished(ctx, v)
	if err != nil {
		t.Fatal(err)
	}
	check(t, found)
}

// TestBackfillLinked has runs on a manifest: one whose results name it, one whose
// results are broken.
func TestBackfillLinked(t *testing.T) {
	found, err := FindFolders(fstest.MapFS{
		"checkpoints/router_linked/a/train-results.json": &fstest.MapFile{Data: []byte(`{"dataset_name": "small", "run_name": "a"}`)},
		"checkpoints/router_linked/b/train-results.json": &fstest.MapFile{Data: []byte(`{`)},
	})
	if err != nil || len(found) != 2 || found[0].Prefix() != "small__a__" || found[1].Prefix() != linked+"__b__" {
		t.Errorf("got %+v, error %v", found, err)
	}
}

func TestFinal(t *testing.T) {
	s, err := ParseTrainerState([]byte(`{"log_history": [{"step": 2, "loss": 0.1}, {"step": 20, "eval_loss": 0.5}, {"step": 40, "epoch": 1.5, "eval_loss": 0.25, "eval_runtime": 2}, {"step": 60, "eval_loss": 0.25}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := s.Final(); !ok || m.Step != 40 || m.EvalLoss != 0.25 || m.Epoch != 1.5 || m.EvalRuntime == nil || *m.EvalRuntime != 2 {
		t.Errorf("got %+v, %v", m, ok)
	}
	if _, ok := new(TrainerState).Final(); ok {
		t.Error("a run without an evaluation has final metrics")
	}
}

// TestEvaluated checks that an evaluation stands in the place of the record of its
// run, once, in the same second too.
func TestEvaluated(t *testing.T) {
	r, runs := appended(t)
	run := runs[1]
	for _, accuracy := range []float64{97.5, 98, 98} { // the last one changes nothing
		if err := r.Evaluated(t.Context(), run.DatasetName, run.RunName, noon, 40, accuracy, map[string]*float64{"ocr": number(accuracy)}); err != nil {
			t.Fatal(err)
		}
		got, err := r.Read(t.Context())
		want := run
		want.ID, want.Timestamp, want.Supersedes = got[2].ID, got[2].Timestamp, got[2].Supersedes
		want.DatasetSize.Eval, want.Metrics.EvalAccuracy, want.Metrics.PerClassAccuracy = 40, number(accuracy), map[string]*float64{"ocr": number(accuracy)}
		if err != nil || len(got) != 3 || !reflect.DeepEqual(got[2], want) {
			t.Fatalf("got %+v, error %v, want %+v last", got, err, want)
		}
	}
	all, err := r.all(t.Context())
	if err != nil || len(all) != 5 || !hasPrefix(all, run.ID) {
		t.Errorf("got %+v, error %v, want three records and two that supersede others", all, err)
	}
}

// TestEvaluatedElsewhere evaluates a run that the list lacks.
func TestEvaluatedElsewhere(t *testing.T) {
	r, runs := appended(t)
	if err := r.Evaluated(t.Context(), "another", "run", noon, 1, 1, nil); err != nil {
		t.Error(err)
	}
	if got, err := r.Read(t.Context()); err != nil || len(got) != len(runs) {
		t.Errorf("got %+v, error %v, want what there was", got, err)
	}
}
