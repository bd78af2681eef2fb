package main

import (
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/history"
)

// leftRun writes what a run left, and returns the folder that holds
// checkpoints.
func leftRun(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run := filepath.Join(dir, "checkpoints", "datasets", "routing_1", "a")
	for name, text := range map[string]string{
		"checkpoint-20/trainer_state.json": `{"global_step": 20, "max_steps": 20, "log_history": [{"eval_loss": 0.5}]}`,
		"eval_report.json":                 `{"timestamp": "2026-01-06T08:00:00", "accuracy": {"overall": 91.5, "per_class": {"ocr": 80}}}`,
		"../b/final/note.txt":              "",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(run, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(run, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestBackfillAndHistory(t *testing.T) {
	from, state := leftRun(t), t.TempDir()
	steps := []struct {
		args []string
		want string
	}{
		{[]string{"history"}, "no runs yet\n"},
		{[]string{"backfill", "--all", "--dry-run", "--from", from}, "routing_1/a would get the record routing_1__a__20260106_080000\n"},
		{[]string{"backfill", "--list", "--from", from}, "routing_1/a has no record\n"},
		{[]string{"backfill", "--all", "--from", from}, "1/2\n"},
		{[]string{"backfill", "--all", "--from", from}, "routing_1/a has a record\ncheckpoints/datasets/routing_1/b left too little: "},
		{[]string{"backfill", "-d", "datasets/routing_1", "-r", "a", "--from", from}, "0/0\n"},
		{[]string{"backfill", "--list"}, ""},
		{[]string{"history"}, "best accuracy    91.5%  a\n"},
		{[]string{"history", "--expert", "calendar"}, "no runs yet\n"},
	}
	for _, s := range steps {
		out, err := runLocal(t, append(s.args, "--state", state)...)
		if err != nil || !strings.Contains(out, s.want) {
			t.Errorf("%v: got %s, %v, want %s", s.args, out, err, s.want)
		}
	}
	out, err := runLocal(t, "history", "--json", "--state", state)
	var got history.Summary
	if jsonErr := json.Unmarshal([]byte(out), &got); err != nil || jsonErr != nil || got.TotalRuns != 1 || got.Best.RunName != "a" {
		t.Errorf("got %+v, %v, %v", got, err, jsonErr)
	}
}

func TestHistoryPlot(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "history.png")
	if _, err := runLocal(t, "history", "--plot", name, "--state", dir); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.DecodeConfig(f); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{filepath.Join(dir, "x.pdf"), filepath.Join(dir, "none", "x.svg")} {
		if _, err := runLocal(t, "history", "--plot", bad, "--state", dir); err == nil {
			t.Errorf("%s was written", bad)
		}
	}
}

func TestBackfillErrors(t *testing.T) {
	from := leftRun(t)
	tests := []struct {
		args []string
		want string
	}{
		{nil, "nothing to do: want --dataset and --run, --all, or --list"},
		{[]string{"--run", "a"}, "nothing to do"},
		{[]string{"--dataset", "routing_1", "--run", "c", "--from", from}, "run c of dataset routing_1: no checkpoints"},
		{[]string{"--dataset", "routing_1", "--run", "b", "--from", from}, "routing_1/b: no trainer state"},
	}
	for _, tt := range tests {
		_, err := runLocal(t, append([]string{"backfill", "--state", t.TempDir()}, tt.args...)...)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %s", tt.args, err, tt.want)
		}
	}
}
