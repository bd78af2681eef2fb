package stage_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/batch"
	"mole/dataset"
	"mole/eval"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/stage"
	"mole/store"
	"mole/train"
)

// expertTest returns the test of the expert that expertRun trains.
func (w *workshop) expertTest(t testing.TB) *stage.TestExpert {
	return &stage.TestExpert{Place: w.Place, Base: w.base, View: expertView(t, w.base, "login-window"), Device: w.dev, Most: 2}
}

func mustTestExpert(t testing.TB, e *stage.TestExpert) *stage.TestedExpert {
	t.Helper()
	out, err := e.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// training returns the volume of the experts' datasets.
func (w *workshop) training() store.Volume {
	return store.Volume{Store: w.Store, Name: w.Volumes.Training}
}

// adapterOf returns the weights of an expert's run.
func adapterOf(t *testing.T, w *workshop, out *stage.TrainedExpert) string {
	t.Helper()
	return string(read(t, out.Tree.FS(t.Context(), w.Store), lora.WeightsFile))
}

func stopped(err error) bool { return errors.Is(err, train.ErrStopped) }

// knowing answers every prompt with the next of some texts.
type knowing struct {
	texts []string
	w     *workshop
}

// Answer implements stage.Answerer.
func (k *knowing) Answer(_ context.Context, _ batch.Example, _ int) ([]int32, error) {
	text := k.texts[0]
	k.texts = append(k.texts[1:], text)
	return k.w.base.Tokenizer.EncodeAnswer(text), nil
}

// TestTestExpert tests an answerer that is right, and one that is not: the pass
// rule decides, and the report counts.
func TestTestExpert(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	run := w.expertRun(t)
	run.Settings.Steps, run.Settings.Batch = 1, 1
	out := mustTrainExpert(t, run)
	raw := os.DirFS(filepath.Join(w.from, out.Dataset))
	set, _, err := dataset.OpenExpert(raw, dataset.ExpertOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var right []string
	for _, test := range set.Tests {
		right = append(right, dataset.RenderCalls(test.ExpectedAction))
	}
	several := strings.Count(string(read(t, raw, "test/test.json")), `"tool_calls"`) // of which the expected action is one only
	if got := w.answering(t, right).Report.Results; got.Total != len(right) || got.Passed != len(right)-several {
		t.Errorf("got %+v, want all of %d but %d", got, len(right), several)
	}
	wantFailures(t, w.answering(t, []string{"I cannot"}), len(right))
}

// wantFailures checks the report about an expert that cannot.
func wantFailures(t *testing.T, got *stage.TestedExpert, all int) {
	t.Helper()
	if r := got.Report; r.Results.Passed != 0 || len(r.Failures) != all || r.Failures[0].Got != "I cannot" || !strings.Contains(r.Failures[0].Reason, "no <tool_call>") {
		t.Errorf("got %+v", r)
	}
	text, err := os.ReadFile(got.JSON)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := eval.ParseExpertReport(text); err != nil || r.Results.Passed != 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}

// answering tests an expert that answers with some texts in turn.
func (w *workshop) answering(t *testing.T, texts []string) *stage.TestedExpert {
	t.Helper()
	e := w.expertTest(t)
	e.Answerer = func(*qwen3vl.Net, int32) stage.Answerer { return &knowing{texts, w} }
	return mustTestExpert(t, e)
}

// TestTestExpertRefuses names an adapter that is nowhere.
func TestTestExpertRefuses(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	e := w.expertTest(t)
	e.From, e.Name = w.from, "nobody"
	_, err := e.Run(t.Context())
	wantError(t, err, "neither published")
}
