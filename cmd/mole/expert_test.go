package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/eval"
)

// line runs a command line in a state folder and returns what it prints.
func line(t *testing.T, state, args string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(append(strings.Fields(args), "--state="+state), &out, &errs)
	return out.String(), errs.String(), status
}

// TestExpertCommands takes an expert from its dataset to a merged checkpoint.
func TestExpertCommands(t *testing.T) {
	drawn, err := prepare()
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	for _, step := range []struct{ args, want string }{
		{"train --expert login-window --max-tokens 16 --lora-rank 2 --max-steps 2 --batch-size 2 --from-dir " + filepath.Join(drawn, "experts"), "Next: mole test --expert login-window"},
		{"test --expert login-window --max-tokens 16", "Overall Accuracy: "},
		{"deploy --expert login-window --latest", "DEPLOYED: expert login-window"},
		{"deploy --expert login-window --latest", "deployed already: expert login-window"},
		{"merge --expert login-window --out " + filepath.Join(state, "merged"), "35 layers of moe-inference:loras/login-window/adapter"},
		{"train --expert login-window --dry", "would run: mole train --expert login-window"},
	} {
		out, errs, status := line(t, state, step.args)
		if status != statusOK || !strings.Contains(out, step.want) {
			t.Fatalf("mole %s: status %d, want %q\n%s%s", step.args, status, step.want, out, errs)
		}
	}
	if _, err := os.Stat(filepath.Join(state, "merged", "model.safetensors")); err != nil {
		t.Error(err)
	}
	wantReport(t, state)
}

// wantReport checks the report as a program reads it.
func wantReport(t *testing.T, state string) {
	t.Helper()
	out, errs, status := line(t, state, "test --expert login-window --tests 1 --json")
	var r eval.ExpertReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != statusOK || r.Results.Total != 1 {
		t.Errorf("status %d, %v: %s%s", status, err, out, errs)
	}
}

// TestExpertRefuses checks what the flags cannot ask for.
func TestExpertRefuses(t *testing.T) {
	state := t.TempDir()
	for args, want := range map[string]string{
		"train":                                    "want the routing set, or --expert NAME",
		"train --dataset-name x --from-dir y":      "--from-dir goes with --expert",
		"train --expert Calendar":                  "Calendar",
		"train --expert calendar --plan":           "--plan is for routers",
		"train --expert calendar":                  "no dataset of expert calendar",
		"test":                                     "want the routing set, or --expert NAME",
		"test --expert calendar":                   "no dataset of expert calendar",
		"deploy --expert calendar --latest":        "no run of expert calendar",
		"deploy --latest --accuracy 50":            "--accuracy goes with --expert",
		"deploy --expert ocr --accuracy 101":       "--accuracy 101, want 0 to 100",
		"merge --out " + filepath.Join(state, "m"): "want --expert NAME or --adapter PATH",
	} {
		if out, errs, status := line(t, state, args); status != statusFailed || !strings.Contains(errs, want) {
			t.Errorf("mole %s: status %d, want %q\n%s%s", args, status, want, out, errs)
		}
	}
}
