package stage_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"mole/router"
	"mole/stage"
	"mole/synth"
	"mole/view"
)

// memoryTargets names, for a child process, where its adapter goes.
const memoryTargets = "MOLE_TEST_MEMORY_TARGETS"

// hungry returns a chain whose training takes much: large pictures, all of them
// in one step.
func hungry(t *testing.T, dir, targets string) *stage.Chain {
	t.Helper()
	from := filepath.Join(dir, "drawn")
	o := synth.Options{Experts: small, Images: 18, Tests: 1, Seed: 7, Scale: 0.5, Time: drawing, Workers: 2}
	if _, err := synth.Generate(t.Context(), from, o, nil); err != nil {
		t.Fatal(err)
	}
	w := openWorkshop(t, dir, from)
	var err error
	w.view, err = view.New(view.Options{
		Experts: w.Experts, Tokenizer: w.base.Tokenizer, Base: w.base.Digest, Vision: w.base.Vision, MaxTokens: 128,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := brief()
	s.Targets, s.Rung, s.Batch, s.Steps, s.EvalEvery, s.SaveEvery, s.PassTokens = targets, router.LoRA, 27, 3, 3, 3, 8192
	return w.chain(s)
}

// TestMemoryChild is the process that is measured: it trains on what its parent
// preprocessed, and prints its own peak. What the system tells the parent about
// it would begin with the parent's.
func TestMemoryChild(t *testing.T) {
	targets := os.Getenv(memoryTargets)
	if targets == "" {
		return
	}
	mustRun(t, hungry(t, os.Getenv(chainDir), targets))
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(regexp.MustCompile(`(?m)^VmHWM:.*$`).FindString(string(status)))
}

// peakOf returns what a child printed, in bytes.
func peakOf(t *testing.T, out []byte) int64 {
	t.Helper()
	found := regexp.MustCompile(`(?m)^VmHWM:\s*(\d+) kB$`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("no peak in\n%s", out)
	}
	kib, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// TestMemoryMeasured compares what training was said to take with what a
// process took.
func TestMemoryMeasured(t *testing.T) {
	if os.Getenv("MOLE_TEST_HEAVY") == "" {
		t.Skip("MOLE_TEST_HEAVY is not set")
	}
	for _, targets := range []string{"text", "full"} {
		dir := t.TempDir()
		c := hungry(t, dir, targets)
		c.Until = "preprocess"
		mustRun(t, c)
		n, err := c.Train.Needs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(os.Args[0], "-test.run=^TestMemoryChild$")
		child.Env = append(os.Environ(), chainDir+"="+dir, chainFrom+"="+draw(t), memoryTargets+"="+targets, "GOGC=25")
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		taken := peakOf(t, out)
		ratio := float64(taken) / float64(n.Total())
		t.Logf("%s: %v; taken %d MiB, %.2f of it", targets, n, taken>>20, ratio)
		if ratio < 0.85 || ratio > 1.15 {
			t.Errorf("%s: taken %d bytes, want within 15 %% of %d", targets, taken, n.Total())
		}
	}
}
