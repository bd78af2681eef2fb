package stage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"mole/router"
	"mole/stage"
	"mole/synth"
	"mole/view"
)

// memoryMeal says, for a child process, what it trains on.
const memoryMeal = "MOLE_TEST_MEMORY_MEAL"

// meal is what makes training take much.
type meal struct {
	Targets string // of the adapter
	Images  int    // drawn of each expert
	Cells   int    // merged cells of a picture, at most
	Batch   int    // samples in a step, which is one pass
}

// hungry returns a chain that trains on a meal.
func hungry(t *testing.T, dir string, m meal) *stage.Chain {
	t.Helper()
	from := filepath.Join(dir, "drawn")
	o := synth.Options{Experts: small, Images: m.Images, Tests: 1, Seed: 7, Scale: 0.5, Time: drawing, Workers: 2}
	if _, err := synth.Generate(t.Context(), from, o, nil); err != nil {
		t.Fatal(err)
	}
	w := openWorkshop(t, dir, from)
	var err error
	w.view, err = view.New(view.Options{
		Experts: w.Experts, Tokenizer: w.base.Tokenizer, Base: w.base.Digest, Vision: w.base.Vision, MinTokens: m.Cells / 2, MaxTokens: m.Cells,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := brief()
	s.Targets, s.Rung, s.Batch, s.Steps, s.EvalEvery, s.SaveEvery, s.PassTokens = m.Targets, router.LoRA, m.Batch, 3, 3, 3, 8192
	c := w.chain(s)
	for name := range c.Generate.Options.Counts {
		c.Generate.Options.Counts[name] = m.Images * 2 / 3 // some look alike, and some are for tests
	}
	return c
}

// TestMemoryChild is the process that is measured: it trains on what its parent
// preprocessed, and prints its own peak, and that of memory that no file is
// behind. What the system tells the parent about it would begin with the
// parent's.
func TestMemoryChild(t *testing.T) {
	text := os.Getenv(memoryMeal)
	if text == "" {
		return
	}
	var m meal
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	own := make(chan int64, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { own <- largest(ctx, "RssAnon") }()
	mustRun(t, hungry(t, os.Getenv(chainDir), m))
	stop()
	fmt.Printf("VmHWM: %d kB\nRssAnon: %d kB\n", statusOf("VmHWM"), <-own)
}

// largest returns the largest value of a line of this process's status until
// ctx ends, in KiB.
func largest(ctx context.Context, line string) int64 {
	most := int64(0)
	for ctx.Err() == nil {
		most = max(most, statusOf(line))
		time.Sleep(5 * time.Millisecond)
	}
	return most
}

// statusOf returns a line of this process's status, in KiB; 0 if there is none.
func statusOf(line string) int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	return kibibytes(status, line)
}

// kibibytes returns the number on a line "NAME: NUMBER kB" of a text.
func kibibytes(text []byte, name string) int64 {
	found := regexp.MustCompile(`(?m)^` + name + `:\s*(\d+) kB$`).FindSubmatch(text)
	if found == nil {
		return 0
	}
	n, _ := strconv.ParseInt(string(found[1]), 10, 64) // digits; 0 if too many
	return n
}

// eat runs the stages before training here, and training in a child. It returns
// what the run was said to need and what the child printed.
func eat(t *testing.T, dir string, m meal) (n stage.Needs, out []byte) {
	t.Helper()
	c := hungry(t, dir, m)
	c.Until = "preprocess"
	mustRun(t, c)
	n, err := c.Train.Needs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestMemoryChild$")
	child.Env = append(os.Environ(), chainDir+"="+dir, chainFrom+"="+draw(t), memoryMeal+"="+string(text), "GOGC=25")
	if out, err = child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return n, out
}

// TestMemoryMeasured compares what training was said to take with what a
// process took.
func TestMemoryMeasured(t *testing.T) {
	if os.Getenv("MOLE_TEST_HEAVY") == "" {
		t.Skip("MOLE_TEST_HEAVY is not set")
	}
	for _, targets := range []string{"text", "full"} {
		n, out := eat(t, t.TempDir(), meal{Targets: targets, Images: 18, Cells: 128, Batch: 27})
		taken := kibibytes(out, "VmHWM") << 10
		ratio := float64(taken) / float64(n.Total())
		t.Logf("%s: %v; taken %d MiB, %.2f of it", targets, n, taken>>20, ratio)
		if ratio < 0.85 || ratio > 1.15 {
			t.Errorf("%s: taken %d bytes, want within 15 %% of %d", targets, taken, n.Total())
		}
	}
}

// TestMemoryStore trains on stores of two sizes, both large beside what is held
// for a moment (a shard of features that is being written): memory of the process
// itself hardly grows, so that a store may be larger than all memory there is.
func TestMemoryStore(t *testing.T) {
	if os.Getenv("MOLE_TEST_HEAVY") == "" {
		t.Skip("MOLE_TEST_HEAVY is not set")
	}
	taken, stored := [2]int64{}, [2]int64{}
	for i, images := range []int{90, 220} {
		dir := t.TempDir()
		_, out := eat(t, dir, meal{Targets: "text", Images: images, Cells: 256, Batch: 2})
		taken[i], stored[i] = kibibytes(out, "RssAnon")<<10, sizeOfTree(t, dir, ".safetensors")
		t.Logf("%d pictures of each expert: %d MiB stored, %d MiB taken", images, stored[i]>>20, taken[i]>>20)
	}
	if taken[0] == 0 || stored[1] < 2*stored[0] {
		t.Fatalf("got %d bytes for %d stored and %d for %d, want a store of twice the size", taken[0], stored[0], taken[1], stored[1])
	}
	if grown, more := taken[1]-taken[0], stored[1]-stored[0]; grown > more/3 {
		t.Errorf("%d bytes more in the store take %d more, want a third at most", more, grown)
	}
}

// sizeOfTree returns the bytes of the files below dir whose names end so.
func sizeOfTree(t *testing.T, dir, suffix string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, suffix) {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}
