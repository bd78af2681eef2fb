package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"mole/expert"
)

// drawnExpert returns a dataset of n pictures, numbered from first, with two
// records each. A fifth of the pictures shows another task.
func drawnExpert(n, first int) fstest.MapFS {
	fsys := fstest.MapFS{}
	var b strings.Builder
	for i := range n {
		image := fmt.Sprintf("images/p_%05d.png", i)
		fsys[image] = &fstest.MapFile{Data: drawn(60, 40, first+i)}
		task := "click"
		if i%5 == 0 {
			task = "scroll"
		}
		for j := range 2 {
			fmt.Fprintf(&b, `{"id": "p_%05d_%d", "image": %q, "conversations": [{"from": "human", "value": "<image>\nDo %d"}, {"from": "gpt", "value": "<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"wait\", \"time\": 3.0}}\n</tool_call>"}], "metadata": {"task_type": %q, "real_coords": [0, 0]}}`+"\n", i, j, image, j, task)
		}
	}
	fsys["train.jsonl"] = &fstest.MapFile{Data: []byte(b.String())}
	return fsys
}

// sources returns two experts of drawn screens, and one of text crops that
// both have.
func sources() []Source {
	a, b := drawnExpert(40, 0), drawnExpert(50, 100)
	for i := range 12 {
		a[fmt.Sprintf("ocr/images/a_%05d.png", i)] = &fstest.MapFile{Data: drawn(50, 20, 200+i)}
		b[fmt.Sprintf("ocr/images/b_%05d.png", i)] = &fstest.MapFile{Data: drawn(50, 20, 300+i)}
	}
	a["ocr/images/notes.txt"] = &fstest.MapFile{Data: []byte("no picture")}
	return []Source{
		{expert.Expert{Name: "calendar", Label: 0}, "calendar--demo--20260105_090000", a},
		{expert.Expert{Name: "desktop", Label: 3}, "desktop--demo--20260105_090000", b},
		{expert.Expert{Name: "ocr", Label: 2, Kind: expert.OCR}, "", nil},
	}
}

func assembleOptions() AssembleOptions {
	return AssembleOptions{
		Seed: 42, TestPerAdapter: 4, Counts: map[string]int{"calendar": 30, "desktop": 25, "ocr": 15},
		Time: time.Date(2026, 1, 6, 10, 15, 0, 0, time.Local), Researcher: "demo",
		Spec: json.RawMessage(`{"version": 1}`), Config: json.RawMessage(`{"seed": 42}`), MoleVersion: "v0",
	}
}

// all returns the records of all splits.
func (r *Routing) all() []Record { return slices.Concat(r.Train, r.Val, r.Test) }

// assemble assembles and fails the test where that fails.
func assemble(t *testing.T, in []Source, o AssembleOptions) (*Routing, *AssembleReport) {
	t.Helper()
	r, report, err := Assemble(context.Background(), in, o)
	if err != nil {
		t.Fatal(err)
	}
	return r, report
}

// TestAssembleSplits checks what holds for every routing set (scenario 5): no
// picture and no id twice, and each picture that of its record.
func TestAssembleSplits(t *testing.T) {
	in := sources()
	r, _ := assemble(t, in, assembleOptions())
	folders := map[string]fs.FS{in[0].Name: in[0].FS, in[1].Name: in[1].FS}
	seen := map[string]bool{}
	for _, rec := range r.all() {
		folder, name, _ := strings.Cut(rec.Image, "/")
		look, err := lookAt(folders[folder], name)
		if err != nil {
			t.Fatal(err)
		}
		if look.group() != rec.Metadata.SplitGroup || folder != rec.Metadata.SourceDataset {
			t.Errorf("got %+v of picture %s", rec.Metadata, look.group())
		}
		if seen[rec.ID] || seen[look.group()] {
			t.Errorf("%s or its picture %s occurs twice", rec.ID, rec.Image)
		}
		seen[rec.ID], seen[look.group()] = true, true
	}
}

// TestAssembleRecords checks the records and how many there are.
func TestAssembleRecords(t *testing.T) {
	r, report := assemble(t, sources(), assembleOptions())
	if got := []int{len(r.Train), len(r.Val), len(r.Test)}; !slices.Equal(got, []int{24 + 20 + 12, 6 + 5 + 3, 12}) {
		t.Errorf("got %v records", got)
	}
	for _, rec := range r.all() {
		checkErr(t, rec.ID, CheckID(rec.ID), "")
		if rec.Prompt() == "" || rec.Answer() != fmt.Sprint(*rec.Metadata.Label) {
			t.Errorf("got %+v", rec)
		}
		if isCrop := strings.Contains(rec.Image, "/ocr/images/"); isCrop != (rec.Metadata.Adapter == "ocr") {
			t.Errorf("got %s for %s", rec.Image, rec.Metadata.Adapter)
		}
	}
	want := []SplitCounts{{24, 6, 4}, {12, 3, 4}, {20, 5, 4}}
	for i, a := range report.Adapters {
		if a.Got != want[i] || a.Want != want[i] {
			t.Errorf("%s: got %+v of %+v, want %+v", a.Expert, a.Got, a.Want, want[i])
		}
	}
}

// TestAssembleStrata spreads the draw over task types: a fifth of the pictures
// shows another one.
func TestAssembleStrata(t *testing.T) {
	r, _ := assemble(t, sources(), assembleOptions())
	n := 0
	for _, rec := range r.all() {
		if rec.Metadata.Adapter == "calendar" && rec.Metadata.TaskType == "scroll" {
			n++
		}
	}
	if n < 6 || n > 8 {
		t.Errorf("got %d of 34, want about 7", n)
	}
}

// TestAssembleBytes writes the same bytes whatever the number of workers, and
// others with another seed.
func TestAssembleBytes(t *testing.T) {
	write := func(o AssembleOptions) map[string]string {
		r, _ := assemble(t, sources(), o)
		files, err := r.files()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, f := range files {
			out[f.name] = string(f.data)
		}
		return out
	}
	o := assembleOptions()
	o.Workers = 1
	first := write(o)
	for _, workers := range []int{3, 8} {
		o.Workers = workers
		o.Progress = func(done, total int) {
			if done < 1 || done > total || total != 40+50+24 {
				t.Errorf("got progress %d of %d", done, total)
			}
		}
		if !maps.Equal(first, write(o)) {
			t.Errorf("other bytes with %d workers", workers)
		}
	}
	o.Seed++
	if first["train.jsonl"] == write(o)["train.jsonl"] {
		t.Error("another seed gives the same records")
	}
}

// TestAssembleMetadata holds the description of a set against the format.
func TestAssembleMetadata(t *testing.T) {
	r, _ := assemble(t, sources(), assembleOptions())
	got, err := encode(r.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"dataset_name":"routing--demo--20260106_101500","created_at":"2026-01-06T10:15:00","created":"2026-01-06T10:15:00","seed":42,"splits":{"train":0.8,"val":0.2},` +
		`"adapters":{"calendar":{"label":0,"source":"calendar--demo--20260105_090000"},"desktop":{"label":3,"source":"desktop--demo--20260105_090000"},"ocr":{"label":2,"source":"ocr-generated"}},` +
		`"source_datasets":{"calendar":"calendar--demo--20260105_090000","desktop":"desktop--demo--20260105_090000","ocr":"ocr-generated"},` +
		`"samples":{"test":12,"train":56,"val":14},"counts":{"test":12,"train":56,"val":14},"samples_per_adapter":{"calendar":30,"desktop":25,"ocr":15},"test_per_adapter":4,` +
		`"label_distribution_train":{"calendar":24,"desktop":20,"ocr":12},"label_distribution_val":{"calendar":6,"desktop":5,"ocr":3},"label_distribution_test":{"calendar":4,"desktop":4,"ocr":4},` +
		`"router_spec":{"version":1},"ru_version":2,"config":{"seed":42},"mole_version":"v0"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAssembleShort(t *testing.T) {
	o := assembleOptions()
	o.Counts["calendar"], o.Counts["ocr"] = 40, 25
	_, _, err := Assemble(context.Background(), sources(), o)
	want := "too few distinct pictures: calendar has 40, needs 44 (train 32, val 8, test 4); ocr has 24, needs 29 (train 20, val 5, test 4); make more, lower the counts, or allow short"
	var short *ShortError
	if !errors.As(err, &short) || err.Error() != want || len(short.Shortages) != 2 {
		t.Errorf("got %v, want %s", err, want)
	}
	o.AllowShort = true
	_, report := assemble(t, sources(), o)
	if got, want := report.Adapters[0].Got, (SplitCounts{30, 7, 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestAssembleConflict gives one picture to two experts, and one twice to the
// same.
func TestAssembleConflict(t *testing.T) {
	in := sources()
	a, b := in[0].FS.(fstest.MapFS), in[1].FS.(fstest.MapFS)
	b["images/p_00003.png"] = a["images/p_00007.png"]
	a["images/p_00009.png"] = a["images/p_00010.png"]
	r, report := assemble(t, in, assembleOptions())
	want := "[{[calendar desktop] [calendar--demo--20260105_090000/images/p_00007.png desktop--demo--20260105_090000/images/p_00003.png]}]"
	if got := fmt.Sprint(report.Conflicts); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := report.Adapters[0]; got.Pictures != 38 || got.Repeated != 1 {
		t.Errorf("got %+v, want 38 pictures and one repeated", got)
	}
	for _, rec := range r.all() {
		if strings.HasSuffix(rec.Image, "p_00007.png") && rec.Metadata.Adapter == "calendar" {
			t.Errorf("%s is of two experts", rec.Image)
		}
	}
}

// threes returns an expert whose pictures come in threes that look alike.
func threes() []Source {
	in := sources()[:1] // the calendar
	a := in[0].FS.(fstest.MapFS)
	for i := range 40 {
		a[fmt.Sprintf("images/p_%05d.png", i)] = &fstest.MapFile{Data: drawn(60+2*(i%3), 40, i/3)}
	}
	return in
}

// TestAssembleLookAlikes draws with and without regard to what looks alike.
func TestAssembleLookAlikes(t *testing.T) {
	o := assembleOptions()
	o.Counts, o.TestPerAdapter = map[string]int{"calendar": 30}, 6
	_, loose := assemble(t, threes(), o)
	if n := loose.Near; n.Test < 4 || n.Kept || len(n.Pairs) == 0 || n.Pairs[0].Differ > n.Bits {
		t.Errorf("got %+v, want pictures of test that look like one in train", n)
	}
	o.KeepApart = true
	_, apart := assemble(t, threes(), o)
	if n := apart.Near; n.Test != 0 || n.Val != 0 || !n.Kept {
		t.Errorf("got %+v, want none", n)
	}
	if apart.Adapters[0].Got != loose.Adapters[0].Got {
		t.Errorf("got %+v, want %+v", apart.Adapters[0].Got, loose.Adapters[0].Got)
	}
}

// TestAssembleOCRSet takes a set of crops in the older form (4.10), whose
// answers are a name.
func TestAssembleOCRSet(t *testing.T) {
	in := sources()
	set := fstest.MapFS{"images/ocr/grid_00000.png": &fstest.MapFile{Data: drawn(50, 20, 400)}}
	set["train.jsonl"] = &fstest.MapFile{Data: []byte(`{"id": "ocr_grid_00000", "image": "images/ocr/grid_00000.png", "conversations": [{"from": "human", "value": "<image>\nRead it"}, {"from": "gpt", "value": "chandra"}], "metadata": {"region_type": "grid"}}` + "\n")}
	in[2].Name, in[2].FS = "ocr", set
	o := assembleOptions()
	o.Counts["ocr"] = 21
	_, report := assemble(t, in, o)
	if got := report.Adapters[1]; got.Pictures != 25 || got.TaskTypes["unknown"] != 1 || got.Reading.Count(BadAnswer) != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestAssembleOwnOnly checks that a text-recognition expert can do without the
// others' crops, unless it has nothing else, and that a set has its prefix.
func TestAssembleOwnOnly(t *testing.T) {
	in, o := sources(), assembleOptions()
	o.OwnOnly, o.Prefix = map[string]bool{"ocr": true}, "screens"
	if r, _ := assemble(t, in, o); r.Metadata.Name != "screens--demo--20260106_101500" || r.Metadata.Samples["train"] != 56 {
		t.Errorf("without a dataset of its own: got %s, %v", r.Metadata.Name, r.Metadata.Samples)
	}
	in[2].Name, in[2].FS = "ocr--demo--20260105_090000", drawnExpert(20, 500)
	_, report := assemble(t, in, o)
	if got := report.Adapters[1]; got.Expert != "ocr" || got.Pictures != 20 {
		t.Errorf("got %+v", got)
	}
}

func TestAssembleRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(in []Source, o *AssembleOptions)
		want   string
	}{
		{"same label", func(in []Source, _ *AssembleOptions) { in[1].Expert.Label = 0 }, "have the same label 0"},
		{"no dataset", func(in []Source, _ *AssembleOptions) { in[1].FS = nil }, `expert "desktop" has no dataset`},
		{"path for a name", func(in []Source, _ *AssembleOptions) { in[1].Name = "../x" }, `expert "desktop": dataset name "../x": want the name of a folder`},
		{"shares", func(_ []Source, o *AssembleOptions) { o.Train, o.Val = 0.9, 0.2 }, "shares of train 0.9 and val 0.2"},
		{"no counts", func(_ []Source, o *AssembleOptions) { o.Counts = nil }, "no expert has a count above 0"},
		{"count of a stranger", func(_ []Source, o *AssembleOptions) { o.Counts["dog"] = 3 }, `expert "dog" has a count of 3 and no dataset`},
		{"missing picture", func(in []Source, _ *AssembleOptions) { delete(in[1].FS.(fstest.MapFS), "images/p_00004.png") },
			"desktop--demo--20260105_090000: image images/p_00004.png: no such file"},
		{"cut-off picture", func(in []Source, _ *AssembleOptions) {
			f := in[0].FS.(fstest.MapFS)["images/p_00004.png"]
			f.Data = f.Data[:len(f.Data)/2]
		}, "calendar--demo--20260105_090000: image images/p_00004.png: decode PNG"},
		{"broken line", func(in []Source, _ *AssembleOptions) {
			f := in[0].FS.(fstest.MapFS)["train.jsonl"]
			f.Data = append(f.Data, '{')
		}, "expert calendar: calendar--demo--20260105_090000/train.jsonl:81: no JSON"},
	}
	for _, tt := range tests {
		in, o := sources(), assembleOptions()
		tt.change(in, &o)
		if _, _, err := Assemble(context.Background(), in, o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Assemble(ctx, sources(), assembleOptions()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// written assembles a set and writes it beside its sources.
func written(t *testing.T) (root, dir string, r *Routing) {
	t.Helper()
	root = t.TempDir()
	for _, s := range sources()[:2] {
		if err := os.CopyFS(filepath.Join(root, s.Name), s.FS); err != nil {
			t.Fatal(err)
		}
	}
	r, _ = assemble(t, sources(), assembleOptions())
	dir = filepath.Join(root, r.Metadata.Name)
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	return root, dir, r
}

// TestWrite writes a set, reads it, and finds nothing wrong with it.
func TestWrite(t *testing.T) {
	root, dir, r := written(t)
	for _, pixels := range []bool{false, true} {
		o := ValidateOptions{Own: true, Pixels: pixels, Datasets: os.DirFS(root)}
		if got := ValidateRouting(os.DirFS(dir), o); len(got) > 0 {
			t.Errorf("got %v", got)
		}
	}
	again, report, err := OpenRouting(os.DirFS(dir), RoutingOptions{})
	if err != nil || len(report.Changes) != 0 || len(again.Train) != len(r.Train) || len(again.Metadata.Files) != 4 {
		t.Errorf("got %+v, %+v, %v", again, report, err)
	}
}

// TestWriteTwice leaves a set that is there alone, and nothing behind.
func TestWriteTwice(t *testing.T) {
	root, dir, r := written(t)
	if err := r.Write(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want %v", err, fs.ErrExist)
	}
	if err := r.Write(filepath.Join(root, "none", "set")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) != 3 {
		t.Errorf("got %v, %v, want the set and two datasets", entries, err)
	}
}
