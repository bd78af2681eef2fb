package main

import (
	"bytes"
	"encoding/json"
	"fmt"
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
		{"train --expert login-window --plan --max-tokens 16", "together"},
		{"train --expert login-window --dry", "would run: mole train --expert login-window"},
		{"train --expert login-window --max-tokens 16 --run-name weighted --max-steps 1 --batch-size 1 --loss-weights 1,1.5,2", "  loss weights  base 1, action 1.5, arg 2 (json)\n"},
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
		"train":                                              "want the routing set, or --expert NAME",
		"train --dataset-name x --from-dir y":                "--from-dir goes with --expert",
		"train --expert Calendar":                            "Calendar",
		"train --expert calendar --plan":                     "no dataset of expert calendar",
		"train --expert calendar":                            "no dataset of expert calendar",
		"train --dataset-name x --loss-weights 1,1,1":        "--loss-weights goes with --expert",
		"train --dataset-name x --loss-weights-mode json":    "--loss-weights goes with --expert",
		"train --expert calendar --dry --loss-weights 1,2":   `--loss-weights: found "1,2", want three numbers`,
		"train --expert calendar --loss-weights=-1,1,2":      "--loss-weights: base -1, want a finite number, at least 0",
		"train --expert calendar --loss-weights-mode legacy": "--loss-weights: none, but the mode legacy",
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

// TestDemoExpert trains the expert of the demonstration: it passes most of its
// tests (specification mole, 4.4), and is deployed then.
func TestDemoExpert(t *testing.T) {
	if os.Getenv("MOLE_TEST_HEAVY") == "" {
		t.Skip("MOLE_TEST_HEAVY is not set")
	}
	var out, errs bytes.Buffer
	state := t.TempDir()
	ch, err := chainFlags{State: state}.openDefault(&out, &errs)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ch.close() }()
	if _, _, err := (&demoCmd{Out: state}).expert(t.Context(), ch); err != nil {
		t.Fatal(err)
	}
	var passed, all int
	_, text, _ := strings.Cut(out.String(), "passed ")
	if _, err := fmt.Sscanf(text, "%d of %d tests", &passed, &all); err != nil || passed < 8 || all != 10 {
		t.Errorf("passed %d of %d, %v, want 8 of 10 at least:\n%s", passed, all, err, &out)
	}
	if _, err := ch.DeployedExpert(t.Context(), demoExpert, ""); err != nil {
		t.Error(err)
	}
}
