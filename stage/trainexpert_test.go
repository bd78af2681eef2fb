package stage_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mole/base"
	"mole/batch"
	"mole/dataset"
	"mole/history"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/shard"
	"mole/spec"
	"mole/stage"
	"mole/store"
	"mole/train"
	"mole/view"
)

// expertView returns how an expert of the tests sees.
func expertView(t testing.TB, b *base.Base, name string) *view.Expert {
	t.Helper()
	v, err := view.NewExpert(view.ExpertOptions{Expert: name, Tokenizer: b.Tokenizer, Base: b.Digest, Vision: b.Vision, MaxTokens: 16})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// expertRun returns the training of an expert in a second.
func (w *workshop) expertRun(t testing.TB) *stage.TrainExpert {
	return &stage.TrainExpert{
		Place: w.Place, From: w.from, Base: w.base, View: expertView(t, w.base, "login-window"), Device: w.dev, Workers: 2,
		Settings: stage.Settings{Preset: "tiny", Rank: 2, Alpha: 4, Batch: 2, Steps: 3, SaveEvery: 1, EvalEvery: 3, EvalMax: 1},
	}
}

func mustTrainExpert(t testing.TB, e *stage.TrainExpert) *stage.TrainedExpert {
	t.Helper()
	out, err := e.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTrainExpert trains an expert on a dataset in a folder, finds the run again,
// and tests it: the report belongs to the run then, which is found all the same.
func TestTrainExpert(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	out := mustTrainExpert(t, w.expertRun(t))
	if out.Done || out.Steps != 3 || out.Loss == nil || out.Meta.TrainSamples < 16 || out.Name != stage.RunName(out.Dataset) {
		t.Errorf("got %+v", out)
	}
	wantExpertFiles(t, w, out)
	wantLine(t, w, out)
	if r := mustTestExpert(t, w.expertTest(t)).Report; r.Results.Total != 8 || r.Dataset != out.Dataset {
		t.Errorf("got %+v of %s", r.Results, r.Dataset)
	}
	again := w.expertRun(t)
	again.From, again.Dataset = "", "datasets/"+out.Dataset // now on the volume
	again.Report = func(train.Step, stage.Settings) { t.Error("it took a step again") }
	second := mustTrainExpert(t, again)
	if report := read(t, second.Tree.FS(t.Context(), w.Store), "report.json"); !second.Done || len(report) == 0 {
		t.Error("the run was not found with its report")
	}
	other := w.expertRun(t)
	other.Settings.Rank = 3
	_, err := other.Run(t.Context())
	wantError(t, err, "there is a run of that name already")
}

// wantExpertFiles checks what a run left: an adapter that loads, what it was
// trained to read, and the record.
func wantExpertFiles(t *testing.T, w *workshop, out *stage.TrainedExpert) {
	t.Helper()
	fsys := out.Tree.FS(t.Context(), w.Store)
	for _, name := range []string{"run.json", "trainer_state.json", "cost_report.json", "train-results.json"} {
		if text := read(t, fsys, name); len(text) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	if text := string(read(t, fsys, "run.json")); !strings.Contains(text, "expert_spec_sha256") {
		t.Errorf("run.json: %s", text)
	}
	got, err := spec.ParseExpert(read(t, fsys, spec.ExpertFile))
	if want := expertView(t, w.base, "login-window").Spec; err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	m, err := qwen3vl.New(w.dev, w.base.Config, w.base.Weights)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := lora.Decode(read(t, fsys, lora.ConfigFile), read(t, fsys, lora.WeightsFile), m.Sites()); err != nil {
		t.Error(err)
	}
}

// wantLine checks the history of the expert, and the event files of its run.
func wantLine(t *testing.T, w *workshop, out *stage.TrainedExpert) {
	t.Helper()
	list := history.Records{Volume: store.Volume{Store: w.Store, Name: w.Volumes.History}, Kind: "login-window"}
	if runs, err := list.Read(t.Context()); err != nil || len(runs) != 1 || runs[0].DatasetName != out.Dataset || runs[0].Type != "login-window" {
		t.Errorf("history: got %+v, %v", runs, err)
	}
	if _, err := os.Stat(filepath.Join(w.LogDir(out.Dataset, out.Name), "eval_examples")); err != nil {
		t.Error(err)
	}
}

// TestExpertLessons compares what was preprocessed with what is asked in tests
// and by a server: the same tokens before the answer.
func TestExpertLessons(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	run := w.expertRun(t)
	run.Settings.Steps, run.Settings.Batch = 1, 1
	out := mustTrainExpert(t, run)
	raw := os.DirFS(filepath.Join(w.from, out.Dataset))
	set, _, err := dataset.OpenExpert(raw, dataset.ExpertOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := w.training().Tree(t.Context(), "preprocessed/"+out.Dataset)
	if err != nil {
		t.Fatal(err)
	}
	shards, err := shard.Open(tree.FS(t.Context(), w.Store))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = shards.Close() }()
	v := expertView(t, w.base, "login-window")
	for i, sample := range samples(t, shards, "train") {
		r := set.Train[i]
		wantLesson(t, w, v, sample, read(t, raw, r.Image), strings.TrimPrefix(r.Conversations[0].Value, dataset.ImageMark), r.Conversations[1].Value)
	}
}

// wantLesson checks that a sample is what the expert is asked about a picture,
// and the answer, which alone has labels.
func wantLesson(t *testing.T, w *workshop, v *view.Expert, sample shard.Sample, picture []byte, instruction, answer string) {
	t.Helper()
	patches, err := v.Look(picture)
	if err != nil {
		t.Fatal(err)
	}
	question, err := v.Question(patches, instruction)
	if err != nil {
		t.Fatal(err)
	}
	n := len(question.Tokens)
	if !slices.Equal(sample.Tokens[:n], question.Tokens) || sample.Labels[n-1] != batch.Ignore || sample.Labels[n] == batch.Ignore {
		t.Errorf("%s: what was preprocessed is not what is asked", sample.ID)
	}
	if got, want := w.base.Tokenizer.Decode(sample.Tokens[n:], false), answer+"<|im_end|>\n"; got != want {
		t.Errorf("%s: got answer %q, want %q", sample.ID, got, want)
	}
}

// TestExpertStops stops a run after a step; the same call continues it to the
// bytes of one that was not stopped.
func TestExpertStops(t *testing.T) {
	whole := openWorkshop(t, t.TempDir(), draw(t))
	want := adapterOf(t, whole, mustTrainExpert(t, whole.expertRun(t)))
	w := openWorkshop(t, t.TempDir(), draw(t))
	ctx, stop := context.WithCancel(t.Context())
	e := w.expertRun(t)
	e.Report = func(s train.Step, _ stage.Settings) {
		if s.Index == 1 {
			stop()
		}
	}
	if _, err := e.Run(ctx); !stopped(err) {
		t.Fatalf("got %v, want %v", err, train.ErrStopped)
	}
	if got := adapterOf(t, w, mustTrainExpert(t, w.expertRun(t))); got != want {
		t.Error("the continued run has other weights")
	}
}

// TestTrainExpertBroken names the broken record of a dataset, and publishes
// nothing of it.
func TestTrainExpertBroken(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), copied(t))
	names, err := filepath.Glob(filepath.Join(w.from, "login-window*", "train.jsonl"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	edit(t, names[0], "left_click", "left_clack")
	_, err = w.expertRun(t).Run(t.Context())
	wantError(t, err, `train.jsonl:`)
	wantError(t, err, `action "left_clack"`)
	if listed := kept(t, w.State); len(listed) > 0 {
		t.Errorf("something was stored: %v", listed)
	}
}

// TestTrainExpertRefuses checks what is no dataset of the expert.
func TestTrainExpertRefuses(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	for want, change := range map[string]func(*stage.TrainExpert){
		"no dataset of expert calendar-2":                       func(e *stage.TrainExpert) { e.View = expertView(t, w.base, "calendar-2") },
		"dataset x of expert login-window is neither on volume": func(e *stage.TrainExpert) { e.Dataset = "x" },
		"shuffled labels is for routers":                        func(e *stage.TrainExpert) { e.Settings.ShuffleLabels = true },
		"name of the run":                                       func(e *stage.TrainExpert) { e.Name = "a//b" },
		"no such file":                                          func(e *stage.TrainExpert) { e.From = "nowhere" },
		"not enough memory":                                     func(e *stage.TrainExpert) { e.Memory = 1 << 20 },
	} {
		e := w.expertRun(t)
		change(e)
		_, err := e.Run(t.Context())
		wantError(t, err, want)
	}
}
