//go:build unix

package train_test

import (
	"bytes"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"mole/train"
	"mole/train/traintest"
)

// fullDisk is tiny where no file may be longer than a kilobyte, so that every
// checkpoint fails half written.
func fullDisk(workers int) (*train.Trainer, error) {
	signal.Ignore(syscall.SIGXFSZ) // the write then gives an error instead
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1000, Max: 1000}); err != nil {
		return nil, err
	}
	return tiny(workers)
}

// TestFullDisk checks that a checkpoint that does not fit ends the run with one
// clear message, and that those before it are whole.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	want := traintest.Final(t, "tiny", 1)
	traintest.Kill(t, "tiny", 1, dir, 9)
	before := checkpoints(t, dir)

	out, err := traintest.Command("full disk", 1, dir).CombinedOutput()
	if err == nil {
		t.Fatal("got no error from a full disk")
	}
	// A test binary that measures coverage complains about the disk as well.
	begin, end := "checkpoint of step 12: write "+file(dir, 12), "file too large\n"
	if _, rest, ok := strings.Cut(string(out), begin); !ok || !strings.Contains(rest, end) {
		t.Errorf("got %q, want a line from %q to %q", out, begin, end)
	}
	if after := checkpoints(t, dir); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("got files %v, want %v", after, before)
	}
	if out, err := traintest.Command("tiny", 1, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !bytes.Equal(contents(t, file(dir, 60)), want) {
		t.Errorf("other bytes than with a disk that is not full")
	}
}
