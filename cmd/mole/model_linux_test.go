package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestModelMemory compares what routing a picture with the widths of the 2B is
// said to take with what it takes.
func TestModelMemory(t *testing.T) {
	if os.Getenv("MOLE_TEST_HEAVY") == "" {
		t.Skip("MOLE_TEST_HEAVY is not set")
	}
	dir := filepath.Join(t.TempDir(), "made")
	runModel(t, statusOK, "model make --shape 2b --random --layers 4 --vision-layers 4", dir)
	child := exec.Command(os.Args[0], "model", "check", dir, "--try", "--workers=2", "--json")
	child.Env = append(os.Environ(), asProgram+"=1")
	out, err := child.Output()
	if err != nil {
		t.Fatal(err)
	}
	var m checkedModel
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatal(err)
	}
	ratio := float64(m.Trial.Peak) / float64(m.Needs.Weights+m.Needs.Rest)
	t.Logf("%s taken, %.3f of what was said", byteSize(m.Trial.Peak), ratio)
	if ratio < 0.85 || ratio > 1.15 {
		t.Errorf("%d bytes were taken, want within 15 %% of %d and %d", m.Trial.Peak, m.Needs.Weights, m.Needs.Rest)
	}
}
