// Package traintest proves for a network that training survives being killed:
// it trains in child processes, kills them at random moments, lets the next one
// continue, and hands back what they made in the end, which must be the bytes
// of a run that nobody disturbed.
//
// The child is the test binary itself. A test file needs two things: a TestMain
// that calls Main, and a test that compares Killed with Final.
package traintest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"mole/train"
)

// Runs makes runs by name: a trainer with everything set but Dir and Report,
// the same each time, on a device with the given number of workers.
type Runs map[string]func(workers int) (*train.Trainer, error)

// The environment of a child.
const (
	envRun     = "MOLE_TEST_TRAIN_RUN"
	envWorkers = "MOLE_TEST_TRAIN_WORKERS"
	envDir     = "MOLE_TEST_TRAIN_DIR"
)

// Main runs the tests of m or, in a process made by Command, one of the runs.
// It does not return.
func Main(m *testing.M, runs Runs) {
	name, isChild := os.LookupEnv(envRun)
	if !isChild {
		os.Exit(m.Run())
	}
	if err := runs.train(name); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// train does the run of a child. After each step it writes the step's number to
// standard output and waits for a byte on standard input, if that is open.
func (r Runs) train(name string) error {
	workers, err := strconv.Atoi(os.Getenv(envWorkers))
	if err != nil {
		return err
	}
	if r[name] == nil {
		return fmt.Errorf("no run %q", name)
	}
	t, err := r[name](workers)
	if err != nil {
		return err
	}
	t.Dir = os.Getenv(envDir)
	in := bufio.NewReader(os.Stdin)
	t.Report = func(s train.Step) {
		fmt.Println(s.Index)
		_, _ = in.ReadByte() // a parent that does not lead has closed it
	}
	_, err = t.Run(context.Background())
	return err
}

// Command returns the command that trains the run of that name with its
// checkpoints in dir.
func Command(name string, workers int, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envRun+"="+name, envWorkers+"="+strconv.Itoa(workers), envDir+"="+dir)
	return cmd
}

// Final trains undisturbed and returns the bytes of the last checkpoint.
func Final(t *testing.T, name string, workers int) []byte {
	t.Helper()
	dir := t.TempDir()
	finish(t, name, workers, dir)
	return newest(t, dir)
}

// finish trains in dir until the end.
func finish(t *testing.T, name string, workers int, dir string) {
	t.Helper()
	if out, err := Command(name, workers, dir).CombinedOutput(); err != nil {
		t.Fatalf("run %s: %v\n%s", name, err, out)
	}
}

// newest returns the contents of the last checkpoint in dir.
func newest(t *testing.T, dir string) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "step-*.safetensors"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got checkpoints %v in %s, error %v", files, dir, err)
	}
	data, err := os.ReadFile(slices.Max(files)) // numbers have leading zeros
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Kills says when to kill a run.
type Kills struct {
	Count int    // times
	Steps int    // of the whole run
	Seed  uint64 // of the moments
}

// Killed trains, kills the process again and again, continues each time, and
// returns the bytes of the last checkpoint.
func Killed(t *testing.T, name string, workers int, k Kills) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(k.Seed, 0))
	steps := make([]int, k.Count)
	for i := range steps {
		steps[i] = random.IntN(k.Steps - 1) // the last step would end the run
	}
	slices.Sort(steps) // every process gets past the one before
	dir := t.TempDir()
	for _, step := range steps {
		c := start(t, name, workers, dir)
		began := c.lead(t, step)
		delay := time.Duration(random.Float64() * float64(c.slowest))
		c.kill(t, delay)
		t.Logf("began with step %d, killed %v after step %d", began, delay, step)
	}
	finish(t, name, workers, dir)
	return newest(t, dir)
}

// Kill trains in dir and kills the process when it has done the given step.
func Kill(t *testing.T, name string, workers int, dir string, step int) {
	t.Helper()
	c := start(t, name, workers, dir)
	c.lead(t, step)
	c.kill(t, 0)
}

// child is a process that trains.
type child struct {
	cmd     *exec.Cmd
	steps   *bufio.Scanner // its standard output
	release io.Writer      // its standard input
	stderr  bytes.Buffer
	slowest time.Duration // from one step to the next
}

// start starts a child.
func start(t *testing.T, name string, workers int, dir string) *child {
	t.Helper()
	c := &child{cmd: Command(name, workers, dir)}
	c.cmd.Stderr = &c.stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.steps, c.release = bufio.NewScanner(out), in
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// lead releases the child step by step until it has been released from the
// given step, and returns the first step that it took.
func (c *child) lead(t *testing.T, step int) (first int) {
	t.Helper()
	first = -1
	for last := time.Now(); c.steps.Scan(); last = time.Now() {
		n, err := strconv.Atoi(c.steps.Text())
		if err != nil {
			t.Fatalf("got %q from the child, want a step", c.steps.Text())
		}
		if first < 0 {
			first = n
		} else {
			c.slowest = max(c.slowest, time.Since(last))
		}
		if _, err := c.release.Write([]byte{'\n'}); err != nil {
			t.Fatal(err)
		}
		if n >= step {
			return first
		}
	}
	err := c.cmd.Wait()
	t.Fatalf("child ended before step %d: %v\n%s", step, err, c.stderr.Bytes())
	return first
}

// kill kills the child after a delay, without a chance to clean up.
func (c *child) kill(t *testing.T, delay time.Duration) {
	t.Helper()
	time.Sleep(delay)
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err == nil {
		t.Fatal("child ended before it was killed")
	}
}
