package dataset

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"mole/expert"
)

// TestOpenExpert reads a good dataset and finds nothing to change.
func TestOpenExpert(t *testing.T) {
	e, report, err := OpenExpert(expertSet(t), ExpertOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(len(e.Train), len(e.Val), len(e.HeldOut), len(e.Tests), e.Config.Seed, e.Config.TaskCounts, report.Changes, report.Scale)
	if want := "5 1 0 2 42 map[click-day:4 scroll-page:1 wait-loading:1] [] independent\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, test := range e.Tests {
		if ok, reason := Pass(test, RenderCalls(test.ExpectedAction)); !ok {
			t.Errorf("%s: its own action does not pass: %s", test.ID, reason)
		}
	}
}

// old returns a dataset of the older program: max-side units, system turns,
// tool computer, duration, a newline before the call (scenario 17).
func old(t *testing.T) fstest.MapFS {
	fsys := expertSet(t)
	var b strings.Builder
	for i := range 20 {
		// 200x100 pixels: in max-side units y ends at 500.
		x, y := 10*i+3, 5*i+2
		answer := fmt.Sprintf(`\n<tool_call>\n{\"name\": \"computer\", \"arguments\": {\"action\": \"left_click\", \"coordinate\": [%d, %d]}}\n</tool_call>`, 5*x, 5*y)
		if i == 7 {
			answer = `\n<tool_call>\n{\"name\": \"computer\", \"arguments\": {\"action\": \"wait\", \"duration\": 3.0}}\n</tool_call>`
			x, y = 0, 0
		}
		fmt.Fprintf(&b, `{"id": "old_%08d", "image": "images/cal_00000.png", "conversations": [{"from": "system", "value": "You are."}, {"from": "human", "value": "<image>\nGo %d"}, {"from": "gpt", "value": "%s"}], "metadata": {"task_type": "t", "real_coords": [%d, %d], "tolerance": [20, 20]}}`+"\n", i, i, answer, x, y)
	}
	fsys["train.jsonl"] = &fstest.MapFile{Data: []byte(b.String())}
	delete(fsys, "val.jsonl")
	delete(fsys, "config.json")
	fsys["test/test.json"] = &fstest.MapFile{Data: []byte(`[{"test_id": "test_0000", "screenshot": "images/test_00000.png", "prompt": "Go", "tolerance": 30,
"expected_action": {"name": "computer", "arguments": {"action": "scroll", "coordinate": [500, 250], "direction": "up", "amount": 300}}, "metadata": {"task_type": "t", "real_coords": [100, 50]}}]`)}
	return fsys
}

func TestImport(t *testing.T) {
	e, _, err := OpenExpert(old(t), ExpertOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range e.Train {
		x, y := r.Metadata.RealCoords[0], r.Metadata.RealCoords[1]
		want := one("computer_use", fmt.Sprintf(`{"action": "left_click", "coordinate": [%d, %d]}`, RU(x, 200), RU(y, 100)))
		if i == 7 {
			want = one("computer_use", `{"action": "wait", "time": 3.0}`)
		}
		if tol := r.Metadata.Tolerance; r.Answer() != want || tol[0] != 20 || tol[1] != 40 {
			t.Errorf("%s: got %s, tolerance %v, want %s, [20 40]", r.ID, r.Answer(), tol, want)
		}
	}
	test := e.Tests[0]
	want := `{"name": "computer_use", "arguments": {"action": "scroll", "coordinate": [500, 500], "pixels": -300}}`
	if got := test.ExpectedAction.Render(); got != want || test.Tolerance[0] != 30 || test.Tolerance[1] != 60 {
		t.Errorf("got %s, tolerance %v, want %s, [30 60]", got, test.Tolerance, want)
	}
}

// TestImportReport counts what the reader changed.
func TestImportReport(t *testing.T) {
	_, report, err := OpenExpert(old(t), ExpertOptions{Name: "cal"})
	if err != nil {
		t.Fatal(err)
	}
	if report.Scale != MaxSide {
		t.Errorf("got scale %q, want %q", report.Scale, MaxSide)
	}
	checkCounts(t, report, map[string]int{SystemTurn: 20, LeadingNewline: 20, ToolName: 21, WaitDuration: 1, ScrollAmount: 1, FromMaxSide: 20, FileMissing: 2})
	if got := report.Changes[1]; got.Kind != SystemTurn || got.First != "cal/train.jsonl:1" {
		t.Errorf("got %+v", got)
	}
}

// checkCounts compares how often changes were made.
func checkCounts(t *testing.T, r *Report, want map[string]int) {
	t.Helper()
	for kind, n := range want {
		if got := r.Count(kind); got != n {
			t.Errorf("%s: got %d, want %d", kind, got, n)
		}
	}
}

// TestUnits mixes both units, which cannot be told apart record by record.
func TestUnits(t *testing.T) {
	fsys := old(t)
	lines := strings.SplitAfter(string(fsys["train.jsonl"].Data), "\n")
	lines[3] = strings.Replace(lines[3], "165, 85", "165, 170", 1)
	fsys["train.jsonl"] = &fstest.MapFile{Data: []byte(strings.Join(lines, ""))}
	_, _, err := OpenExpert(fsys, ExpertOptions{Name: "cal"})
	want := "units of coordinates: of 20 records with a target, 1 agree with real_coords in independent units, 19 in max-side units, want 99 % in one of them"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, report, err := OpenExpert(fsys, ExpertOptions{Lenient: true}); err != nil || report.Count(BadAnswer) != 1 || report.Scale != "" {
		t.Errorf("got %+v, %v, want one answer that is not understood", report, err)
	}
}

// TestPixelCalls reads an answer of several calls in pixels (K-37).
func TestPixelCalls(t *testing.T) {
	fsys := expertSet(t)
	join(fsys, "train.jsonl")
	first := `{"id": "p", "image": "images/cal_00000.png", "conversations": [{"from": "human", "value": "<image>\nGo"}, {"from": "gpt", "value": "` +
		`<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"left_click\", \"coordinate\": [20, 80]}}\n</tool_call>\n` +
		`<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"left_click\", \"coordinate\": [100, 50]}}\n</tool_call>"}], "metadata": {"task_type": "t", "real_coords": [20, 80]}}` + "\n"
	fsys["train.jsonl"] = &fstest.MapFile{Data: append([]byte(first), fsys["train.jsonl"].Data...)}
	e, report, err := OpenExpert(fsys, ExpertOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := one("computer_use", `{"action": "left_click", "coordinate": [100, 800]}`) + "\n" + one("computer_use", `{"action": "left_click", "coordinate": [500, 500]}`)
	if got := e.Train[0].Answer(); got != want || report.Count(FromPixels) != 1 {
		t.Errorf("got %s, %+v, want %s", got, report, want)
	}
}

func TestOpenExpertRefuses(t *testing.T) {
	good := string(expertSet(t)["train.jsonl"].Data)
	tests := []struct{ name, file, data, want string }{
		{"no train.jsonl", "train.jsonl", "", "x/train.jsonl: file does not exist"},
		{"broken line", "train.jsonl", good + good[:99], "x/train.jsonl:6: no JSON: unexpected end of JSON input"},
		{"answer", "val.jsonl", strings.ReplaceAll(good, "left_click", "tap"), `x/val.jsonl:1: answer: action "tap"`},
		{"name for an answer", "val.jsonl", line("a"), `x/val.jsonl:1: answer: no <tool_call> in "x"`},
		{"config", "config.json", "{", "x/config.json: no JSON"},
		{"tests", "test/test.json", "{}", "x/test/test.json: got {}, want an array of tests"},
		{"test", "test/test.json", "[{}]", "x/test/test.json:0: test_id: got nothing, want a string"},
		{"tests not closed", "test/test.json", "[", "x/test/test.json: the array is not closed"},
	}
	for _, tt := range tests {
		fsys := expertSet(t)
		fsys[tt.file] = &fstest.MapFile{Data: []byte(tt.data)}
		if tt.data == "" {
			delete(fsys, tt.file)
		}
		if _, _, err := OpenExpert(fsys, ExpertOptions{Name: "x"}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestMaxSideWithoutPicture cannot convert what has no size.
func TestMaxSideWithoutPicture(t *testing.T) {
	fsys := old(t)
	fsys["train.jsonl"].Data = append(fsys["train.jsonl"].Data, strings.Replace(string(fsys["train.jsonl"].Data[:600]), "images/cal_00000.png", "images/none.png", 1)...)
	data := strings.SplitAfter(string(fsys["train.jsonl"].Data), "\n")[:20]
	data[19] = strings.Replace(data[19], "images/cal_00000.png", "images/none.png", 1)
	fsys["train.jsonl"] = &fstest.MapFile{Data: []byte(strings.Join(data, ""))}
	want := "train.jsonl:20: answer: coordinates in max-side units, and no size to convert them by: image images/none.png: no such file"
	if _, _, err := OpenExpert(fsys, ExpertOptions{}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestOpenRouting(t *testing.T) {
	fsys := fstest.MapFS{}
	unpack(t, fsys, "testdata/routing.txt")
	r, report, err := OpenRouting(fsys, RoutingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Train) != 2 || len(r.Val) != 2 || len(r.Test) != 2 || r.Metadata.Labels["claim-window"] != 1 || len(report.Changes) != 0 {
		t.Errorf("got %+v, %+v", r, report)
	}
}

// TestOpenOldRouting reads names for labels, eval.jsonl, and a set without
// metadata.
func TestOpenOldRouting(t *testing.T) {
	fsys := fstest.MapFS{}
	unpack(t, fsys, "testdata/routing.txt")
	delete(fsys, "metadata.json")
	fsys["eval.jsonl"] = fsys["test.jsonl"]
	delete(fsys, "test.jsonl")
	rename := strings.NewReplacer(`"value": "0"`, `"value": "calendar"`, `"value": "1"`, `"value": "claim-window"`, `"label": 1, `, ``, `"label": 0, `, ``,
		`"image": "`, `"image": "datasets/`)
	for _, name := range []string{"train.jsonl", "eval.jsonl"} {
		fsys[name] = &fstest.MapFile{Data: []byte(rename.Replace(string(fsys[name].Data)))}
	}
	_, _, err := OpenRouting(fsys, RoutingOptions{Name: "r"})
	checkErr(t, "without a table", err, `r/train.jsonl:1: answer "calendar": neither a label nor an expert in the table: no labels are known`)
	table := expert.Table{{Name: "calendar"}, {Name: "claim-window", Label: 1}}
	r, report, err := OpenRouting(fsys, RoutingOptions{Experts: table})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Test[1]; got.Answer() != "1" || *got.Metadata.Label != 1 || strings.HasPrefix(got.Image, "datasets/") || !fs.ValidPath(got.Image) {
		t.Errorf("got %+v", got)
	}
	checkCounts(t, report, map[string]int{NameLabel: 4, EvalFile: 1, LabelAdded: 4, FileMissing: 1, PathPrefix: 4})
}

// TestRoutingMetadata reads both older shapes and writes the present one.
func TestRoutingMetadata(t *testing.T) {
	tests := []struct{ in, labels, sources, created string }{
		{`{"dataset_name": "routing", "created_at": "T", "seed": 42, "adapters": {"a": {"label": 0, "source": "x"}}, "samples": {"train": 1}}`, "map[a:0]", "map[a:x]", "T"},
		{`{"dataset_name": "routing_1", "created": "T", "source_datasets": {"a": "x"}, "counts": {"train": 1}, "samples_per_adapter": 500, "test_per_adapter": 25}`, "map[]", "map[a:x]", "T"},
	}
	for _, tt := range tests {
		var m RoutingMetadata
		if err := m.UnmarshalJSON([]byte(tt.in)); err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprintln(m.Labels, m.Sources, m.Created, m.Samples), fmt.Sprintln(tt.labels, tt.sources, tt.created, "map[train:1]"); got != want {
			t.Errorf("%s: got %s, want %s", tt.in, got, want)
		}
		checkAgain(t, m)
	}
}

// checkAgain writes metadata, reads them, and writes the same.
func checkAgain(t *testing.T, m RoutingMetadata) {
	t.Helper()
	first, err := m.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var again RoutingMetadata
	if err := again.UnmarshalJSON(first); err != nil {
		t.Fatalf("%s: %v", first, err)
	}
	if second, err := again.MarshalJSON(); err != nil || string(second) != string(first) {
		t.Errorf("got %s, %v, want %s", second, err, first)
	}
}
