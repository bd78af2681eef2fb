package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mole/tbevents"
)

// logRun writes a run's event file of some age.
func logRun(t *testing.T, dir string, age time.Duration) {
	t.Helper()
	w, err := tbevents.Create(dir, tbevents.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.Scalar("train/loss", 1, 1)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(w.Path(), time.Time{}, time.Now().Add(-age)); err != nil {
		t.Fatal(err)
	}
}

// typed makes standard input be a text until the test ends.
func typed(t *testing.T, text string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdin
	os.Stdin = f
	t.Cleanup(func() { os.Stdin = before })
}

func TestTensorboardCleanup(t *testing.T) {
	tests := []struct {
		name, args, typed string
		left              string // runs
		want              string // in the output
	}{
		{"no", "", "all\n\n", "b n r", "nothing was removed"},
		{"enter", "", "\n", "b n r", "nothing to remove"},
		{"end of input", "--yes", "", "b n r", "nothing to remove"},
		{"typed", "", "1\ny\n", "n r", "removed 1 runs"},
		{"selected", "--select 0-1", "yes\n", "n", "removed 2 runs"},
		{"old", "--select old --yes", "", "b n", "removed 1 runs"},
		{"older", "--older-than 36h --yes", "", "n", "removed 2 runs"},
		{"older days", "--older-than 7.5d --yes", "", "b n", "removed 1 runs"},
		{"older of all", "--older-than 0s --select all --yes", "", "", "removed 3 runs"},
		{"experts", "--trainer lora --select all --yes", "", "n r", "removed 1 runs"},
		{"routers", "--trainer router --select all --yes", "", "b", "removed 2 runs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state := t.TempDir()
			logRun(t, filepath.Join(state, "tb_logs", "set", "r"), 10*day)
			logRun(t, filepath.Join(state, "tensorboard", "set", "b"), 2*day)
			logRun(t, filepath.Join(state, "tb_logs", "set", "n"), 0)
			typed(t, tt.typed)
			var out, errs bytes.Buffer
			args := append([]string{"tensorboard", "cleanup", "--state", state}, strings.Fields(tt.args)...)
			if got := run(args, &out, &errs); got != statusOK || !strings.Contains(out.String(), tt.want) {
				t.Errorf("got status %d, %s%s, want %q in it", got, &out, &errs, tt.want)
			}
			var left []string
			for _, name := range []string{"tensorboard/set/b", "tb_logs/set/n", "tb_logs/set/r"} {
				if _, err := os.Stat(filepath.Join(state, name)); err == nil {
					left = append(left, filepath.Base(name))
				}
			}
			if got := strings.Join(left, " "); got != tt.left {
				t.Errorf("got %q left, want %q", got, tt.left)
			}
		})
	}
}

func TestTensorboardCleanupWrong(t *testing.T) {
	for args, want := range map[string]string{
		"--older-than 7x": "unknown unit", "--older-than -1d": "want a number of days", "--older-than -1h": "not negative", "--trainer cat": "must be one of",
		"--select 7": "want numbers from 0 to 0",
	} {
		state := t.TempDir()
		logRun(t, filepath.Join(state, "tb_logs", "r"), 0)
		var errs bytes.Buffer
		got := run(append([]string{"tensorboard", "cleanup", "--state", state}, strings.Fields(strings.ReplaceAll(args, "than -", "than=-"))...), io.Discard, &errs)
		if got != statusFailed || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: got status %d, %s, want %q", args, got, &errs, want)
		}
	}
	var out bytes.Buffer
	if got := run([]string{"tensorboard", "cleanup", "--state", t.TempDir()}, &out, io.Discard); got != statusOK || out.String() != "no runs\n" {
		t.Errorf("got status %d, %q", got, &out)
	}
}

// TestTensorboardServe starts the server, asks for the runs and stops it.
func TestTensorboardServe(t *testing.T) {
	state := t.TempDir()
	logRun(t, filepath.Join(state, "tb_logs", "set", "run"), 0)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	ended := make(chan int, 1)
	var errs bytes.Buffer
	go func() {
		ended <- runUntil(ctx, []string{"tensorboard", "serve", "--state", state, "--port", "0"}, w, &errs)
	}()
	line := make([]byte, 64)
	n, err := r.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(strings.TrimSpace(string(line[:n])) + "/data/runs")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || !strings.Contains(string(text), `"0/set/run"`) {
		t.Errorf("got %s, %v", text, err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
	stop()
	if got := <-ended; got != statusOK || errs.Len() > 0 {
		t.Errorf("got status %d, %s", got, &errs)
	}
}
