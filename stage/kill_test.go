package stage_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mole/stage"
	"mole/store"
	"mole/store/file"
	"mole/train"
)

// chainDir and chainKill name, for a child process, the folder of the chain and
// the stage after which it kills itself; chainFrom is the folder of datasets.
const (
	chainDir  = "MOLE_TEST_CHAIN_DIR"
	chainKill = "MOLE_TEST_CHAIN_KILL"
	chainFrom = "MOLE_TEST_CHAIN_FROM"
)

// TestChild is the process that is killed: it runs the whole chain and evaluates,
// and prints a line whenever it gets on.
func TestChild(t *testing.T) {
	dir := os.Getenv(chainDir)
	if dir == "" {
		return
	}
	w := openWorkshop(t, dir, os.Getenv(chainFrom))
	c := watched(w, func() { fmt.Println() })
	c.Until = "eval"
	c.After = func(name string, _ any) error {
		if name != os.Getenv(chainKill) {
			return nil
		}
		p, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		return p.Kill()
	}
	if _, err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// watched returns a chain that calls event whenever it gets on.
func watched(w *workshop, event func()) *stage.Chain {
	w.Progress = func(string, int64, int64) { event() }
	c := w.chain(brief())
	c.Train.Report = func(train.Step, stage.Settings) { event() }
	c.Train.Evaluated = func(train.Evaluation) { event() }
	return c
}

// child starts the chain in a process of its own. events gives the lines that it
// prints.
func child(t *testing.T, dir, kill string) (c *exec.Cmd, events *bufio.Scanner) {
	t.Helper()
	c = exec.Command(os.Args[0], "-test.run=^TestChild$")
	c.Env = append(os.Environ(), chainDir+"="+dir, chainKill+"="+kill, chainFrom+"="+draw(t), "TMPDIR="+t.TempDir())
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewScanner(out)
}

// TestKilled kills the chain after each stage, and then at random moments; the
// rerun has the adapter of a chain that nobody killed, and no published folder
// is ever incomplete.
func TestKilled(t *testing.T) {
	undisturbed := openWorkshop(t, t.TempDir(), draw(t))
	events := 0
	results, _ := mustRun(t, watched(undisturbed, func() { events++ }))
	want := results["train"].(*stage.Trained).Bundle.Weights

	dir := t.TempDir()
	for _, name := range []string{"generate", "upload", "preprocess", "train", "eval"} {
		c, _ := child(t, dir, name)
		killed(t, c)
		intact(t, openStore(t, dir))
	}
	rerun(t, dir, "after each stage", want)
	kills := 3
	if os.Getenv("MOLE_TEST_HEAVY") != "" {
		kills = 50
	}
	random := rand.New(rand.NewPCG(420, 1))
	dir = t.TempDir()
	for done := 0; done < kills; {
		n := 1 + random.IntN(events)
		pause := time.Duration(random.IntN(4000)) * time.Microsecond
		if killedAfter(t, dir, n, pause) {
			done++
			intact(t, openStore(t, dir))
		}
		if kills > 3 && n%3 == 0 || done == kills { // begin anew from time to time
			rerun(t, dir, fmt.Sprintf("%d times, at last %v after event %d", done, pause, n), want)
			dir = t.TempDir()
		}
	}
}

// killedAfter starts the chain in a folder and kills it a moment after it has got
// on so many times. It reports false if the chain ended before.
func killedAfter(t *testing.T, dir string, events int, pause time.Duration) bool {
	t.Helper()
	c, lines := child(t, dir, "")
	for range events {
		if !lines.Scan() {
			break
		}
	}
	time.Sleep(pause)
	_ = c.Process.Kill() // it may have ended
	var exit *exec.ExitError
	return errors.As(c.Wait(), &exit) && !exit.Exited()
}

// openStore opens the store of a chain.
func openStore(t *testing.T, dir string) store.Store {
	t.Helper()
	s, err := file.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// killed waits for a child that kills itself.
func killed(t *testing.T, c *exec.Cmd) {
	t.Helper()
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("got %v, want a killed process", err)
	}
}

// rerun completes the chain in a folder.
func rerun(t *testing.T, dir, when string, want []byte) {
	t.Helper()
	w := openWorkshop(t, dir, draw(t))
	intact(t, w.Store)
	results, _ := mustRun(t, w.chain(brief()))
	if !bytes.Equal(results["train"].(*stage.Trained).Bundle.Weights, want) {
		t.Errorf("killed %s: the adapter differs", when)
	}
	if sets, err := filepath.Glob(filepath.Join(dir, "datasets", "*")); err != nil || len(sets) != 1 {
		t.Errorf("killed %s: got routing sets %v, want one", when, sets)
	}
	intact(t, w.Store)
}

// published begin the names of references to folders.
var published = []string{"volumes/", "stages/"}

// isPublished reports whether a name is that of a published folder.
func isPublished(name string) bool {
	return slices.ContainsFunc(published, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// intact checks that every published folder has all its files.
func intact(t *testing.T, s store.Store) {
	t.Helper()
	ctx := context.Background()
	for _, prefix := range published {
		for info, err := range s.List(ctx, prefix) {
			if err != nil {
				t.Fatal(err)
			}
			whole(t, s, info.Name)
		}
	}
}

// whole reads all files of a published folder; each is checked against its
// digest.
func whole(t *testing.T, s store.Store, ref string) {
	t.Helper()
	ctx := context.Background()
	tree, err := store.ReadTree(ctx, s, ref)
	if err != nil {
		t.Fatalf("%s: %v", ref, err)
	}
	for _, f := range tree.Files {
		r, err := store.GetObject(ctx, s, f.Digest)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			err = errors.Join(err, r.Close())
		}
		if err != nil {
			t.Errorf("%s: %s: %v", ref, f.Path, err)
		}
	}
}
