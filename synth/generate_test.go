package synth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"mole/dataset"
)

// small are options for a quick run.
func small() Options {
	return Options{
		Experts: []string{"calendar", "login-window", "ocr"}, Images: 12, Tests: 6, Crops: 4, Scale: 0.5, Workers: 2,
		Time: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
	}
}

// files returns the contents of all files of a folder by their paths.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWorkers is scenario 16: the same bytes for one worker and for eight.
func TestWorkers(t *testing.T) {
	var first map[string]string
	for _, workers := range []int{1, 8} {
		o := small()
		o.Workers, o.Frame = workers, "mix:0.3"
		dir := t.TempDir()
		if _, err := Generate(t.Context(), dir, o, nil); err != nil {
			t.Fatal(err)
		}
		got := files(t, dir)
		if first == nil {
			first = got
			continue
		}
		if len(got) != len(first) {
			t.Errorf("got %d files, want %d", len(got), len(first))
		}
		for name, data := range first {
			if got[name] != data {
				t.Errorf("%s differs between 1 and 8 workers", name)
			}
		}
	}
}

func TestLayout(t *testing.T) {
	dir := t.TempDir()
	calls, last := 0, 0
	dirs, err := Generate(t.Context(), dir, small(), func(done, total int) { calls, last = calls+1, total-done })
	if err != nil {
		t.Fatal(err)
	}
	if calls == 0 || last != 0 {
		t.Errorf("progress: %d calls, %d left at the end", calls, last)
	}
	if got := filepath.Base(dirs[0]); got != "calendar--mole--20260304_050607" {
		t.Errorf("got %s", got)
	}
	if crops, _ := filepath.Glob(filepath.Join(dirs[0], "ocr/images/*.jpg")); len(crops) != 4 {
		t.Errorf("got %d crops, want 4", len(crops))
	}
	if marked, _ := filepath.Glob(filepath.Join(dirs[0], "test/annotated/*_annotated.png")); len(marked) != 3 {
		t.Errorf("got %d annotated pictures, want one per task type", len(marked))
	}
	checkSplits(t, dirs)
}

// checkSplits reads the records back: their pictures exist, and no picture is
// in two splits.
func checkSplits(t *testing.T, dirs []string) {
	t.Helper()
	pictures := map[[32]byte]string{}
	for _, dir := range dirs {
		for _, split := range []string{"train", "val"} {
			for _, r := range read(t, filepath.Join(dir, split+".jsonl")) {
				checkPicture(t, filepath.Join(dir, r.Image), r.Metadata.ImageSize, dir+split, pictures)
			}
		}
	}
}

// read reads a split.
func read(t *testing.T, path string) []dataset.Record {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []dataset.Record
	for r, err := range dataset.Read(bytes.NewReader(data), path, nil) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// checkPicture checks a picture's size and that it belongs to one split.
func checkPicture(t *testing.T, path string, size []int, split string, seen map[[32]byte]string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || c.Width != size[0] || c.Height != size[1] {
		t.Errorf("%s: got %d x %d, %v, want %v", path, c.Width, c.Height, err, size)
	}
	sum := sha256.Sum256(data)
	if other, ok := seen[sum]; ok && other != split {
		t.Errorf("%s is in two splits", path)
	}
	seen[sum] = split
}

func TestSecondRunKeepsFinished(t *testing.T) {
	dir, o := t.TempDir(), small()
	o.Experts = []string{"calendar"}
	dirs, err := Generate(t.Context(), dir, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(dirs[0])
	if _, err := Generate(t.Context(), dir, o, nil); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(dirs[0]); !after.ModTime().Equal(before.ModTime()) {
		t.Error("a finished dataset was made again")
	}
	o.Seed = 5
	if _, err := Generate(t.Context(), dir, o, nil); err == nil || !strings.Contains(err.Error(), "made with other options") {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestCancel(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	_, err := Generate(ctx, dir, small(), func(int, int) { stop() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("got %v, want nothing left", left)
	}
}

// killedRun is the variable by which TestKill starts this test as a process of
// its own.
const killedRun = "MOLE_TEST_SYNTH_DIR"

func TestKill(t *testing.T) {
	if dir := os.Getenv(killedRun); dir != "" {
		_, err := Generate(t.Context(), dir, small(), func(done, _ int) {
			if done == 30 {
				_, _ = os.Stdout.WriteString("now\n")
				time.Sleep(time.Minute)
			}
		})
		t.Fatal("was not killed:", err)
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), killedRun+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = out.Read(make([]byte, 4))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	dirs, err := Generate(t.Context(), dir, small(), nil)
	if err != nil || len(dirs) != 3 {
		t.Fatalf("after the kill: %v, %v", dirs, err)
	}
	seen, _ := filepath.Glob(filepath.Join(dir, "[a-z]*"))
	if fmt.Sprint(seen) != fmt.Sprint(dirs) {
		t.Errorf("got %v, want %v", seen, dirs)
	}
}

// golden are the first bytes of the hash of each screen's pixels, seed 420.
var golden = map[string]string{
	"calendar":     "76dbc46bd5cf",
	"claim-window": "d0ae2941dc73",
	"appointment":  "db84ff024e9f",
	"login-window": "a26d59adcad6",
	"desktop":      "44a8f8321500",
	"chart-screen": "81ec9603d1d2",
	"ocr":          "b01784f02f73",
}

func TestGolden(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the pixels were recorded on an amd64 processor; others may round curves differently")
	}
	for _, s := range screens {
		k := newKit(stream(420, s.name, s.tasks[0].task, "golden", 0), trainPool, s.size)
		sum := sha256.Sum256(s.draw(k, s.tasks[0].task, s.tasks[0].odds).img.Pix)
		if got := fmt.Sprintf("%x", sum[:6]); got != golden[s.name] {
			t.Errorf("%s: got %s, want %s: look at the picture, then change the hash", s.name, got, golden[s.name])
		}
	}
}

// goldenFiles are the first bytes of the hash of each small dataset, all files
// with their names, seed 420.
var goldenFiles = map[string]string{
	"calendar":     "b4c3bd046c33",
	"login-window": "72f2fc98df93",
	"ocr":          "54766f060471",
}

func TestGoldenFiles(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the pixels were recorded on an amd64 processor; others may round curves differently")
	}
	dirs, err := Generate(t.Context(), t.TempDir(), small(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, dir := range dirs {
		all, name := files(t, dir), small().Experts[i]
		h := sha256.New()
		for _, file := range slices.Sorted(maps.Keys(all)) {
			fmt.Fprintf(h, "%q %q\n", file, all[file])
		}
		if got := fmt.Sprintf("%x", h.Sum(nil)[:6]); got != goldenFiles[name] {
			t.Errorf("%s: got %s, want %s: the same seed should draw the same bytes", name, got, goldenFiles[name])
		}
	}
}
