//go:build linux

package file_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"mole/store"
)

// limitedDir is the variable that makes the test binary a process that may not
// write long files.
const limitedDir = "MOLE_TEST_LIMITED_DIR"

// TestDiskFull fills what a process may write. A full disk and a used-up quota
// take the same way: write gives an error in the middle of a content.
func TestDiskFull(t *testing.T) {
	if dir := os.Getenv(limitedDir); dir != "" {
		putLimited(t, dir)
		return
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestDiskFull$")
	child.Env = append(os.Environ(), limitedDir+"="+dir)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// putLimited puts more than the process may write.
func putLimited(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	s := openIn(t, dir)
	put(t, s, "a", "old")
	limit := unix.Rlimit{Cur: 100_000, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		err := s.Put(t.Context(), name, strings.NewReader(strings.Repeat("x", 1_000_000)), store.Always)
		if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), "put "+name+": write "+dir) {
			t.Errorf("got error %v, want one that names %s, %s and the cause", err, name, dir)
		}
	}
	if got := names(t, s); got != "a" {
		t.Errorf("got names %q, want a", got)
	}
	if info, err := s.Stat(t.Context(), "a"); err != nil || info.Size != 3 {
		t.Errorf("got %+v, error %v, want a as it was", info, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".tmp")); err != nil || len(left) > 0 {
		t.Errorf("got %v, error %v, want no temporary files", left, err)
	}
}

// TestReadOnly writes to a folder of somebody else.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	put(t, s, "a", "old")
	other := openIn(t, filepath.Join(dir, "new"))
	for _, path := range []string{dir, filepath.Join(dir, ".tmp"), filepath.Join(dir, ".lock")} {
		if err := os.Chmod(path, 0o555); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Chmod(path, 0o777) }() // so that the folder can be removed
	}
	// The superuser may write everywhere: this thread gives that up for files.
	runtime.LockOSThread()
	user, err := unix.SetfsuidRetUid(65534)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, _ = unix.SetfsuidRetUid(user)
		runtime.UnlockOSThread()
	}()
	_, locked := s.Lock(t.Context(), "chain", "test", false)
	for what, err := range map[string]error{
		"put":    s.Put(t.Context(), "a", strings.NewReader("new"), store.Always),
		"new":    other.Put(t.Context(), "a", strings.NewReader("new"), store.Always),
		"lock":   locked,
		"append": store.AppendLine(t.Context(), s, "r", []byte("{}")),
	} {
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got error %v, want one that names %s and the cause", what, err, dir)
		}
	}
}
