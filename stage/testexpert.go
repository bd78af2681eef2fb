package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"mole/base"
	"mole/bundle"
	"mole/dataset"
	"mole/device"
	"mole/eval"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/store"
	"mole/view"
)

// TestExpert lets an expert answer the tests of its dataset, greedily, and judges
// the answers by the pass rule (specification mole, 4.4).
type TestExpert struct {
	*Place
	Dataset    string // name; the newest of the expert if empty
	From       string // folder of the dataset, or of datasets, as in TrainExpert
	Name       string // of the run; made of the dataset's if empty
	Checkpoint string // adapter to test in place of the run's: a path of the volume Training, VOLUME:PATH, or a folder
	Base       *base.Base
	View       *view.Expert // of adapters that do not say what they were trained to read; names the expert
	Device     device.Accelerator
	Most       int    // tokens of an answer; 256
	Tests      int    // the first ones of the dataset; 0 for all
	Out        string // folder for the report; State/reports/DATASET/NAME
	// Answerer, if not nil, makes what answers with a net; end ends an answer.
	Answerer func(net *qwen3vl.Net, end int32) Answerer
}

// TestedExpert is what came of TestExpert.
type TestedExpert struct {
	Report *eval.ExpertReport
	Trials []eval.Trial // all of them
	JSON   string       // path of the report
}

// answerTokens is TestExpert.Most where it does not say.
const answerTokens = 256

// Run tests the expert, writes the report, and adds it to the run if it is one
// of TrainExpert and all tests were done.
func (t *TestExpert) Run(ctx context.Context) (*TestedExpert, error) {
	return alone(ctx, t.Place, "mole test", t.run)
}

func (t *TestExpert) run(ctx context.Context) (*TestedExpert, error) {
	began := time.Now()
	data := &expertSet{Place: t.Place, Expert: t.View.Spec.Expert, Dataset: t.Dataset, From: t.From}
	raw, err := data.find(ctx)
	if err != nil {
		return nil, err
	}
	t.Dataset, t.Name = data.Dataset, first(t.Name, RunName(data.Dataset))
	c, err := t.checkpoint(ctx, first(t.Checkpoint, ExpertCheckpointPath(t.Dataset, t.Name)))
	if err != nil {
		return nil, err
	}
	set, _, err := dataset.OpenExpert(raw.FS(ctx, t.Store), dataset.ExpertOptions{Name: t.Dataset})
	if err != nil {
		return nil, err
	}
	tests := set.Tests
	if t.Tests > 0 {
		tests = tests[:min(t.Tests, len(tests))]
	}
	out, adapter := &TestedExpert{}, ""
	if out.Trials, adapter, err = t.answers(ctx, c, raw.FS(ctx, t.Store), tests); err != nil {
		return nil, err
	}
	out.Report, err = eval.NewExpertReport(eval.ExpertRun{
		Expert: t.View.Spec.Expert, RunName: t.Name, Dataset: t.Dataset, Checkpoint: c.from, Adapter: adapter, Base: t.Base.Name,
		PromptID: t.View.Spec.PromptID, Timestamp: began.UTC().Format(time.RFC3339), Seconds: time.Since(began).Seconds(),
	}, out.Trials)
	if err != nil {
		return nil, fmt.Errorf("%s: test/test.json: %w", t.Dataset, err)
	}
	return out, t.keep(ctx, c, out, len(tests) == len(set.Tests))
}

// answers lets the expert answer tests.
func (t *TestExpert) answers(ctx context.Context, c *checkpoint, raw fs.FS, tests []dataset.Test) (trials []eval.Trial, digest string, err error) {
	v, err := c.view(t.Base, t.View)
	if err != nil {
		return nil, "", err
	}
	net, a, done, err := c.load(t.Base, t.Device)
	if err != nil {
		return nil, "", err
	}
	defer done()
	own := &greedy{model: net.Model, adapter: a, end: v.End()}
	defer own.close()
	var answerer Answerer = own
	if t.Answerer != nil {
		answerer = t.Answerer(net, v.End())
	}
	for i, test := range tests {
		t.progress("test "+v.Spec.Expert, int64(i), int64(len(tests)))
		trial, err := t.try(ctx, answerer, v, raw, test)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", test.ID, err)
		}
		trials = append(trials, trial)
	}
	return trials, a.Digest(), nil
}

// try lets the expert answer one test.
func (t *TestExpert) try(ctx context.Context, answerer Answerer, v *view.Expert, raw fs.FS, test dataset.Test) (eval.Trial, error) {
	trial := eval.Trial{
		ID: test.ID, Picture: path.Join("test", test.Screenshot), TaskType: test.Metadata.TaskType, Prompt: test.Prompt, Expected: test.ExpectedAction.Render(),
	}
	file, err := fs.ReadFile(raw, trial.Picture)
	if err != nil {
		return trial, err
	}
	patches, err := v.Look(file)
	if err != nil {
		return trial, fmt.Errorf("%s: %w", trial.Picture, err)
	}
	question, err := v.Question(patches, test.Prompt)
	if err != nil {
		return trial, err
	}
	tokens, err := answerer.Answer(ctx, question, first(t.Most, answerTokens))
	if err != nil {
		return trial, err
	}
	trial.Got = t.Base.Tokenizer.Decode(tokens, false)
	trial.Passed, trial.Reason = dataset.Pass(test, trial.Got)
	return trial, nil
}

// keep writes the report, and publishes the run with it if it is about all of
// the tests.
func (t *TestExpert) keep(ctx context.Context, c *checkpoint, out *TestedExpert, all bool) error {
	text, err := out.Report.JSON()
	if err != nil {
		return err
	}
	dir := first(t.Out, filepath.Join(t.State, "reports", t.Dataset, t.Name))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	out.JSON = filepath.Join(dir, bundle.ReportFile)
	if err := replaceFile(out.JSON, text); err != nil || !all || c.path == "" {
		return err
	}
	whole, err := t.training().Tree(ctx, c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a part of what was published
	}
	if _, plain := whole.File(lora.ConfigFile); err != nil || !plain {
		return err
	}
	return t.addReport(ctx, t.training(), c.path, whole, text)
}

// addReport publishes a tree again, with a report.
func (p *Place) addReport(ctx context.Context, v store.Volume, path string, tree store.Tree, report []byte) error {
	o, err := store.PutObject(ctx, p.Store, bytes.NewReader(report))
	if err != nil {
		return err
	}
	with, err := without(tree, bundle.ReportFile)
	if err == nil {
		with, err = store.NewTree(append(with.Files, store.File{Path: bundle.ReportFile, Digest: o.Digest, Size: o.Size}), tree.Meta)
	}
	if err != nil {
		return err
	}
	return v.Publish(ctx, path, with, store.Always)
}
