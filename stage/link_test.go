package stage_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mole/dataset"
	"mole/stage"
	"mole/store"
)

// link returns a link of eight samples of each expert, and two held out.
func (w *workshop) link() *stage.Link {
	counts := map[string]int{}
	for _, name := range small {
		counts[name] = 8
	}
	return &stage.Link{Place: w.Place, From: w.from, Options: dataset.LinkOptions{Counts: counts, Tests: 2, Seed: 3, Workers: 2}}
}

// mustLink makes a manifest.
func mustLink(t *testing.T, l *stage.Link) *stage.LinkedSet {
	t.Helper()
	out, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// routeB returns the chain of a manifest, up to eval.
func (w *workshop) routeB(name string) *stage.Chain {
	c := w.chain(brief())
	c.Generate, c.Upload, c.Until = nil, nil, "eval"
	c.Preprocess.Dataset, c.Train.Dataset = name, name
	return c
}

// TestLinkedChain links, trains, evaluates and deploys.
func TestLinkedChain(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	linked := mustLink(t, w.link())
	m := linked.Manifest
	results, _ := mustRun(t, w.routeB(m.Name))
	if got := results["preprocess"].(*stage.Preprocessed); !got.Linked || got.Meta.TrainSamples != m.Totals.Train || got.Meta.TestSamples != m.Totals.Test {
		t.Errorf("preprocessed linked %v, %d to train, %d to test; the manifest has %+v", got.Linked, got.Meta.TrainSamples, got.Meta.TestSamples, m.Totals)
	}
	checkHeldOut(t, m, results["eval"].(*stage.Evaluated))
	checkDeploys(t, w, m)
	if tree := results["train"].(*stage.Trained).Tree; !slices.ContainsFunc(tree.Files, func(f store.File) bool { return f.Path == "final_metrics.json" }) {
		t.Error("no final_metrics.json")
	}
	again, _ := mustRun(t, w.routeB(m.Name))
	if !mustLink(t, w.link()).Done || !again["train"].(*stage.Trained).Done || again["train"].(*stage.Trained).Bundle.Report == nil {
		t.Error("the second start did its work again, or lost the report")
	}
}

// checkDeploys deploys a run on a manifest, and compares it with itself.
func checkDeploys(t *testing.T, w *workshop, m *dataset.LinkManifest) {
	t.Helper()
	d, err := (&stage.Deploy{Place: w.Place, Latest: true}).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.Metadata.Dataset != m.Name || !strings.HasSuffix(d.Metadata.Checkpoint, ":"+stage.LinkedPath("run")) {
		t.Errorf("deployed %s of %s", d.Metadata.Checkpoint, d.Metadata.Dataset)
	}
	c := &stage.Compare{Place: w.Place, Dataset: m.Name, A: "run", B: stage.DeployedRouter}
	if got, err := c.Run(t.Context()); err != nil || got.BothRight+got.NoneRight != m.Totals.Test || got.SeenA != 0 {
		t.Errorf("compared with itself: %+v, %v", got, err)
	}
}

// checkHeldOut checks that an evaluation asked about exactly the samples that a
// manifest holds out.
func checkHeldOut(t *testing.T, m *dataset.LinkManifest, e *stage.Evaluated) {
	t.Helper()
	if r := e.Report; r.ManifestName != m.Name || r.Checkpoint != stage.LinkedPath("run") || r.SeenInTraining != "none" {
		t.Errorf("report about manifest %q, %s, seen %s", r.ManifestName, r.Checkpoint, r.SeenInTraining)
	}
	var want, got []string
	for name, x := range m.Experts {
		for _, id := range x.SampleIDs.Test {
			want = append(want, name+" "+id)
		}
	}
	for _, o := range e.Known {
		got = append(got, o.Expected+" "+o.ID)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || len(want) != 2*len(small) {
		t.Errorf("evaluated %v, want %v", got, want)
	}
}

// TestLinkChanged changes a dataset after it was linked.
func TestLinkChanged(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	m := mustLink(t, w.link()).Manifest
	v := store.Volume{Store: w.Store, Name: w.Volumes.Training}
	path := "datasets/" + m.Experts["desktop"].Dataset
	tree, err := v.Tree(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	tree, err = store.NewTree(slices.DeleteFunc(tree.Files, func(f store.File) bool { return f.Path == "held_out.jsonl" || f.Path == "data.jsonl" }), tree.Meta)
	if err == nil {
		err = v.Publish(t.Context(), path, tree, store.Always)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.routeB(m.Name).Run(t.Context())
	if !errors.Is(err, stage.ErrStale) || !strings.Contains(err.Error(), m.Experts["desktop"].Dataset) {
		t.Errorf("got %v, want %v and the dataset's name", err, stage.ErrStale)
	}
	l := w.link()
	l.From, l.Options.Name = "", "next" // of what is published now
	if mustLink(t, l).Done {
		t.Error("the old manifest was taken for the changed dataset")
	}
}

// TestLinkLabels gives an expert of a manifest another label.
func TestLinkLabels(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	m := mustLink(t, w.link()).Manifest
	few, err := w.LinkedExperts(t.Context(), m.Name)
	if err != nil || !slices.Equal(few.Names(), small) {
		t.Errorf("experts %v, error %v", few, err)
	}
	w.Experts[0].Label, w.Experts[1].Label = 1, 0
	if _, err := w.routeB(m.Name).Run(t.Context()); !errors.Is(err, stage.ErrStale) || !strings.Contains(err.Error(), "expert "+small[0]+" has label 0 there") {
		t.Errorf("got %v", err)
	}
}

func TestLinkDry(t *testing.T) {
	dir := t.TempDir()
	w := openWorkshop(t, dir, draw(t))
	l := w.link()
	l.Dry = true
	before := kept(t, dir)
	if m := mustLink(t, l).Manifest; m.Totals.Test != 2*len(small) {
		t.Errorf("got totals %+v", m.Totals)
	}
	if after := kept(t, dir); !slices.Equal(before, after) {
		t.Errorf("files were touched: got %v, want %v", after, before)
	}
}

// TestLinkMissing links where one expert has no dataset.
func TestLinkMissing(t *testing.T) {
	from := t.TempDir()
	for _, name := range small[:2] {
		d, err := filepath.Glob(filepath.Join(draw(t), name+"--*"))
		if err == nil {
			err = os.CopyFS(filepath.Join(from, filepath.Base(d[0])), os.DirFS(d[0]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w := openWorkshop(t, t.TempDir(), from)
	out := mustLink(t, w.link())
	if got := slices.Sorted(maps.Keys(out.Manifest.Experts)); !slices.Equal(got, small[:2]) || !slices.Equal(out.Missing, small[2:]) {
		t.Errorf("linked %v, missing %v", got, out.Missing)
	}
	for want, change := range map[string]func(*stage.Link){
		"no dataset of expert login-window": func(l *stage.Link) { l.RequireAll = true },
		`expert "dance"`:                    func(l *stage.Link) { l.Only = []string{"dance"} },
		"no dataset of any expert":          func(l *stage.Link) { l.Only = small[2:] },
		"the folder above it":               func(l *stage.Link) { l.From = filepath.Join(from, out.Manifest.Experts[small[0]].Dataset) },
		"another manifest of that name":     func(l *stage.Link) { l.Options.Name, l.Options.Seed = out.Manifest.Name, 9 },
	} {
		l := w.link()
		change(l)
		if _, err := l.Run(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestLinkBytes links with different numbers of workers.
func TestLinkBytes(t *testing.T) {
	var texts []string
	for _, workers := range []int{1, 3} {
		w := openWorkshop(t, t.TempDir(), draw(t))
		l := w.link()
		l.Options.Name, l.Options.Workers, l.Dry = "fixed", workers, true
		m := mustLink(t, l).Manifest
		m.Created = ""
		text, err := m.JSON()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if texts[0] != texts[1] {
		t.Error("the manifest depends on the number of workers")
	}
}
