package tbevents

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"
)

// runFiles writes a run that stopped after step 6 and went on from step 4.
func runFiles(t *testing.T, dir string) {
	t.Helper()
	for i, o := range []Options{{}, {Start: 4}} {
		o.Now = func() time.Time { return at.Add(time.Duration(i) * time.Second) }
		w, err := Create(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		for step := int64(i * 4); step < 7; step++ {
			w.Scalar("loss", step, float64(10*i)+float64(step))
			w.Text("note", step, "x")
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// load lists and reads the only run below dir.
func load(t *testing.T, dir string) (*Log, Run) {
	t.Helper()
	runs, err := Runs(os.DirFS(dir))
	if err != nil || len(runs) != 1 {
		t.Fatalf("got %+v, %v", runs, err)
	}
	l, err := Load(os.DirFS(dir), runs[0])
	if err != nil {
		t.Fatal(err)
	}
	return l, runs[0]
}

func TestRestartMakesVoid(t *testing.T) {
	dir := t.TempDir()
	runFiles(t, filepath.Join(dir, "set", "run"))
	l, run := load(t, dir)
	if run.Name != "set/run" || len(run.Files) != 2 || run.Bytes == 0 {
		t.Errorf("got %+v", run)
	}
	if len(l.Series) != 2 || l.Series[0].Tag != "loss" || l.Series[0].Count != 7 {
		t.Fatalf("got %+v", l.Series)
	}
	var got []float64
	for _, p := range l.Series[0].Points {
		got = append(got, p.Value)
	}
	if want := []float64{0, 1, 2, 3, 14, 15, 16}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLoadTornAndDamaged(t *testing.T) {
	dir := t.TempDir()
	runFiles(t, dir)
	runs, err := Runs(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	first, second := contents(t, filepath.Join(dir, runs[0].Files[0])), contents(t, filepath.Join(dir, runs[0].Files[1]))
	first = first[:len(first)-5]
	second[len(second)-1] ^= 1
	fsys := fstest.MapFS{"a.tfevents": {Data: first}, "b.tfevents": {Data: second}, "c.txt": {}}
	l, err := Load(fsys, Run{Files: []string{"a.tfevents", "b.tfevents"}})
	if err != nil || len(l.Torn) != 1 || len(l.Damaged) != 1 || len(l.Series) != 2 {
		t.Errorf("got %+v, %v", l, err)
	}
	if _, err := Load(fsys, Run{Files: []string{"none"}}); err == nil {
		t.Error("a missing file gave no error")
	}
}

// pictures returns a file with two events: one picture, then as tensors of the
// plug-in two more, after a record that is passed over.
func pictures() []byte {
	simple := appendString(nil, valueTag, "a")
	simple = appendMessage(simple, valueImage, appendString(nil, imageEncoded, "one"))
	var strings []byte
	for _, s := range []string{"4", "3", "two", "three"} {
		strings = appendString(strings, tensorString, s)
	}
	tensors := appendString(nil, valueTag, "a")
	tensors = appendMessage(tensors, valueMetadata, appendMessage(nil, metadataPlugin, appendString(nil, pluginName, imagesPlugin)))
	tensors = appendMessage(tensors, valueTensor, append(appendNumber(nil, tensorType, typeString), strings...))
	event := func(step uint64, value []byte) []byte {
		return appendMessage(appendNumber(nil, eventStep, step), eventSummary, appendMessage(nil, summaryValue, value))
	}
	data := appendFrame(nil, event(1, simple))
	data = appendFrame(data, make([]byte, MaxRecord+1))
	return appendFrame(data, event(2, tensors))
}

func TestPictures(t *testing.T) {
	fsys := fstest.MapFS{"a.tfevents": {Data: pictures()}}
	l, err := Load(fsys, Run{Files: []string{"a.tfevents"}})
	if err != nil || len(l.Series) != 1 || l.Series[0].Kind != Image || l.Series[0].Count != 2 {
		t.Fatalf("got %+v, %v", l, err)
	}
	var got []string
	for _, p := range l.Series[0].Pictures {
		data, err := ReadPicture(fsys, p)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(p.Step, " ", string(data)))
	}
	if want := []string{"1 one", "2 two", "2 three"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	fsys["a.tfevents"].Data = appendFrame(nil, appendEvent(nil, Event{Step: 1}))
	if _, err := ReadPicture(fsys, l.Series[0].Pictures[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("replaced file: got %v", err)
	}
	if _, err := ReadPicture(fstest.MapFS{}, l.Series[0].Pictures[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: got %v", err)
	}
}

func TestManyPicturesAreCutOff(t *testing.T) {
	s := &Series{Kind: Image}
	for i := range 2 * maxPictures {
		s.addPictures(Event{Step: int64(i), Values: []Value{{Images: [][]byte{{1}}}}}, 0, place{})
	}
	if len(s.Pictures) != maxPictures || s.Pictures[0].Step != maxPictures {
		t.Errorf("got %d pictures from step %d", len(s.Pictures), s.Pictures[0].Step)
	}
	s.Count = maxPictures
	s.stride = 1
	s.cut(2*maxPictures - 1)
	if len(s.Pictures) != maxPictures-1 || s.Count != maxPictures-1 {
		t.Errorf("after a restart: got %d pictures, count %d", len(s.Pictures), s.Count)
	}
}

// TestNotANumberOnce checks that the last value is not taken for one that was
// left out because it differs from itself.
func TestNotANumberOnce(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.Scalar("loss", 1, math.NaN())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if l, _ := load(t, dir); len(l.Series[0].Points) != 1 {
		t.Errorf("got %v", l.Series[0].Points)
	}
}

func TestManyPointsAreThinned(t *testing.T) {
	s := &Series{Kind: Scalar, stride: 1}
	for i := range 10 * maxPoints {
		e := Event{Step: int64(i)}
		s.add(e, Value{Kind: Scalar, Scalar: float64(i)})
	}
	if s.Count != 10*maxPoints || len(s.Points) > maxPoints || len(s.Points) < maxPoints/2 {
		t.Fatalf("got %d of %d", len(s.Points), s.Count)
	}
	for i, p := range s.Points {
		if p.Step != int64(i*s.stride) {
			t.Fatalf("point %d: got step %d, want %d", i, p.Step, i*s.stride)
		}
	}
	if s.last.Step != 10*maxPoints-1 {
		t.Errorf("got last %+v", s.last)
	}
}

func TestRunsOfNothing(t *testing.T) {
	runs, err := Runs(fstest.MapFS{"a/b.txt": {}})
	if err != nil || len(runs) != 0 {
		t.Errorf("got %v, %v", runs, err)
	}
	if _, err := Runs(os.DirFS(filepath.Join(t.TempDir(), "none"))); err == nil {
		t.Error("a missing folder gave no error")
	}
}
