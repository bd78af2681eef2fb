package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/bench"
)

// TestBench runs the command on a part that takes moments, keeps the figures,
// and compares with them.
func TestBench(t *testing.T) {
	file := filepath.Join(t.TempDir(), "figures.csv")
	args := []string{"bench", "attention", "--widths=tiny", "--tokens=8", "--rounds=1", "--time=1ns"}
	with := func(flag string) []string { return append(args[:len(args):len(args)], flag) }
	for range 2 {
		if got := must(t, with("--csv="+file)...); !strings.Contains(got, "attention forward+backward 8 tokens") {
			t.Errorf("got %q, want the figure", got)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(data), "\n"); lines != 3 {
		t.Errorf("%d lines after two runs, want 3:\n%s", lines, data)
	}
	if got := must(t, with("--against="+file)...); !strings.Contains(got, "now/then") {
		t.Errorf("got %q, want a comparison", got)
	}
	var report bench.Report
	if err := json.Unmarshal([]byte(must(t, with("--json")...)), &report); err != nil || len(report.Figures) != 1 {
		t.Errorf("got %v and %d figures, want one", err, len(report.Figures))
	}
}

// TestBenchParts checks that the help text names every part.
func TestBenchParts(t *testing.T) {
	var stdout strings.Builder
	if got := run([]string{"bench", "--help"}, &stdout, &stdout); got != statusOK {
		t.Fatalf("status %d", got)
	}
	text := strings.Join(strings.Fields(stdout.String()), " ")
	if want := strings.Join(bench.Parts(), ", "); !strings.Contains(text, want) {
		t.Errorf("got %q, want it to name %s", text, want)
	}
}
