package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// must runs a command line in this process and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(args, &stdout, &stderr); got != statusOK {
		t.Fatalf("mole %s: status %d\n%s%s", strings.Join(args, " "), got, &stdout, &stderr)
	}
	return stdout.String()
}

// listing returns the names and sizes of all files in a folder.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		all = append(all, name+" "+info.ModTime().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestChain runs the commands as a newcomer would: draw, generate, and what
// follows by itself; then looks, and starts again.
func TestChain(t *testing.T) {
	dir := t.TempDir()
	state := "--state=" + dir
	drawn := must(t, "synth", state, "--images", "16", "--tests", "7", "--scale", "0.25", "--seed", "7")
	if !strings.Contains(drawn, "Next: mole generate") {
		t.Errorf("got %q, want a hint", drawn)
	}
	generate := []string{"generate", state, "--samples-per-adapter", "8", "--test-per-adapter", "2", "--name", "routing_test", "--no-chain"}
	if got := must(t, generate...); !strings.Contains(got, "routing_test  42 train, 7 val, 14 test") || !strings.Contains(got, "Next: mole upload") {
		t.Errorf("generate: got %q", got)
	}
	if got := must(t, "validate", filepath.Join(dir, "datasets", "routing_test"), "--from-dir", filepath.Join(dir, "experts")); !strings.Contains(got, "valid") {
		t.Errorf("validate: got %q", got)
	}
	if got := must(t, "upload", state, "--no-chain", filepath.Join(dir, "datasets", "routing_test")); !strings.Contains(got, "DATASET_NAME=routing_test\n") {
		t.Errorf("upload: got %q", got)
	}
	if got := must(t, "preprocess", state, "--dataset-name", "routing_test", "--no-chain"); !strings.Contains(got, "42 train, 7 val, 14 test samples") {
		t.Errorf("preprocess: got %q", got)
	}
	train := []string{"train", state, "--dataset-name", "routing_test", "--max-steps", "2", "--eval-steps", "2"}
	if got := must(t, train...); !strings.Contains(got, "run routing-test") {
		t.Errorf("train: got %q", got)
	}
	if got := must(t, "eval", state, "--dataset-name", "routing_test"); !strings.Contains(got, "Overall Accuracy: ") {
		t.Errorf("eval: got %q", got)
	}
	again(t, dir, generate, train)
}

// again checks that what was done is not done again, and that a dry run
// touches nothing.
func again(t *testing.T, dir string, generate, train []string) {
	t.Helper()
	before := listing(t, filepath.Join(dir, "store", "volumes"))
	if got := must(t, generate...); !strings.Contains(got, "is there already") {
		t.Errorf("second generate: got %q", got)
	}
	if got := must(t, train...); !strings.Contains(got, "done before") {
		t.Errorf("second train: got %q", got)
	}
	all := listing(t, dir)
	state := "--state=" + dir
	for _, args := range [][]string{
		{"upload", state, "--dry", filepath.Join(dir, "datasets", "routing_test")}, {"preprocess", state, "--dry", "--dataset-name", "routing_test"},
		{"train", state, "--dry", "--dataset-name", "routing_test"}, {"pipeline", state, "--dry-run"},
	} {
		if got := must(t, args...); !strings.Contains(got, "would run") {
			t.Errorf("%s: got %q", args[0], got)
		}
	}
	if after := listing(t, dir); !slices.Equal(after, all) {
		t.Error("a dry run touched files")
	}
	if len(before) == 0 {
		t.Error("nothing was published")
	}
}

// TestChainErrors checks what a user reads who starts in the middle.
func TestChainErrors(t *testing.T) {
	state := "--state=" + t.TempDir()
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"generate", state}, "datasets of the experts"},
		{[]string{"upload", state}, "mole generate makes one"},
		{[]string{"preprocess", state, "--dataset-name", "nowhere"}, "moe-lora-data:datasets/nowhere: not there; upload it first"},
		{[]string{"train", state, "--dataset-name", "nowhere"}, "run mole preprocess --dataset-name nowhere first"},
		{[]string{"eval", state, "--dataset-name", "nowhere"}, "not there; train it first"},
		{[]string{"generate", state, "--config", "nowhere"}, "nowhere: no such file or directory"},
		{[]string{"train", state, "--dataset-name", "x", "--base-model", "nowhere"}, "nowhere"},
	}
	for _, tt := range tests {
		var stdout, stderr bytes.Buffer
		if got := run(tt.args, &stdout, &stderr); got != statusFailed || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("%v: got status %d and %q, want %q", tt.args, got, &stderr, tt.want)
		}
	}
}
