package dataset

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"mole/expert"
)

// linkSources returns two experts, the first of which has the pictures of its
// first ten records in val.jsonl, too, and one picture in two files.
func linkSources() []Source {
	a, b := drawnExpert(40, 0), drawnExpert(30, 100)
	lines := strings.SplitAfter(string(a["train.jsonl"].Data), "\n")
	a["val.jsonl"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(strings.Join(lines[:20], ""), `"id": "p_`, `"id": "v_`))}
	a["images/p_00039.png"] = a["images/p_00038.png"]
	return []Source{
		{expert.Expert{Name: "calendar", Label: 0}, "calendar--demo--20260105_090000", a},
		{expert.Expert{Name: "desktop", Label: 3}, "desktop--demo--20260105_090000", b},
	}
}

func linkOptions() LinkOptions {
	o := assembleOptions()
	return LinkOptions{
		Seed: 42, Counts: map[string]int{"calendar": 50, "desktop": 12}, Tests: 5, Time: o.Time, ConfigPath: "config/dataset.yaml", Workers: 2,
		Digests: map[string]string{"calendar": "aa", "desktop": "bb"},
	}
}

// mustLink links.
func mustLink(t *testing.T, in []Source, o LinkOptions) (*LinkManifest, *LinkReport) {
	t.Helper()
	m, report, err := Link(t.Context(), in, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, report
}

// folderOf returns the folders of sources by name.
func folderOf(in []Source) func(string) (fs.FS, error) {
	return func(name string) (fs.FS, error) {
		for _, s := range in {
			if s.Name == name {
				return s.FS, nil
			}
		}
		return nil, fs.ErrNotExist
	}
}

// TestLink draws, writes, reads, and relabels.
func TestLink(t *testing.T) {
	in := linkSources()
	m, report := mustLink(t, in, linkOptions())
	if m.Name != "router_linked_20260106_101500" || report.Pictures["calendar"] != 39 || report.Pictures["desktop"] != 30 {
		t.Errorf("got %s of %v pictures", m.Name, report.Pictures)
	}
	c, d := m.Experts["calendar"], m.Experts["desktop"]
	got := fmt.Sprint(c.TrainCount, c.ValCount, c.TestCount, c.Available, d.TrainCount, d.ValCount, d.TestCount, d.Available, m.Totals)
	if want := fmt.Sprint(50, 6, 5, 80, 12, 0, 5, 60, LinkTotals{62, 6, 10}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	text, err := m.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if m, err = ParseLinkManifest(text); err != nil {
		t.Fatal(err)
	}
	r, err := m.Routing(folderOf(in))
	if err != nil {
		t.Fatal(err)
	}
	if got := (LinkTotals{len(r.Train), len(r.Val), len(r.Test)}); got != m.Totals {
		t.Errorf("got %+v, want %+v", got, m.Totals)
	}
	checkLinked(t, in, r)
}

// checkLinked checks answers, and that no picture is in two splits.
func checkLinked(t *testing.T, in []Source, r *Routing) {
	t.Helper()
	where := map[[32]byte]int{}
	ids := map[string]bool{}
	for n, split := range r.splits() {
		for _, one := range *split {
			i := slices.IndexFunc(in, func(s Source) bool { return s.Expert.Name == one.Metadata.Adapter })
			if one.Answer() != fmt.Sprint(in[i].Expert.Label) || one.Prompt() != "Do 0" && one.Prompt() != "Do 1" || ids[one.ID] {
				t.Errorf("record %+v", one)
			}
			ids[one.ID] = true
			l, err := lookAt(in[i].FS, strings.TrimPrefix(one.Image, in[i].Name+"/"))
			if err != nil {
				t.Fatal(err)
			}
			if was, ok := where[l.pixels]; ok && was != n {
				t.Errorf("%s is in %s and %s", one.Image, splitNames[was], splitNames[n])
			}
			where[l.pixels] = n
		}
	}
}

// TestLinkFreshFirst wants as many pictures as samples where there are enough.
func TestLinkFreshFirst(t *testing.T) {
	m, _ := mustLink(t, linkSources(), linkOptions())
	pictures := map[int]bool{}
	for _, i := range m.Experts["desktop"].TrainIndices {
		pictures[i/2] = true // two records a picture
	}
	if len(pictures) != 12 {
		t.Errorf("12 samples show %d pictures", len(pictures))
	}
}

// TestLinkShort has no more pictures than are to be held out.
func TestLinkShort(t *testing.T) {
	o := linkOptions()
	o.Tests = 39
	m, _ := mustLink(t, linkSources(), o)
	if d := m.Experts["desktop"]; d.TestCount != 0 || d.TrainCount != 12 || m.Experts["calendar"].TestCount != 0 {
		t.Errorf("held out %d pictures, %d to train on", d.TestCount, d.TrainCount)
	}
}

// TestLinkConflict shows one picture of another expert.
func TestLinkConflict(t *testing.T) {
	in := linkSources()
	a, _ := in[0].FS.(fstest.MapFS)
	b, _ := in[1].FS.(fstest.MapFS)
	b["images/p_00000.png"] = a["images/p_00003.png"]
	o := linkOptions()
	o.Counts["calendar"], o.Counts["desktop"] = 1000, 1000
	m, report := mustLink(t, in, o)
	if len(report.Conflicts) != 1 || report.Pictures["desktop"] != 29 || m.Experts["desktop"].TrainCount != 48 {
		t.Errorf("got %+v, %d to train on", report, m.Experts["desktop"].TrainCount)
	}
}

func TestLinkRefuses(t *testing.T) {
	o := linkOptions()
	o.Counts = nil
	if _, _, err := Link(t.Context(), linkSources(), o); err == nil {
		t.Error("nothing to link was accepted")
	}
	o.Counts = map[string]int{"calendar": 3}
	if _, _, err := Link(t.Context(), linkSources(), o); err == nil || !strings.Contains(err.Error(), "no sample for validation") {
		t.Errorf("a count of three: got %v", err)
	}
	in := linkSources()
	fsys, _ := in[1].FS.(fstest.MapFS)
	fsys["val.jsonl"] = fsys["train.jsonl"]
	fsys["train.jsonl"] = &fstest.MapFile{}
	if _, _, err := Link(t.Context(), in, linkOptions()); err == nil || !strings.Contains(err.Error(), "expert desktop") {
		t.Errorf("without a record for training: got %v", err)
	}
}

func TestRoutingChanged(t *testing.T) {
	in := linkSources()
	m, _ := mustLink(t, in, linkOptions())
	fsys, _ := in[1].FS.(fstest.MapFS)
	fsys["train.jsonl"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(string(fsys["train.jsonl"].Data), `"id": "p_`, `"id": "q_`))}
	_, err := m.Routing(folderOf(in))
	if err == nil || !strings.Contains(err.Error(), "desktop--demo--20260105_090000/train.jsonl:") || !strings.Contains(err.Error(), "not sample p_") {
		t.Errorf("got %v", err)
	}
}

func TestParseLinkManifestRefuses(t *testing.T) {
	m, _ := mustLink(t, linkSources(), linkOptions())
	good, err := m.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(map[string]any, map[string]any){
		`type "loose"`:        func(m, _ map[string]any) { m["type"] = "loose" },
		"experts: none":       func(m, _ map[string]any) { m["experts"] = nil },
		`unknown field`:       func(m, _ map[string]any) { m["sauce"] = 1 },
		"experts.desktop: no": func(m, _ map[string]any) { m["experts"] = map[string]any{"desktop": nil} },
		"link again":          func(_, e map[string]any) { delete(e, "sample_ids") },
		"no digest":           func(_, e map[string]any) { delete(e, "digest") },
		`dataset "../x"`:      func(_, e map[string]any) { e["dataset"] = "../x" },
		"train and test":      func(_, e map[string]any) { e["test_indices"] = e["train_indices"].([]any)[:5] },
		"numbers from 0":      func(_, e map[string]any) { e["test_indices"].([]any)[0] = -1 },
	} {
		var m map[string]any
		if err := json.Unmarshal(good, &m); err != nil {
			t.Fatal(err)
		}
		e, _ := m["experts"].(map[string]any)["desktop"].(map[string]any)
		change(m, e)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseLinkManifest(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := ParseLinkManifest([]byte(`{"name": `)); err == nil {
		t.Error("half a manifest was accepted")
	}
}

// FuzzParseLinkManifest reads any bytes as a manifest, and uses what is one.
func FuzzParseLinkManifest(f *testing.F) {
	in := []Source{{expert.Expert{Name: "calendar"}, "a", drawnExpert(2, 0)}}
	f.Add([]byte(`{"name": "x", "type": "linked", "seed": 1, "experts": {"calendar": {"dataset": "a", "digest": "d",
 "train_indices": [0, 3], "test_indices": [2], "sample_ids": {"train": ["p_00000_0", "p_00001_1"], "test": ["p_00001_0"]}}}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if m, err := ParseLinkManifest(data); err == nil {
			_, _ = m.Routing(folderOf(in)) // an error is fine
		}
	})
}
