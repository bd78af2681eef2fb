package stage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mole/batch"
	"mole/bundle"
	"mole/dataset"
	"mole/route"
	"mole/shard"
	"mole/spec"
	"mole/stage"
)

// preprocessed runs the chain up to preprocess and opens its result.
func preprocessed(t *testing.T, w *workshop) (*stage.Generated, *shard.Set) {
	t.Helper()
	c := w.chain(brief())
	c.Until = "preprocess"
	results, _ := mustRun(t, c)
	tree := results["preprocess"].(*stage.Preprocessed).Tree
	set, err := shard.Open(tree.FS(context.Background(), w.Store))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Close() })
	return results["generate"].(*stage.Generated), set
}

// TestSameInput compares what training reads with what serving makes of the
// picture's file: tokens, positions and pixels (acceptance scenario 3).
func TestSameInput(t *testing.T) {
	compared := 0
	for _, text := range []bool{false, true} {
		t.Run(fmt.Sprintf("instruction %v", text), func(t *testing.T) {
			w := openWorkshop(t, t.TempDir(), draw(t))
			w.view = w.look(t, text)
			generated, set := preprocessed(t, w)
			for name, records := range map[string]int{"train": len(generated.Set.Train), "val": len(generated.Set.Val), "test": len(generated.Set.Test)} {
				split, err := set.Split(name)
				if err != nil || split.Len() != records {
					t.Fatalf("%s: got %d samples, %v, want %d", name, split.Len(), err, records)
				}
				for i := range split.Len() {
					compareSample(t, w, set, split, i, generated)
					compared++
				}
			}
		})
	}
	if compared < 50 {
		t.Errorf("got %d samples, want 50 at least", compared)
	}
}

// compareSample makes a sample again as serving does.
func compareSample(t *testing.T, w *workshop, set *shard.Set, split *shard.Split, i int, generated *stage.Generated) {
	t.Helper()
	sample, err := split.Sample(i)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(w.from, filepath.FromSlash(sample.Path)))
	if err != nil {
		t.Fatal(err)
	}
	im, patches, err := w.view.Look(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := shard.ImageDigest(im); got != sample.Image {
		t.Errorf("%s: got picture %s, want %s", sample.ID, got, sample.Image)
	}
	stored, err := set.Patches(sample.Image)
	if err != nil || !slices.Equal(stored.Pixels, patches.Pixels) || stored.Grid != patches.Grid {
		t.Errorf("%s: pixels differ, %v", sample.ID, err)
	}
	question, err := w.view.Question(patches, asked(generated.Set, sample.ID))
	if err != nil {
		t.Fatal(err)
	}
	compareTokens(t, w, sample, question)
}

// asked returns the instruction of a record.
func asked(set *dataset.Routing, id string) string {
	for _, r := range slices.Concat(set.Train, set.Val, set.Test) {
		if r.ID == id {
			return strings.TrimSpace(strings.TrimPrefix(r.Prompt(), dataset.ImageMark))
		}
	}
	return ""
}

// compareTokens compares tokens and positions of a sample up to its answer with
// those of a question.
func compareTokens(t *testing.T, w *workshop, sample shard.Sample, question batch.Example) {
	t.Helper()
	n := len(question.Tokens)
	answer := slices.IndexFunc(sample.Labels, func(l int32) bool { return l != batch.Ignore })
	if answer != n || !slices.Equal(sample.Tokens[:n], question.Tokens) {
		t.Errorf("%s: the question differs", sample.ID)
	}
	layout := batch.Layout{ImageToken: w.base.Config.ImageToken, VideoToken: w.base.Config.VideoToken, Merge: w.base.Config.Vision.Merge}
	trained, err := batch.Pack(layout, []batch.Example{{Tokens: sample.Tokens, Labels: sample.Labels, Images: question.Images}})
	if err != nil {
		t.Fatal(err)
	}
	served, err := batch.Pack(layout, []batch.Example{question})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(trained.Pos[:n], served.Pos) {
		t.Errorf("%s: positions differ", sample.ID)
	}
}

// TestSplits is acceptance scenario 5: no picture in two splits, none with two
// labels, as many test samples of each expert as were asked for, and an error
// that says who has too few.
func TestSplits(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	_, set := preprocessed(t, w)
	places, tests := map[string]string{}, map[string]int{}
	for _, name := range []string{"train", "val", "test"} {
		for _, s := range samples(t, set, name) {
			place := fmt.Sprintf("%s with label %d", name, s.Label)
			if was, ok := places[s.Image]; ok && was != place {
				t.Errorf("picture %s is in %s and in %s", s.Path, was, place)
			}
			places[s.Image] = place
			tests[name+" "+s.Adapter]++
		}
	}
	for _, name := range small {
		if tests["test "+name] != 2 {
			t.Errorf("%s: got %d test samples, want 2", name, tests["test "+name])
		}
	}
	c := w.chain(brief())
	c.Generate.Options.Counts["desktop"] = 400
	_, err := c.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "desktop has ") || !strings.Contains(err.Error(), "needs 402") {
		t.Errorf("got %v, want who has too few, how many, and how many are needed", err)
	}
}

// samples returns the samples of a split.
func samples(t *testing.T, set *shard.Set, name string) []shard.Sample {
	t.Helper()
	split, err := set.Split(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []shard.Sample
	for i := range split.Len() {
		s, err := split.Sample(i)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// TestEvalServes compares what eval decided about each picture, from the shards
// and stored features, with what a router says that reads the picture's file.
// Then it changes one character of the prompt: everybody refuses (acceptance
// scenario 3).
func TestEvalServes(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	c := w.chain(brief())
	c.Until = "eval"
	results, _ := mustRun(t, c)
	trained, known := results["train"].(*stage.Trained), results["eval"].(*stage.Evaluated).Known
	r, err := route.Open(t.Context(), trained.Tree.FS(t.Context(), w.Store), route.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for _, o := range known {
		file, err := os.ReadFile(filepath.Join(w.from, filepath.FromSlash(o.Image)))
		if err != nil {
			t.Fatal(err)
		}
		a, err := r.Route(t.Context(), file, "")
		if err != nil || !slices.Equal(a.Probs, o.Decision.Probs) {
			t.Errorf("%s: got %v, error %v, want %v as in eval", o.Image, a.Probs, err, o.Decision.Probs)
		}
	}
	if len(known) != 6 {
		t.Errorf("got %d decisions, want 6", len(known))
	}
	otherPrompt(t, w, results["generate"].(*stage.Generated).Name, trained.Bundle)
}

// otherPrompt changes one character of the prompt of a router.
func otherPrompt(t *testing.T, w *workshop, set string, b *bundle.Bundle) {
	t.Helper()
	w.Experts[0].Description = "A calendaR" // the test's own table
	other := w.look(t, false)
	b.Experts[0].Description = w.Experts[0].Description
	for name, run := range map[string]func() error{
		"train": func() error {
			_, err := (&stage.Train{Place: w.Place, Dataset: set, Name: "run", Base: w.base, View: other, Device: w.dev, Settings: brief()}).Run(t.Context())
			return err
		},
		"eval": func() error {
			_, err := (&stage.Eval{Place: w.Place, Dataset: set, Name: "run", Base: w.base, View: other, Device: w.dev}).Run(t.Context())
			return err
		},
		"serve": func() error {
			dir := t.TempDir()
			if err := b.Write(dir); err != nil {
				return err
			}
			_, err := route.Open(t.Context(), os.DirFS(dir), route.Options{})
			return err
		},
	} {
		err := run()
		if !errors.As(err, new(*spec.MismatchError)) || !strings.Contains(err.Error(), "prompt_sha256") {
			t.Errorf("%s: got %v, want a mismatch of prompt_sha256", name, err)
		}
	}
}

// TestControl trains on labels without meaning: the router stays near chance,
// and one that may learn does not (acceptance scenario 6, in small).
func TestControl(t *testing.T) {
	s := brief()
	s.Rank, s.Alpha, s.Batch, s.Steps, s.EvalEvery, s.SaveEvery, s.EvalMax, s.Rate, s.Patience = 8, 16, 9, 20, 20, 20, 9, 4e-3, -1
	accuracy := map[bool]float64{}
	for _, shuffle := range []bool{false, true} {
		w := openWorkshop(t, t.TempDir(), draw(t))
		s.ShuffleLabels = shuffle
		c := w.chain(s)
		c.Until, c.Eval.Split = "eval", "val"
		results, _ := mustRun(t, c)
		accuracy[shuffle] = results["eval"].(*stage.Evaluated).Report.Accuracy.Overall
	}
	t.Logf("accuracy %v", accuracy)
	if accuracy[false] < 85 || accuracy[true] > 80 {
		t.Errorf("got %.0f %% with labels and %.0f %% with shuffled ones, want 85 at least and 80 at most", accuracy[false], accuracy[true])
	}
}
