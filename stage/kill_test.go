package stage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"mole/stage"
	"mole/store"
)

// chainDir and chainKill name, for a child process, the folder of the chain and
// the stage after which it kills itself; chainFrom is the folder of datasets.
const (
	chainDir  = "MOLE_TEST_CHAIN_DIR"
	chainKill = "MOLE_TEST_CHAIN_KILL"
	chainFrom = "MOLE_TEST_CHAIN_FROM"
)

// TestChild is the process that is killed: it runs the whole chain.
func TestChild(t *testing.T) {
	dir := os.Getenv(chainDir)
	if dir == "" {
		return
	}
	w := openWorkshop(t, dir, os.Getenv(chainFrom))
	c := w.chain(brief())
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
	fmt.Println("ready")
	if _, err := c.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// child starts the chain in a process of its own.
func child(t *testing.T, dir, kill string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestChild$")
	c.Env = append(os.Environ(), chainDir+"="+dir, chainKill+"="+kill, chainFrom+"="+draw(t), "TMPDIR="+t.TempDir())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestKilled kills the chain after each stage, and then at random moments; the
// rerun has the adapter of a chain that nobody killed, and no published folder
// is ever incomplete.
func TestKilled(t *testing.T) {
	undisturbed := openWorkshop(t, t.TempDir(), draw(t))
	began := time.Now()
	results, _ := mustRun(t, undisturbed.chain(brief()))
	took := time.Since(began)
	want := results["train"].(*stage.Trained).Bundle.Weights

	dir := t.TempDir()
	for _, name := range []string{"generate", "upload", "preprocess", "train"} {
		killed(t, child(t, dir, name))
		intact(t, openWorkshop(t, dir, draw(t)).Store)
	}
	rerun(t, dir, "after each stage", want)
	kills := 3
	if os.Getenv("MOLE_TEST_HEAVY") != "" {
		kills = 50
	}
	random := rand.New(rand.NewPCG(420, 1))
	dir = t.TempDir()
	for i := range kills {
		c := child(t, dir, "")
		pause := time.Duration(random.Int64N(int64(took)))
		time.Sleep(pause)
		_ = c.Process.Kill() // it may have ended
		_ = c.Wait()
		intact(t, openWorkshop(t, dir, draw(t)).Store)
		if i%10 == 9 || i == kills-1 { // begin anew from time to time
			rerun(t, dir, fmt.Sprintf("kill %d, after %v", i, pause), want)
			dir = t.TempDir()
		}
	}
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

// intact checks that every published folder has all its files.
func intact(t *testing.T, s store.Store) {
	t.Helper()
	ctx := context.Background()
	for _, prefix := range []string{"volumes/", "stages/"} {
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
