package synth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mole/dataset"
)

// cropsIn makes a set of crops in a new folder and returns it.
func cropsIn(t *testing.T, o CropOptions) (string, *CropConfig) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "datasets", "ocr")
	o.Time = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	c, err := Crops(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return dir, c
}

// contents returns the files below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, p))
		files[p] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCrops(t *testing.T) {
	o := CropOptions{Grids: 3, Dropdowns: 4, Blocks: 5, Lines: 6, Seed: 42, Label: 2, Workers: 1}
	dir, c := cropsIn(t, o)
	want := &CropConfig{"ocr-crops", "2026-01-05T09:00:00Z", 3, 4, 5, 6, 18, 42}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	files := contents(t, dir)
	o.Workers = 3
	again, _ := cropsIn(t, o)
	if diff := cmp.Diff(files, contents(t, again)); diff != "" {
		t.Error("other bytes with other workers")
	}
	if len(files) != 18+2 {
		t.Errorf("got %d files", len(files))
	}
	for line := range strings.Lines(files["train.jsonl"]) {
		checkCrop(t, dir, line)
	}
	stored := &CropConfig{}
	if err := json.Unmarshal([]byte(files["config.json"]), stored); err != nil || *stored != *want {
		t.Errorf("got %+v, %v", stored, err)
	}
}

// checkCrop checks a record and its picture.
func checkCrop(t *testing.T, dir, line string) {
	t.Helper()
	var r dataset.Record
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatal(err)
	}
	kind := strings.Split(r.ID, "_")[1]
	wantMeta := map[string]string{"region_type": `"` + kind + `"`, "ground_truth": `"`, "crop_region": "[", "source": `"`}
	for key, begin := range wantMeta {
		if got := string(r.Metadata.Extra[key]); len(got) < 3 || !strings.HasPrefix(got, begin) {
			t.Errorf("%s: %s is %s", r.ID, key, got)
		}
	}
	got := []string{r.Answer(), fmt.Sprint(*r.Metadata.Label), r.Metadata.Adapter, r.Conversations[0].Value[:len(dataset.ImageMark)], r.Image}
	want := []string{"2", "2", "ocr", dataset.ImageMark, "images/ocr/" + strings.TrimPrefix(r.ID, "ocr_") + ".png"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: want (-), got (+):\n%s", r.ID, diff)
	}
	if diff := cmp.Diff(pictureSize(t, filepath.Join(dir, r.Image)), r.Metadata.ImageSize); diff != "" {
		t.Errorf("%s: %s", r.Image, diff)
	}
}

// pictureSize returns width and height of a PNG file.
func pictureSize(t *testing.T, name string) []int {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	size, err := png.DecodeConfig(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return []int{size.Width, size.Height}
}

// TestCropsOfExperts makes crops of each expert's screens alone, of the types
// that they have.
func TestCropsOfExperts(t *testing.T) {
	want := map[string][4]int{
		"calendar": {0, 0, 2, 2}, "claim-window": {2, 2, 2, 2}, "appointment": {0, 2, 2, 2}, "login-window": {0, 2, 0, 0}, "chart-screen": {2, 0, 2, 0},
	}
	if got := CropExperts(); len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for name, n := range want {
		dir, c := cropsIn(t, CropOptions{Experts: []string{name}, Grids: 2, Dropdowns: 2, Blocks: 2, Lines: 2})
		if got := [4]int{c.Grids, c.Dropdowns, c.Blocks, c.Lines}; got != n {
			t.Errorf("%s: got %v, want %v", name, got, n)
		}
		for line := range strings.Lines(contents(t, dir)["train.jsonl"]) {
			if !strings.Contains(line, `"source":"`+name+`"`) {
				t.Errorf("%s: got %s", name, line)
			}
		}
	}
}

// TestEqualCropsOnce gives the same crop to two jobs.
func TestEqualCropsOnce(t *testing.T) {
	o := CropOptions{Lines: 2, Label: 2}
	jobs, err := o.jobs()
	if err != nil {
		t.Fatal(err)
	}
	jobs = append(jobs, jobs[1])
	jobs[2].kind = "block" // another name for the same pixels
	c, err := o.fill(t.Context(), t.TempDir(), jobs)
	if err != nil || c.Total != 2 || c.Blocks != 0 {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestCropsWrong(t *testing.T) {
	there := t.TempDir()
	ended, end := context.WithCancel(t.Context())
	end()
	tests := []struct {
		name string
		ctx  context.Context
		out  string
		o    CropOptions
		want string
	}{
		{"unknown", t.Context(), "new", CropOptions{Experts: []string{"cat"}}, "no built-in screen"},
		{"without texts", t.Context(), "new", CropOptions{Experts: []string{"desktop"}}, "declares no texts"},
		{"negative", t.Context(), "new", CropOptions{Lines: -1}, "lines: -1, want 0 to"},
		{"there", t.Context(), ".", CropOptions{Lines: 1}, fs.ErrExist.Error()},
		{"ended", ended, "new", CropOptions{Lines: 1}, context.Canceled.Error()},
	}
	for _, tt := range tests {
		_, err := Crops(tt.ctx, filepath.Join(there, tt.out), tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	if left, err := os.ReadDir(there); err != nil || len(left) != 0 {
		t.Errorf("got %v left, %v", left, err)
	}
}
