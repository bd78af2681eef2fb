package tensorboard

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mole/tbevents"
)

var noon = time.Date(2026, 1, 20, 12, 0, 0, 0, time.Local)

// agedRuns writes runs, with parts, that were last written some time before
// noon, below two folders.
func agedRuns(t *testing.T) (roots []string) {
	t.Helper()
	dir := t.TempDir()
	roots = []string{filepath.Join(dir, "tb_logs"), filepath.Join(dir, "tensorboard"), filepath.Join(dir, "none")}
	for name, age := range map[string]time.Duration{
		"tb_logs/set/new": time.Hour, "tb_logs/set/old": 30 * day, "tensorboard/a/b/middle": 3 * day, "tensorboard/alone": 8 * day,
	} {
		for _, part := range []string{"", "eval_examples"} {
			run := filepath.Join(dir, name, part)
			writeRun(t, run, 0, 2)
			files, err := filepath.Glob(filepath.Join(run, "*tfevents*"))
			if err != nil || len(files) != 1 {
				t.Fatalf("got %v, %v", files, err)
			}
			if err := os.Chtimes(files[0], time.Time{}, noon.Add(-age)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return roots
}

func list(t *testing.T, roots []string) []Logged {
	t.Helper()
	l, err := List(roots)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTable(t *testing.T) {
	roots := agedRuns(t)
	hold, err := tbevents.Hold(filepath.Join(roots[0], "set", "old", "eval_examples"))
	if err != nil {
		t.Fatal(err)
	}
	var plain, coloured bytes.Buffer
	l := list(t, roots)
	for i := range l {
		l[i].Bytes = int64(i+1) * 1_000_000
	}
	if err := WriteTable(&plain, l, noon, false); err != nil {
		t.Fatal(err)
	}
	want := `number  dataset  run     MB    files  last change
0       set      old     1.00  2      2025-12-21 12:00:00  being written
1       -        alone   2.00  2      2026-01-12 12:00:00
2       a/b      middle  3.00  2      2026-01-17 12:00:00
3       set      new     4.00  2      2026-01-20 11:00:00
4 runs, 8 files, 10.00 MB
`
	if diff := cmp.Diff(want, plain.String()); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if err := WriteTable(&coloured, l, noon, true); err != nil {
		t.Fatal(err)
	}
	for i, colour := range []string{red, red, yellow, green} {
		if line := strings.Split(coloured.String(), "\n")[i+1]; !strings.Contains(line, colour+"20") || !strings.HasSuffix(line, noColor) {
			t.Errorf("got %q", line)
		}
	}
	if err := hold.Close(); err != nil {
		t.Error(err)
	}
}

func TestSelect(t *testing.T) {
	l := list(t, agedRuns(t))
	for which, want := range map[string]string{
		"all": "[0 1 2 3]", "old": "[0 1]", "": "[]", "2": "[2]", "0 2-3": "[0 2 3]", "3,1-2,2": "[1 2 3]",
		"4": "error", "1-4": "error", "3-1": "error", "-1": "error", "x": "error", "1-": "error", "old 1": "error", "99999999999999999999": "error",
	} {
		got, err := Select(which, l, noon)
		text := fmt.Sprint(got)
		if err != nil {
			text = "error"
		}
		if text != want {
			t.Errorf("%q: got %s, %v, want %s", which, text, err, want)
		}
	}
}

// TestRemoveStays removes all runs; one has begun to be written since it was
// listed.
func TestRemoveStays(t *testing.T) {
	roots := agedRuns(t)
	l := list(t, roots)
	hold, err := tbevents.Hold(filepath.Join(roots[0], "set", "old"))
	if err != nil {
		t.Fatal(err)
	}
	stayed := ""
	n, size, err := Remove(l, func(l Logged) { stayed += l.Name })
	if err != nil || n != 3 || size == 0 || stayed != "set/old" {
		t.Errorf("got %d runs, %d bytes, %v; %q stayed", n, size, err, stayed)
	}
	if err := hold.Close(); err != nil {
		t.Error(err)
	}
	if left := list(t, roots); len(left) != 1 || left[0].Name != "set/old" || len(left[0].Files) != 2 {
		t.Errorf("got %+v left", left)
	}
}
