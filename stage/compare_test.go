package stage_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"mole/dataset"
	"mole/eval"
	"mole/router"
	"mole/stage"
)

// TestPromote runs the chain to its end; then a router that decides in another
// way, against the deployed one, on the same pictures.
func TestPromote(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	results, next := mustRun(t, promotion(w, router.Prototype))
	first := results["deploy"].(*stage.Promoted)
	if first.Deployed == nil || first.Why != "nothing is deployed" || next != "" {
		t.Fatalf("got %+v, next %q", first, next)
	}
	c := promotion(w, router.Linear)
	c.Train.Name, c.Eval.Against = "second", stage.DeployedRouter
	then, _ := mustRun(t, c)
	e := then["eval"].(*stage.Evaluated)
	got := *e.Report.Comparison
	if want := [3]any{"second", stage.DeployedRouter, 6}; [3]any{got.A, got.B, got.Total} != want || len(got.Seen()) != 0 {
		t.Fatalf("got %+v, want %v", got, want)
	}
	if !strings.Contains(e.Text, "second against deployed, on the same 6 images") {
		t.Errorf("the table is not in the text:\n%s", e.Text)
	}
	checkPromoted(t, then["deploy"].(*stage.Promoted), got)
	checkCompare(t, w, results["generate"].(*stage.Generated).Name, e)
}

// checkPromoted checks that a router is deployed if it has more right.
func checkPromoted(t *testing.T, p *stage.Promoted, c eval.Comparison) {
	t.Helper()
	if yes := c.OnlyA > c.OnlyB; yes != (p.Deployed != nil) || !strings.Contains(p.Why, "only the new one has right") {
		t.Errorf("got %+v for %+v", p, c)
	}
}

// promotion returns the whole chain.
func promotion(w *workshop, r router.Rung) *stage.Chain {
	c := w.chain(brief())
	c.Train.Settings.Rung, c.Until = r, "deploy"
	c.Deploy = &stage.Promote{Deploy: &stage.Deploy{Place: w.Place}}
	return c
}

// checkCompare compares the two runs as a command would.
func checkCompare(t *testing.T, w *workshop, set string, e *stage.Evaluated) {
	t.Helper()
	same := &stage.Compare{Place: w.Place, Dataset: set, A: "second", B: set + "/run"}
	got, err := same.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := e.Report.Results.Correct; got.BothRight+got.OnlyA != want {
		t.Errorf("served, the second router has %d right, evaluated %d", got.BothRight+got.OnlyA, want)
	}
	onTrain, err := (&stage.Compare{Place: w.Place, Dataset: set, Split: "train", A: "run", B: "second"}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"run was trained on 27 of these images", "second was trained on 27 of these images"}
	var text bytes.Buffer
	if err := onTrain.WriteText(&text, eval.TextOptions{}); err != nil || !slices.Equal(onTrain.Seen(), want) || !strings.Contains(text.String(), want[0]) {
		t.Errorf("got %q, %v in\n%s", onTrain.Seen(), err, &text)
	}
	for _, tt := range []struct {
		c    stage.Compare
		want string
	}{
		{stage.Compare{Dataset: set, A: "third", B: "run"}, "third: not there; want deployed, a run of the set, or DATASET/RUN"},
		{stage.Compare{Dataset: "none", A: "run", B: "second"}, "datasets/none: not there"},
		{stage.Compare{Dataset: set, Split: "dev", A: "run", B: "second"}, `split "dev", want test, val or train`},
	} {
		tt.c.Place = w.Place
		if _, err := tt.c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

// TestTrainMax trains on one sample of each expert, and calibrates on two.
func TestTrainMax(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	all, _ := mustRun(t, w.chain(brief()))
	s := brief()
	s.TrainMax, s.EvalMax = 3, 6
	c := w.chain(s)
	c.Train.Name = "few"
	few, _ := mustRun(t, c)
	b := few["train"].(*stage.Trained).Bundle
	if got := b.Calibrations[router.LoRA].Fit.Images; got != 6 {
		t.Errorf("calibrated on %d pictures, want 6", got)
	}
	if bytes.Equal(b.Weights, all["train"].(*stage.Trained).Bundle.Weights) {
		t.Error("the adapter is that of the whole set")
	}
}

// TestIncompleteSet checks that a routing set which lacks what is needed last is
// refused before the first step.
func TestIncompleteSet(t *testing.T) {
	from := draw(t)
	for want, spoil := range map[string]func(o *dataset.AssembleOptions){
		`no training sample of expert "` + small[1] + `"`: func(o *dataset.AssembleOptions) { o.Counts[small[1]] = 0 },
		"no validation samples":                           func(o *dataset.AssembleOptions) { o.Train, o.Val = 1, 0 },
	} {
		w := openWorkshop(t, t.TempDir(), from)
		c := w.chain(brief())
		spoil(&c.Generate.Options)
		_, err := c.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %s", err, want)
		}
		if _, err := os.Stat(w.LogDir(c.Train.Dataset, c.Train.Name)); err == nil {
			t.Errorf("%s: the run has begun", want)
		}
	}
}
