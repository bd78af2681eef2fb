package shard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/batch"
	"mole/dataset"
	"mole/vision"
)

// TestWorkers checks that neither the number of workers nor the memory decides
// a byte.
func TestWorkers(t *testing.T) {
	c := newCorpus(60)
	want := t.TempDir()
	o := testOptions()
	o.Workers = 1
	mustWrite(t, want, c, o)
	for _, tt := range []struct {
		workers int
		memory  int64
	}{{8, 0}, {3, 1}, {8, 200000}} {
		dir := t.TempDir()
		o.Workers, o.Memory = tt.workers, tt.memory
		mustWrite(t, dir, c, o)
		compare(t, load(t, dir), load(t, want))
	}
}

// TestResume ends a writer at random moments, and damages what it leaves, until
// one call gets through. The bytes are those of an undisturbed one.
func TestResume(t *testing.T) {
	c := newCorpus(60)
	undisturbed := t.TempDir()
	mustWrite(t, undisturbed, c, testOptions())
	want := load(t, undisturbed)
	random := rand.New(rand.NewPCG(1, 1))
	for range 5 {
		dir := t.TempDir()
		for i := 0; ; i++ {
			err := writeSome(t, dir, c, random.IntN(60)+10*i)
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if _, err := Open(os.DirFS(dir)); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("got %v for an unfinished folder", err)
			}
			disturb(t, dir, random)
		}
		compare(t, load(t, dir), want)
	}
}

// writeSome preprocesses until so many images and samples are done.
func writeSome(t *testing.T, dir string, c *corpus, n int) error {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := testOptions()
	o.Progress = func(Progress) {
		if n--; n == 0 {
			cancel()
		}
	}
	_, err := Write(ctx, dir, c.files, c.inputs(), o)
	return err
}

// disturb leaves a temporary file, and changes or removes a shard.
func disturb(t *testing.T, dir string, random *rand.Rand) {
	t.Helper()
	shards, err := filepath.Glob(filepath.Join(dir, "*", "*.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(filepath.Join(dir, ".00000.safetensors.1.safetensors-tmp"), []byte("half"), 0o666)
	if len(shards) > 0 {
		victim := shards[random.IntN(len(shards))]
		switch random.IntN(3) {
		case 0:
			err = errors.Join(err, os.Remove(victim))
		case 1:
			err = errors.Join(err, os.Truncate(victim, 100))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestKept checks that finished work is not done again.
func TestKept(t *testing.T) {
	c, dir := newCorpus(60), t.TempDir()
	if err := writeSome(t, dir, c, 15); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	first := Progress{}
	o := testOptions()
	o.Progress = func(p Progress) {
		if first.Phase == "" {
			first = p
		}
	}
	mustWrite(t, dir, c, o)
	if first.Phase != "images" || first.Done == 0 || first.Bytes == 0 || first.Total != 25 {
		t.Errorf("got %+v at first, want some images of 25 done", first)
	}
	o.Build = func(*dataset.Record, *vision.Patches) (batch.Example, error) {
		return batch.Example{}, errors.New("called again")
	}
	if _, err := Write(t.Context(), dir, c.files, nil, o); !errors.Is(err, ErrOther) {
		t.Errorf("got %v for other splits, want ErrOther", err)
	}
	c.files = nil
	mustWrite(t, dir, c, o) // all is done
}

func TestOther(t *testing.T) {
	c, dir := newCorpus(8), t.TempDir()
	o := testOptions()
	changes := map[string]func(o *Options){
		"input":  func(o *Options) { o.Input = "other" },
		"images": func(o *Options) { o.Vision.MaxPixels, o.Router = 8*1024, nil },
		"tokens": func(o *Options) { o.Tokenizer = "other" },
	}
	if err := writeSome(t, dir, c, 4); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for range 2 { // unfinished and finished
		for name, change := range changes {
			other := o
			change(&other)
			if _, err := Write(t.Context(), dir, c.files, c.inputs(), other); !errors.Is(err, ErrOther) {
				t.Errorf("%s: got %v, want ErrOther", name, err)
			}
		}
		mustWrite(t, dir, c, o)
	}
}

func TestMissingImages(t *testing.T) {
	c, dir := newCorpus(60), t.TempDir()
	for i := range 12 {
		delete(c.files, fmt.Sprintf("train/images/%d.png", i))
	}
	_, err := Write(t.Context(), dir, c.files, c.inputs(), testOptions())
	var problems *ImagesError
	if !errors.As(err, &problems) || problems.Count != 12 || len(problems.First) != 10 || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v, want 12 missing images", err)
	}
	checkErr(t, err, "12 of 25 images cannot be used:\n  train/images/0.png (train:1): file does not exist\n")
	checkErr(t, err, "\n  and 2 more")
}

// TestBrokenImage checks that a broken image is reported with all others, and
// that after it was mended the call succeeds.
func TestBrokenImage(t *testing.T) {
	c, dir := newCorpus(40), t.TempDir()
	whole := c.files["train/images/5.png"].Data
	c.files["train/images/5.png"].Data = whole[:len(whole)/2]
	text := c.files["val/images/1.png"].Data
	c.files["val/images/1.png"].Data = []byte("no picture")
	_, err := Write(t.Context(), dir, c.files, c.inputs(), testOptions())
	checkErr(t, err, "2 of 18 images cannot be used:\n  train/images/5.png (train:16): ")
	checkErr(t, err, "\n  val/images/1.png (val:4): ")
	c.files["train/images/5.png"].Data, c.files["val/images/1.png"].Data = whole, text
	mustWrite(t, dir, c, testOptions())
}

func TestRefusedRecords(t *testing.T) {
	label := 1
	change := func(f func(ex *batch.Example)) func(o *Options, c *corpus) {
		return func(o *Options, _ *corpus) {
			o.Build = func(rec *dataset.Record, im *vision.Patches) (batch.Example, error) {
				ex, err := build(rec, im)
				if rec.ID == "train-2" || rec.ID == "train-5" {
					f(&ex)
				}
				return ex, err
			}
		}
	}
	tests := []struct {
		name   string
		change func(o *Options, c *corpus)
		want   string
	}{
		{"label", func(_ *Options, c *corpus) { c.splits["train"][2].Metadata.Label = &label },
			"train:3: record train-2: metadata.label is 1, want 0, the label of calendar"},
		{"no label", func(_ *Options, c *corpus) { c.splits["val"][1].Metadata.Label = nil },
			"val:2: record val-1: metadata.label is missing"},
		{"expert", func(_ *Options, c *corpus) { c.splits["train"][0].Metadata.Adapter = "ocr" },
			`train:1: record train-0: metadata.adapter "ocr" is not in the router specification`},
		{"length", func(o *Options, _ *corpus) { o.MaxTokens = 7 }, "tokens, want at most 7"},
		{"labels", change(func(ex *batch.Example) { ex.Labels = ex.Labels[1:] }), "train:3: record train-2: 5 labels for 6 tokens"},
		{"no image", change(func(ex *batch.Example) { ex.Images = nil }), "train:3: record train-2: 0 images, want the one"},
		{"too few cells", change(func(ex *batch.Example) { ex.Tokens, ex.Labels = ex.Tokens[1:], ex.Labels[1:] }), "train:3: record train-2: "},
		{"nothing supervised", change(func(ex *batch.Example) { ex.Labels[4], ex.Labels[5] = -100, -100 }), "train:3: record train-2: no supervised token"},
		{"weight", change(func(ex *batch.Example) { ex.Weight = 2 }), "weight 2"},
		{"network", func(o *Options, _ *corpus) { o.Layout.Merge = 4 }, "merged by 2, want 4"},
		{"specification", func(o *Options, _ *corpus) { o.Vision.MaxPixels++ }, "the router specification wants"},
		{"input", func(o *Options, _ *corpus) { o.Input = "" }, "no digest of the input"},
		{"workers", func(o *Options, _ *corpus) { o.Workers = -1 }, "-1 workers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, c := testOptions(), newCorpus(20)
			tt.change(&o, c)
			dir := filepath.Join(t.TempDir(), "out")
			_, err := Write(t.Context(), dir, c.files, c.inputs(), o)
			checkErr(t, err, tt.want)
			checkErr(t, err, "preprocess to "+dir+": ")
		})
	}
}

// TestBrokenRecords checks that the error of a record ends the call, whenever
// it comes.
func TestBrokenRecords(t *testing.T) {
	c := newCorpus(20)
	for _, pass := range []int{1, 2} {
		n := 0
		var broken iter.Seq2[Source, error] = func(yield func(Source, error) bool) {
			n++
			for i, s := range c.splits["train"] {
				var err error
				if i == 7 && n == pass {
					err = errors.New("train.jsonl:4711: no JSON")
				}
				if !yield(s, err) {
					return
				}
			}
		}
		_, err := Write(t.Context(), t.TempDir(), c.files, []Input{{"train", broken}}, testOptions())
		checkErr(t, err, "split train: train.jsonl:4711: no JSON")
	}
}

func TestSplitNames(t *testing.T) {
	for _, name := range []string{"", "images", "../x", "a/b", "Train", strings.Repeat("a", 65)} {
		_, err := Write(t.Context(), t.TempDir(), nil, []Input{{name, records(nil)}}, testOptions())
		checkErr(t, err, "want a name that matches")
	}
	_, err := Write(t.Context(), t.TempDir(), nil, []Input{{"a", records(nil)}, {"a", records(nil)}}, testOptions())
	checkErr(t, err, `split "a" occurs twice`)
}

func TestEmpty(t *testing.T) {
	dir := t.TempDir()
	if _, err := Write(t.Context(), dir, nil, []Input{{"train", records(nil)}}, testOptions()); err != nil {
		t.Fatal(err)
	}
	p, err := mustOpen(t, os.DirFS(dir)).Split("train")
	if err != nil || p.Len() != 0 {
		t.Errorf("got %v, error %v, want no samples", p, err)
	}
}

// TestNoRoom checks that a shard that cannot be written is an error that leaves
// the folder for another call.
func TestNoRoom(t *testing.T) {
	c, dir := newCorpus(40), t.TempDir()
	taken := filepath.Join(dir, "images", "00001.safetensors")
	if err := os.MkdirAll(filepath.Join(taken, "x"), 0o777); err != nil {
		t.Fatal(err)
	}
	o := testOptions()
	o.Workers, o.Memory = 8, 200000 // others wait for memory meanwhile
	_, err := Write(t.Context(), dir, c.files, c.inputs(), o)
	checkErr(t, err, "00001.safetensors")
	if err := os.RemoveAll(taken); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, dir, c, testOptions())
}

// TestManifest checks what is done about a manifest of somebody else.
func TestManifest(t *testing.T) {
	c := newCorpus(8)
	for text, want := range map[string]string{
		"{":                                "remove the folder to begin anew",
		`{"version":1,"x":2}`:              "unknown field",
		`{"version":2}`:                    ErrOther.Error(),
		`{"version":1} {}`:                 "more than one JSON value",
		`{"version":1,"identity":"a b c"}`: ErrOther.Error(),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, manifestFile), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		_, err := Write(t.Context(), dir, c.files, c.inputs(), testOptions())
		checkErr(t, err, want)
	}
}
