package shard

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"mole/batch"
	"mole/dataset"
	"mole/spec"
	"mole/vision"
)

// Tokens of the examples in these tests.
const (
	imageToken = 7
	videoToken = 8
	eot        = 9
)

// corpus is a drawn dataset.
type corpus struct {
	files  fstest.MapFS
	splits map[string][]Source
}

// draw returns a PNG file. Equal numbers give equal pictures.
func draw(w, h, number int) []byte {
	im := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			im.Set(x, y, color.RGBA{uint8(x * number), uint8(y + number), uint8(x ^ y), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, im); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

// newCorpus returns a dataset of n training and n/4 validation records. Three
// records in a row show one image, and of five image files two are equal.
func newCorpus(n int) *corpus {
	c := &corpus{fstest.MapFS{}, map[string][]Source{}}
	for _, s := range []struct {
		name string
		n    int
	}{{"train", n}, {"val", n / 4}} {
		for i := range s.n {
			number := i / 3
			name := fmt.Sprintf("%s/images/%d.png", s.name, number)
			if number%5 == 4 {
				number--
			}
			if s.name == "val" {
				number += 1000
			}
			c.files[name] = &fstest.MapFile{Data: draw(60+number%3*40, 70, number)}
			label := i % 2
			c.splits[s.name] = append(c.splits[s.name], Source{dataset.Record{
				ID: fmt.Sprintf("%s-%d", s.name, i), Image: name,
				Metadata: dataset.Metadata{Adapter: []string{"calendar", "desktop"}[label], Label: &label, SplitGroup: "g", TaskType: "click"},
			}, i + 1})
		}
	}
	return c
}

// inputs returns the splits of c.
func (c *corpus) inputs() []Input {
	return []Input{{"train", records(c.splits["train"])}, {"val", records(c.splits["val"])}}
}

// records yields sources without an error.
func records(list []Source) iter.Seq2[Source, error] {
	return func(yield func(Source, error) bool) {
		for _, s := range list {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// build makes an example of as many tokens as the record's line says.
func build(rec *dataset.Record, im *vision.Patches) (batch.Example, error) {
	ex := batch.Example{Images: []*vision.Patches{im}}
	for range im.Grid.Tokens(2) {
		ex.Tokens = append(ex.Tokens, imageToken)
		ex.Labels = append(ex.Labels, batch.Ignore)
	}
	ex.Tokens = append(ex.Tokens, int32(10+*rec.Metadata.Label), eot)
	ex.Labels = append(ex.Labels, int32(10+*rec.Metadata.Label), eot)
	return ex, nil
}

// testOptions returns settings with small shards.
func testOptions() Options {
	v := vision.DefaultOptions()
	v.MinPixels, v.MaxPixels = 4*1024, 16*1024
	return Options{
		Input: "abc", Dataset: "routing_20250101_000000", Model: "tiny",
		Router: &spec.Router{
			Version: spec.Version, Labels: spec.Labels{"calendar": 0, "desktop": 1},
			Image: spec.Image{Patch: 16, Merge: 2, MinTokens: 4, MaxTokens: 16, Resample: "bicubic-torchvision"},
		},
		Vision: v, Layout: batch.Layout{ImageToken: imageToken, VideoToken: videoToken, Merge: 2},
		Build: build, Tokenizer: "t", Processor: "p", RUVersion: 2, ShardBytes: 40000, Workers: 2,
	}
}

// mustWrite preprocesses c into a folder.
func mustWrite(t *testing.T, dir string, c *corpus, o Options) *Meta {
	t.Helper()
	m, err := Write(t.Context(), dir, c.files, c.inputs(), o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mustOpen opens a folder.
func mustOpen(t *testing.T, fsys fs.FS) *Set {
	t.Helper()
	s, err := Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// load returns the files of a folder.
func load(t *testing.T, dir string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	fsys := os.DirFS(dir)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		out[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// compare checks that two folders have the same files.
func compare(t *testing.T, got, want fstest.MapFS) {
	t.Helper()
	for name, w := range want {
		if g := got[name]; g == nil {
			t.Errorf("no %s", name)
		} else if !bytes.Equal(g.Data, w.Data) {
			t.Errorf("%s differs", name)
		}
	}
	for name := range got {
		if want[name] == nil {
			t.Errorf("unexpected %s", name)
		}
	}
}

// checkErr checks that an error contains a text.
func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestRoundTrip compares every sample and picture with its origin, through a
// folder and through files in memory.
func TestRoundTrip(t *testing.T) {
	c, dir, o := newCorpus(40), t.TempDir(), testOptions()
	m := mustWrite(t, dir, c, o)
	for name, fsys := range map[string]fs.FS{"folder": os.DirFS(dir), "memory": load(t, dir)} {
		s := mustOpen(t, fsys)
		if s.Meta.Identity != m.Identity || s.Vision() != o.Vision {
			t.Errorf("%s: got %+v", name, s.Meta)
		}
		for split, list := range c.splits {
			compareSplit(t, s, split, list, c, o)
		}
	}
}

// compareSplit compares the samples of a split with their records.
func compareSplit(t *testing.T, s *Set, split string, list []Source, c *corpus, o Options) {
	t.Helper()
	p, err := s.Split(split)
	if err != nil || p.Len() != len(list) {
		t.Fatalf("got %v, error %v, want %d samples", p, err, len(list))
	}
	for i, rec := range list {
		got, err := p.Sample(i)
		if err != nil {
			t.Fatal(err)
		}
		im, err := s.Patches(got.Image)
		if err != nil {
			t.Fatal(err)
		}
		wantImage, err := vision.Process(c.files[rec.Image].Data, vision.Decoding{}, o.Vision)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantImage, im); diff != "" {
			t.Errorf("sample %d: other patches than of its file: %.200s", i, diff)
		}
		ex, _ := build(&rec.Record, im)
		want := Sample{
			ID: rec.ID, Tokens: ex.Tokens, Labels: ex.Labels, Image: got.Image, Path: rec.Image, Line: i + 1,
			Adapter: rec.Metadata.Adapter, Label: i % 2, TaskType: "click", SplitGroup: "g",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sample %d: want -, got +\n%s", i, diff)
		}
	}
	if _, err := p.Sample(len(list)); err == nil {
		t.Error("a sample beyond the last was found")
	}
}

func TestMeta(t *testing.T) {
	c, dir := newCorpus(40), t.TempDir()
	m := mustWrite(t, dir, c, testOptions())
	got := []int{m.TrainSamples, m.ValSamples, m.TestSamples, m.Images.Samples, m.Images.Files, m.Images.Distinct, m.Images.Other}
	// 14 and 4 files, of which two of split train equal the file before.
	if want := []int{40, 10, 0, 50, 18, 16, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if m.RouterSHA256 != testOptions().Router.Hash() {
		t.Errorf("got hash %s, want the router's", m.RouterSHA256)
	}
	if n := len(m.filesOf(imageFolder)); n < 3 {
		t.Errorf("got %d shards of pictures, want several", n)
	}
	for _, f := range m.Files {
		if path.Dir(f.Path) == imageFolder && f.Path != indexFile && f.Bytes > 2*40000 {
			t.Errorf("%s has %d bytes, want about 40000", f.Path, f.Bytes)
		}
	}
}

func TestLengths(t *testing.T) {
	c, dir := newCorpus(40), t.TempDir()
	s := mustWrite(t, dir, c, testOptions()).Splits[0]
	total := 0
	for _, b := range s.Lengths.Bins {
		total += b.Count
	}
	if total != 40 || s.Supervised != 80 || s.Lengths.Min != 6 || s.Lengths.Max != 10 {
		t.Errorf("got %+v, want 40 samples of 2 supervised tokens", s)
	}
	for _, tt := range []struct{ length, from, to int }{{1, 1, 1}, {7, 7, 7}, {8, 8, 9}, {15, 14, 15}, {100, 96, 111}, {1023, 896, 1023}} {
		if b := binOf(tt.length); b.From != tt.from || b.To != tt.to {
			t.Errorf("length %d: got %+v, want %d to %d", tt.length, b, tt.from, tt.to)
		}
	}
}

func TestVisionOptions(t *testing.T) {
	o := vision.DefaultOptions()
	good := spec.Image{Patch: 16, Merge: 2, MinTokens: 4, MaxTokens: 64, Resample: "bicubic-pillow"}
	got, err := VisionOptions(good, o)
	if err != nil || got.MinPixels != 4096 || got.MaxPixels != 65536 || got.Rule != vision.Pillow {
		t.Errorf("got %+v, error %v", got, err)
	}
	if p, err := PolicyOf(got).Options(); p != got || err != nil {
		t.Errorf("got %+v back, error %v, want %+v", p, err, got)
	}
	for _, tt := range []struct {
		change func(*spec.Image)
		want   string
	}{
		{func(i *spec.Image) { i.Patch = 14 }, "image.patch 14"},
		{func(i *spec.Image) { i.MaxTokens = 3 }, "image.max_tokens 3"},
		{func(i *spec.Image) { i.Resample = "nearest" }, `resample "nearest", want "bicubic-torchvision"`},
		{func(i *spec.Image) { i.Resample = "bicubic-x" }, `resize rule "x"`},
	} {
		bad := good
		tt.change(&bad)
		_, err := VisionOptions(bad, o)
		checkErr(t, err, tt.want)
	}
}

func TestSplitOfOtherName(t *testing.T) {
	c, dir := newCorpus(8), t.TempDir()
	mustWrite(t, dir, c, testOptions())
	s := mustOpen(t, os.DirFS(dir))
	_, err := s.Split("test")
	checkErr(t, err, `no split "test" in the dataset routing_20250101_000000; there are: train, val`)
	_, err = s.Image("x")
	checkErr(t, err, "want 64 lower-case hexadecimal digits")
	_, err = s.Image(strings.Repeat("0", 64))
	checkErr(t, err, "no picture 0000")
	if _, err := Open(fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for an empty folder", err)
	}
}
