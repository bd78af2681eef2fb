package synth

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		want string // part of the error, "" for none
	}{
		{"zero", Options{}, ""},
		{"mix", Options{Frame: "mix:0.25"}, ""},
		{"unknown expert", Options{Experts: []string{"calender"}}, `expert "calender" has no built-in screen`},
		{"twice", Options{Experts: []string{"ocr", "ocr"}}, "named twice"},
		{"frame", Options{Frame: "mix:2"}, `frame: "mix:2"`},
		{"scale", Options{Scale: 1.5}, "scale: 1.5"},
		{"format", Options{ImageFormat: "gif"}, `image format: "gif"`},
		{"quality", Options{Quality: 101}, "image quality: 101"},
		{"images", Options{Images: -1}, "images: -1"},
		{"tests", Options{Tests: -1}, "tests: -1"},
		{"crops", Options{Crops: -1}, "crops: -1"},
		{"train", Options{Train: 1}, "train: 1"},
		{"task", Options{Each: map[string]Setting{"ocr": {Tasks: map[string]float64{"read": 1}}}}, `task "read" is unknown`},
		{"share", Options{Each: map[string]Setting{"ocr": {Tasks: map[string]float64{"ocr-list": -1}}}}, "share -1 is negative"},
		{"no share", Options{Each: map[string]Setting{"ocr": {Tasks: map[string]float64{"ocr-list": 0}}}}, "sum to 0"},
		{"odds", Options{Each: map[string]Setting{"calendar": {Odds: map[string]map[string]float64{"click-day": {"normal": 0.5}}}}}, "chances sum to 0.5"},
		{"kind", Options{Each: map[string]Setting{"calendar": {Odds: map[string]map[string]float64{"click-day": {"odd": 1}}}}}, `kind "odd" is unknown`},
		{"one kind", Options{Each: map[string]Setting{"calendar": {Odds: map[string]map[string]float64{"click-nav": {"normal": 1}}}}}, "one kind of target only"},
	} {
		_, err := tt.o.fill()
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestQuota(t *testing.T) {
	tasks := []share{{"a", 0.7, nil}, {"b", 0.2, nil}, {"c", 0.1, nil}}
	for _, tt := range []struct {
		n    int
		want []int
	}{
		{1100, []int{770, 220, 110}},
		{100, []int{70, 20, 10}},
		{11, []int{8, 2, 2}},
		{0, []int{2, 2, 2}},
	} {
		if got := quota(tt.n, tasks, 2); !slices.Equal(got, tt.want) {
			t.Errorf("%d: got %v, want %v", tt.n, got, tt.want)
		}
	}
}

func TestPlan(t *testing.T) {
	for _, tt := range []struct {
		test                     bool
		train, val, tests, crops int
	}{
		{false, 990, 110, 100, 220},
		{true, 9, 3, 6, 2},
	} {
		o, err := Options{Test: tt.test}.fill()
		if err != nil {
			t.Fatal(err)
		}
		n, seen := map[string]int{}, map[string]bool{}
		for _, j := range newPlan(&calendarScreen, &o).jobs {
			n[j.split]++
			key := fmt.Sprint(j.split, j.share.task, j.i)
			if seen[key] {
				t.Errorf("%s is drawn twice", key)
			}
			seen[key] = true
		}
		if got := []int{n["train"], n["val"], n["test"], n["crop"]}; !slices.Equal(got, []int{tt.train, tt.val, tt.tests, tt.crops}) {
			t.Errorf("test %v: got %v", tt.test, got)
		}
	}
}

func TestVerifyCodesIsOffByDefault(t *testing.T) {
	names := func(s Setting) (out []string) {
		for _, sh := range s.shares(&claimScreen, s.Tasks) {
			out = append(out, sh.task)
		}
		return out
	}
	if slices.Contains(names(Setting{}), "verify-codes") {
		t.Error("verify-codes is on")
	}
	if got := names(Setting{Tasks: map[string]float64{"verify-codes": 1}}); len(got) != 1 || got[0] != "verify-codes" {
		t.Errorf("got %v", got)
	}
}

func TestScaleDown(t *testing.T) {
	for _, tt := range []struct{ w, h, wantW, wantH int }{{1155, 853, 289, 213}, {224, 208, 69, 64}, {400, 30, 400, 30}} {
		got := scaleDown(newCanvas(tt.w, tt.h).img, 0.25).Rect
		if got.Dx() != tt.wantW || got.Dy() != tt.wantH {
			t.Errorf("%d x %d: got %v, want %d x %d", tt.w, tt.h, got, tt.wantW, tt.wantH)
		}
	}
}

func TestAverage(t *testing.T) {
	c := newCanvas(5, 3)
	for x := range 5 {
		c.fill(rect(x, 0, 1, 3), mix(hex(0x000000), hex(0xff00ff), x*64))
	}
	got := average(c.img, 2, 1).Pix
	// 0, 63, and half of 127; half of 127, 191, and 255, over 2.5 pixels.
	want := []byte{51, 0, 51, 255, 204, 0, 204, 255}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	plain := newCanvas(97, 83)
	plain.fill(plain.img.Rect, hex(0x10fe80))
	for _, v := range average(plain.img, 31, 64).Pix[:8] {
		if v != 0x10 && v != 0xfe && v != 0x80 && v != 0xff {
			t.Errorf("got %#x in a picture of one colour", v)
		}
	}
}

func TestPreview(t *testing.T) {
	for _, name := range Screens() {
		if _, err := Preview(name, 3); err != nil {
			t.Error(err)
		}
	}
	if _, err := Preview("nothing", 0); err == nil {
		t.Error("got a picture of an unknown expert")
	}
}

func TestOutside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "strange")
	if err := Outside(t.Context(), dir, 6, 1); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadDir(dir)
	if err != nil || len(got) != 6 {
		t.Errorf("got %d pictures, %v, want 6", len(got), err)
	}
	if err := Outside(t.Context(), dir, 1, 1); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("got %v, want a refusal", err)
	}
	if err := Outside(t.Context(), dir+"2", 0, 1); err == nil {
		t.Error("took 0 pictures")
	}
}
