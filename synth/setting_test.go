package synth

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mole/dataset"
)

func TestSettingRefuses(t *testing.T) {
	for _, tt := range []struct {
		s    Setting
		want string
	}{
		{Setting{HeldOut: 1}, "held out: 1, want 0 or below 1"},
		{Setting{Quality: 101}, "image quality: 101"},
		{Setting{ImageFormat: "gif"}, `image format: "gif"`},
		{Setting{Prefix: "a/b"}, `prefix "a/b"`},
		{Setting{Tolerance: []int{1}}, "tolerance: 1 numbers, want 2"},
		{Setting{Tolerance: []int{1, 251}}, "tolerance: 251, want 0 to 250"},
		{Setting{TestTasks: map[string]float64{"click-dey": 1}}, `task "click-dey" is unknown, want one of click-day,`},
		{Setting{TestTasks: map[string]float64{"click-day": 0}}, "the shares of the tests sum to 0"},
		{Setting{Odds: map[string]map[string]float64{"dclick": {"normal": 1}}}, `task "dclick" is unknown`},
		{Setting{Marks: Marks{Share: 2}}, "annotated share of the tests: 2"},
		{Setting{Marks: Marks{ByTask: map[string]int{"dclick": 1}}}, `task "dclick" is unknown`},
	} {
		_, err := Options{Each: map[string]Setting{"calendar": tt.s}}.fill()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.s, err, tt.want)
		}
	}
}

// TestMarks checks which tests are shown.
func TestMarks(t *testing.T) {
	for _, tt := range []struct {
		m    Marks
		want int
	}{
		{Marks{}, 1}, {Marks{None: true, Share: 1}, 0}, {Marks{Share: 0.25}, 3}, {Marks{Share: 0.01}, 1}, {Marks{Share: 0.25, ByTask: map[string]int{"a": 7}}, 7},
	} {
		if got := tt.m.of("a", 10); got != tt.want {
			t.Errorf("%+v: got %d, want %d", tt.m, got, tt.want)
		}
	}
}

// TestSettings draws a dataset with every setting and looks for each in what
// was made.
func TestSettings(t *testing.T) {
	o := small()
	o.Experts = []string{"calendar"}
	o.Each = map[string]Setting{"calendar": {
		Images: 20, Tests: 3, Train: 0.5, Seed: 9, ImageFormat: "png", Prefix: "cal", Tasks: map[string]float64{"click-day": 1},
		TestTasks: map[string]float64{"click-nav": 1, "click-today": 1}, PerTask: true, Tolerance: []int{7, 8}, HeldOut: 0.2, Marks: Marks{ByTask: map[string]int{"click-nav": 2}},
	}}
	dirs, err := Generate(t.Context(), t.TempDir(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	pictures := func(split string) int {
		names := map[string]bool{}
		for _, r := range read(t, filepath.Join(dirs[0], split+".jsonl")) {
			names[r.Image] = true
			if r.Metadata.TaskType != "click-day" || !strings.HasPrefix(r.Image, "images/cal_000") || !strings.HasSuffix(r.Image, ".png") {
				t.Errorf("%s: got a record of %s, %s", split, r.Metadata.TaskType, r.Image)
			}
		}
		return len(names)
	}
	if got := []int{pictures("train"), pictures("val"), pictures("held_out")}; !slices.Equal(got, []int{8, 8, 4}) {
		t.Errorf("got pictures %v", got)
	}
	if marked, _ := filepath.Glob(filepath.Join(dirs[0], "test/annotated/*")); len(marked) != 3 {
		t.Errorf("got %d annotated tests, want two of a task and one of the other", len(marked))
	}
	if crops, _ := filepath.Glob(filepath.Join(dirs[0], "ocr/images/cal_*.png")); len(crops) != o.Crops {
		t.Errorf("got %d crops, want %d", len(crops), o.Crops)
	}
	checkTests(t, dirs[0])
}

// checkTests looks at the tests of TestSettings.
func checkTests(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "test/test.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tests []dataset.Test
	if err := json.Unmarshal(data, &tests); err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for _, test := range tests {
		n[test.Metadata.TaskType]++
		if !slices.Equal(test.Tolerance, []int{7, 8}) {
			t.Errorf("%s: got tolerance %v", test.ID, test.Tolerance)
		}
	}
	if len(n) != 2 || n["click-nav"] != 3 || n["click-today"] != 3 {
		t.Errorf("got %v", n)
	}
}
