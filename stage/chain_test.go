package stage_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mole/base"
	"mole/bundle"
	"mole/dataset"
	"mole/device/cpu"
	"mole/expert"
	"mole/history"
	"mole/stage"
	"mole/store"
	"mole/store/file"
	"mole/synth"
	"mole/train"
	"mole/view"
)

// small are the experts of the tests.
var small = []string{"calendar", "desktop", "login-window"}

// drawing is when the datasets of the tests were made.
var drawing = time.Date(2026, 1, 5, 11, 0, 0, 0, time.UTC)

// drawn is the folder of the experts' datasets of all tests, made once.
var drawn = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stage")
	if err != nil {
		return "", err
	}
	o := synth.Options{Experts: small, Images: 18, Tests: 1, Seed: 7, Scale: 0.25, Time: drawing, Workers: 2, ImageFormat: "png"}
	_, err = synth.Generate(context.Background(), dir, o, nil)
	return dir, err
})

// TestMain removes what the tests share.
func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv(chainDir) == "" {
		if dir, err := drawn(); err != nil || os.RemoveAll(dir) != nil {
			code = 1
		}
	}
	os.Exit(code)
}

// draw returns a folder of datasets of a few small pictures of each expert,
// which must not be changed.
func draw(t testing.TB) string {
	t.Helper()
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// workshop is what a chain needs beside its datasets.
type workshop struct {
	*stage.Place
	from string
	base *base.Base
	view *view.View
	dev  *cpu.Device
}

// openWorkshop opens the embedded network and a store in the folder dir.
func openWorkshop(t testing.TB, dir, from string) *workshop {
	t.Helper()
	w := &workshop{from: from}
	var rows []expert.Expert
	for i, name := range small {
		rows = append(rows, expert.Expert{Name: name, Label: i, Kind: expert.LoRA})
	}
	table, err := expert.NewTable(rows)
	if err != nil {
		t.Fatal(err)
	}
	s, err := file.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	w.Place = &stage.Place{State: dir, Store: s, Volumes: stage.Volumes{}.WithDefaults(), Experts: table}
	if w.base, err = base.Open(context.Background(), base.Tiny); err != nil {
		t.Fatal(err)
	}
	if w.dev, err = cpu.Open(cpu.Options{Workers: 2}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = w.base.Close(), w.dev.Close() })
	w.view = w.look(t, false)
	return w
}

// look returns a view of few tokens.
func (w *workshop) look(t testing.TB, userText bool) *view.View {
	t.Helper()
	v, err := view.New(view.Options{
		Experts: w.Experts, Tokenizer: w.base.Tokenizer, Base: w.base.Digest, Vision: w.base.Vision, MaxTokens: 16, UserText: userText,
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// chain returns the chain of a set of nine training samples and three of
// validation for each expert.
func (w *workshop) chain(s stage.Settings) *stage.Chain {
	counts := map[string]int{}
	for _, name := range small {
		counts[name] = 12
	}
	p := w.Place
	return &stage.Chain{
		Place: p,
		Generate: &stage.Generate{Place: p, From: w.from, Options: dataset.AssembleOptions{
			Seed: 3, Train: 0.75, Val: 0.25, TestPerAdapter: 2, Counts: counts,
		}},
		Upload:     &stage.Upload{Place: p, From: w.from},
		Preprocess: &stage.Preprocess{Place: p, Base: w.base, View: w.view, Workers: 2},
		Train:      &stage.Train{Place: p, Base: w.base, View: w.view, Device: w.dev, Settings: s, Name: "run"},
		Eval:       &stage.Eval{Place: p, Base: w.base, View: w.view, Device: w.dev},
		Until:      "train",
	}
}

// brief are settings of a run of a second.
func brief() stage.Settings {
	return stage.Settings{Preset: "tiny", Rank: 2, Alpha: 4, Batch: 4, Steps: 6, SaveEvery: 2, EvalEvery: 3, EvalMax: 6}
}

// mustRun runs a chain and returns the results by stage.
func mustRun(t testing.TB, c *stage.Chain) (results map[string]any, next string) {
	t.Helper()
	results = map[string]any{}
	c.After = func(name string, result any) error {
		results[name] = result
		return nil
	}
	next, err := c.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return results, next
}

// listing returns the names, sizes and times of all files below a folder.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		out = append(out, path+" "+info.ModTime().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// kept is listing without the locks, which every start takes.
func kept(t *testing.T, dir string) []string {
	t.Helper()
	return slices.DeleteFunc(listing(t, dir), func(name string) bool { return strings.Contains(name, ".lock") })
}

// TestChain runs the chain two times: the second does nothing (acceptance
// scenario 1 of the specification mole).
func TestChain(t *testing.T) {
	from := draw(t)
	w := openWorkshop(t, t.TempDir(), from)
	results, next := mustRun(t, w.chain(brief()))
	set := results["generate"].(*stage.Generated)
	files := kept(t, w.State)
	if want := "mole eval --dataset-name " + set.Name + " --run-name run"; next != want {
		t.Errorf("next: got %q, want %q", next, want)
	}
	if m := results["preprocess"].(*stage.Preprocessed).Meta; m.TrainSamples != 27 || m.ValSamples != 9 || m.TestSamples != 6 {
		t.Errorf("got %d, %d and %d samples, want 27, 9 and 6", m.TrainSamples, m.ValSamples, m.TestSamples)
	}
	weights := results["train"].(*stage.Trained).Bundle.Weights
	checkRung(t, results["train"].(*stage.Trained).Bundle)
	again, _ := mustRun(t, w.chain(brief()))
	if after := kept(t, w.State); !slices.Equal(after, files) {
		t.Errorf("the second start touched files: got %v, want %v", after, files)
	}
	for name, done := range map[string]bool{
		"generate": again["generate"].(*stage.Generated).Done, "upload": again["upload"].(*stage.Uploaded).Done,
		"preprocess": again["preprocess"].(*stage.Preprocessed).Done, "train": again["train"].(*stage.Trained).Done,
	} {
		if !done {
			t.Errorf("%s did its work again", name)
		}
	}
	if !bytes.Equal(again["train"].(*stage.Trained).Bundle.Weights, weights) {
		t.Error("the second start has another adapter")
	}
	if left, _ := filepath.Glob(filepath.Join(w.State, "work", "*", "*")); left != nil {
		t.Errorf("work under way was left: %v", left)
	}
}

// checkRung checks that a router decides in the way that does best on
// validation pictures.
func checkRung(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	c := b.Calibrations
	for _, r := range b.Rungs() {
		if c[r].Fit.Loss < c[b.Rung].Fit.Loss {
			t.Errorf("routes by %s, validation loss %v; %s has %v", b.Rung, c[b.Rung].Fit.Loss, r, c[r].Fit.Loss)
		}
	}
}

// TestReportStays evaluates, and then starts training again.
func TestReportStays(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	c := w.chain(brief())
	c.Until = "eval"
	results, _ := mustRun(t, c)
	if e := results["eval"].(*stage.Evaluated); e.Report.EvalSamples != 6 || e.HTML == "" || !strings.Contains(e.Text, "calendar") {
		t.Errorf("got %d samples, page %q, text\n%s", e.Report.EvalSamples, e.HTML, e.Text)
	}
	runs, err := history.Records{Volume: store.Volume{Store: w.Store, Name: w.Volumes.History}, Kind: history.Routers}.Read(t.Context())
	if err != nil || len(runs) != 1 || runs[0].DatasetSize.Eval != 6 || *runs[0].Metrics.EvalAccuracy != results["eval"].(*stage.Evaluated).Report.Accuracy.Overall {
		t.Errorf("history: got %+v, error %v, want one run with its accuracy", runs, err)
	}
	again, _ := mustRun(t, w.chain(brief()))
	if b := again["train"].(*stage.Trained).Bundle; b.Report == nil {
		t.Error("the report is gone")
	}
}

func TestChainPlan(t *testing.T) {
	dir := t.TempDir()
	w := openWorkshop(t, dir, draw(t))
	before := listing(t, dir)
	tests := []struct {
		name  string
		chain func(*stage.Chain)
		want  []string
	}{
		{"to train", func(*stage.Chain) {}, []string{
			"would run: mole generate", "would run: mole upload", "would run: mole preprocess", "would run: mole train --run-name run", "would follow: mole eval",
		}},
		{"one stage", func(c *stage.Chain) { c.From, c.NoChain, c.Preprocess.Dataset = "preprocess", true, "x" }, []string{
			"would run: mole preprocess --dataset-name x", "would follow: mole train --run-name run", "would follow: mole eval",
		}},
		{"without the first", func(c *stage.Chain) { c.Generate, c.Upload.Dir, c.Until = nil, "sets/x", "upload" }, []string{
			"would run: mole upload sets/x", "would follow: mole preprocess", "would follow: mole train --run-name run", "would follow: mole eval",
		}},
	}
	for _, tt := range tests {
		c := w.chain(brief())
		tt.chain(c)
		got, err := c.Plan()
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	if after := listing(t, dir); !slices.Equal(before, after) {
		t.Errorf("files were touched: got %v, want %v", after, before)
	}
	for name, change := range map[string]func(*stage.Chain){
		"want one of generate": func(c *stage.Chain) { c.From = "bake" },
		"the other way":        func(c *stage.Chain) { c.From, c.Until = "train", "upload" },
		"without stages":       func(c *stage.Chain) { *c = stage.Chain{Place: c.Place} },
	} {
		c := w.chain(brief())
		change(c)
		if _, err := c.Plan(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}

// TestStop ends the context in the middle of training; the rerun has the
// adapter of a run that was not stopped (acceptance scenario 9).
func TestStop(t *testing.T) {
	from := draw(t)
	whole := openWorkshop(t, t.TempDir(), from)
	results, _ := mustRun(t, whole.chain(brief()))
	want := results["train"].(*stage.Trained).Bundle.Weights

	w := openWorkshop(t, t.TempDir(), from)
	c := w.chain(brief())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c.Train.Report = func(s train.Step, _ stage.Settings) {
		if s.Index == 2 {
			cancel()
		}
	}
	if _, err := c.Run(ctx); err == nil || !strings.Contains(err.Error(), train.ErrStopped.Error()) {
		t.Fatalf("got %v, want %v", err, train.ErrStopped)
	}
	c = w.chain(brief())
	var steps []int
	c.Train.Report = func(s train.Step, _ stage.Settings) { steps = append(steps, s.Index) }
	results, _ = mustRun(t, c)
	if !slices.Equal(steps, []int{3, 4, 5}) {
		t.Errorf("got steps %v, want 3, 4 and 5", steps)
	}
	if !bytes.Equal(results["train"].(*stage.Trained).Bundle.Weights, want) {
		t.Error("the adapter of the stopped run differs")
	}
	if _, err := os.Stat(filepath.Join(w.LogDir(results["generate"].(*stage.Generated).Name, "run"), "eval_examples")); err != nil {
		t.Error(err)
	}
}
