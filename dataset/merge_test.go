package dataset_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mole/dataset"
	"mole/expert"
)

func TestParseMergeSource(t *testing.T) {
	tests := []struct {
		text string
		want dataset.MergeSource
		err  string
	}{
		{"label=calendar,jsonl=a/b.jsonl", dataset.MergeSource{Label: "calendar", JSONL: "a/b.jsonl"}, ""},
		{"jsonl=b=c,image_root=r,tasks=a+b,limit=7,name=n,tasks=c,label=0",
			dataset.MergeSource{Label: "0", JSONL: "b=c", ImageRoot: "r", Tasks: []string{"a", "b", "c"}, Limit: 7, Name: "n"}, ""},
		{"label=a", dataset.MergeSource{}, "no jsonl="},
		{"jsonl=a", dataset.MergeSource{}, "no label="},
		{"", dataset.MergeSource{}, "want KEY=VALUE"},
		{"label=a,jsonl=", dataset.MergeSource{}, "want KEY=VALUE"},
		{"label=a,jsonl=b,tasks=x,y", dataset.MergeSource{}, `"y", want KEY=VALUE`},
		{"label=a,jsonl=b,label=c", dataset.MergeSource{}, "label is there twice"},
		{"label=a,jsonl=b,color=c", dataset.MergeSource{}, `key "color" is not known`},
		{"label=a,jsonl=b,limit=0", dataset.MergeSource{}, "want a number above 0"},
		{"label=a,jsonl=b,limit=x", dataset.MergeSource{}, "want a number above 0"},
	}
	for _, tt := range tests {
		got, err := dataset.ParseMergeSource(tt.text)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: got %v, want %q", tt.text, err, tt.err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v, want (-), got (+):\n%s", tt.text, err, diff)
		}
	}
}

var mergeExperts = expert.Table{{Name: "calendar", Label: 0, Kind: expert.LoRA}, {Name: "desktop", Label: 3, Kind: expert.LoRA}}

// row is a line of an expert's JSONL file.
func row(id, image, task string) string {
	return fmt.Sprintf(`{"id":%q,"image":%q,"conversations":[{"from":"system","value":"s"},{"from":"human","value":"<image>\nask %s"},{"from":"gpt","value":"<tool_call>"}],`+
		`"metadata":{"task_type":%q,"real_coords":[1,2]}}`+"\n", id, image, id, task)
}

// mergeTree writes files into a new folder and returns it.
func mergeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// brief describes merged records in a line each.
func brief(dir string, m *dataset.Merged) (out []string) {
	for _, r := range m.Records {
		found := strings.Trim(string(r.Metadata.Extra["image_path"]), `"`)
		if found != "" {
			found, _ = filepath.Rel(dir, found)
		}
		out = append(out, strings.Join([]string{r.ID, r.Answer(), r.Metadata.Adapter, r.Metadata.SourceDataset, r.Image, found}, " "))
	}
	return out
}

func TestMerge(t *testing.T) {
	dir := mergeTree(t, map[string]string{
		"cal/train.jsonl":   row("a", "images/a.png", "x") + row("b", "images/b.png", "y") + row("c", "images/none.png", "z") + row("d", "cal/images/a.png", "x"),
		"cal/images/a.png":  "",
		"cal/images/b.png":  "",
		"root/images/b.png": "",
		"root/set/c.png":    "",
		"desktop.jsonl":     row("a", "set/c.png", "x") + row("e", "images/b.png", "x"),
	})
	o := dataset.MergeOptions{Experts: mergeExperts, Sources: []dataset.MergeSource{
		{Label: "calendar", JSONL: filepath.Join(dir, "cal/train.jsonl")},
		{Label: "3", JSONL: filepath.Join(dir, "desktop.jsonl"), ImageRoot: filepath.Join(dir, "root")},
	}}
	m, err := dataset.Merge(o)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a 0 calendar cal cal/images/a.png cal/images/a.png",
		"b 0 calendar cal cal/images/b.png cal/images/b.png",
		"c 0 calendar train images/none.png ",
		"d 0 calendar cal cal/images/a.png cal/images/a.png",
		"desktop_a 3 desktop set set/c.png root/set/c.png",
		"e 3 desktop root root/images/b.png root/images/b.png",
	}
	if diff := cmp.Diff(want, brief(dir, m)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if diff := cmp.Diff([]string{filepath.Join(dir, "cal/train.jsonl") + ":3: images/none.png"}, m.Missing); diff != "" || !slices.Equal(m.Counts, []int{4, 2}) {
		t.Errorf("got counts %v, %s", m.Counts, diff)
	}
	if r := m.Records[0]; r.Conversations[0].Value != "<image>\nask a" || r.Metadata.TaskType != "x" || m.Report.Count(dataset.SystemTurn) != 6 {
		t.Errorf("got %+v, %+v", r, m.Report)
	}
}

func TestMergeChoice(t *testing.T) {
	dir := mergeTree(t, map[string]string{"a.jsonl": row("a", "a.png", "x") + row("b", "b.png", "y") + row("c", "c.png", "z") + row("d", "d.png", "x")})
	for want, s := range map[string]dataset.MergeSource{
		"a b c d": {}, "a b": {Limit: 2}, "b c": {Tasks: []string{"y", "z"}}, "a d": {Tasks: []string{"x"}, Name: "alias"}, "a": {Tasks: []string{"x"}, Limit: 1},
	} {
		s.Label, s.JSONL = "calendar", filepath.Join(dir, "a.jsonl")
		m, err := dataset.Merge(dataset.MergeOptions{Sources: []dataset.MergeSource{s}, Experts: mergeExperts})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range m.Records {
			ids = append(ids, r.ID)
			if name := max(s.Name, "a"); r.Metadata.SourceDataset != name {
				t.Errorf("got dataset %q, want %q", r.Metadata.SourceDataset, name)
			}
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestMergeShuffle(t *testing.T) {
	var text strings.Builder
	for i := range 40 {
		text.WriteString(row(fmt.Sprint("r", i), "a.png", "x"))
	}
	dir := mergeTree(t, map[string]string{"a.jsonl": text.String()})
	order := func(shuffle bool, seed uint64) string {
		s := dataset.MergeSource{Label: "0", JSONL: filepath.Join(dir, "a.jsonl")}
		m, err := dataset.Merge(dataset.MergeOptions{Sources: []dataset.MergeSource{s}, Experts: mergeExperts, Shuffle: shuffle, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(brief(dir, m), "\n")
	}
	shuffled, plain := order(true, 42), order(false, 42)
	if again := order(true, 42); again != shuffled {
		t.Error("the same seed gives another order")
	}
	if other := order(true, 43); other == shuffled || shuffled == plain {
		t.Error("nothing was shuffled")
	}
	if other := order(false, 43); other != plain {
		t.Error("the seed counts without shuffling")
	}
}

func TestMergeWrong(t *testing.T) {
	dir := mergeTree(t, map[string]string{
		"good.jsonl": row("a", "a.png", "x"), "broken.jsonl": row("a", "a.png", "x") + "{\n", "a.png": "",
		"other.jsonl": strings.Replace(row("a", "b.png", "x"), `"metadata":{`, `"metadata":{"adapter":"desktop",`, 1),
	})
	source := func(label, name string) dataset.MergeSource {
		return dataset.MergeSource{Label: label, JSONL: filepath.Join(dir, name)}
	}
	unknown := source("calendar", "good.jsonl")
	unknown.Tasks = []string{"q"}
	tests := []struct {
		name    string
		sources []dataset.MergeSource
		want    string
	}{
		{"no file", []dataset.MergeSource{source("calendar", "none.jsonl")}, "no such file"},
		{"label", []dataset.MergeSource{source("cat", "good.jsonl")}, `label "cat": neither a label nor an expert in the table: 0 calendar, 3 desktop`},
		{"broken line", []dataset.MergeSource{source("calendar", "broken.jsonl")}, "broken.jsonl:2: no JSON"},
		{"tasks", []dataset.MergeSource{unknown}, "no records of the wanted tasks q"},
		{"two labels", []dataset.MergeSource{source("calendar", "good.jsonl"), source("desktop", "good.jsonl")}, "a.png has label 3 here and 0 in"},
		{"other expert", []dataset.MergeSource{source("calendar", "other.jsonl")}, `metadata.adapter is "desktop", the source is of "calendar"`},
	}
	for _, tt := range tests {
		if _, err := dataset.Merge(dataset.MergeOptions{Sources: tt.sources, Experts: mergeExperts}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
