package tbevents

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// logTree writes closed runs below a new folder and returns it.
func logTree(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		w, err := Create(filepath.Join(root, name), Options{})
		if err != nil {
			t.Fatal(err)
		}
		w.Scalar("loss", 1, 1)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// grouped lists the groups of runs below root.
func grouped(t *testing.T, root string) []Run {
	t.Helper()
	runs, err := Runs(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	return Group(runs)
}

func names(runs []Run) (out []string) {
	for _, r := range runs {
		out = append(out, r.Name)
	}
	return out
}

func TestGroup(t *testing.T) {
	root := logTree(t, ".", "set/a", "set/a/eval/x", "set/a-b", "set/b/train", "set/b/val")
	groups := grouped(t, root)
	if diff := cmp.Diff([]string{".", "set/a", "set/a-b", "set/b/train", "set/b/val"}, names(groups)); diff != "" {
		t.Fatalf("want (-), got (+):\n%s", diff)
	}
	if a := groups[1]; len(a.Files) != 2 || a.Bytes == 0 || a.Bytes%2 != 0 {
		t.Errorf("got %+v", a)
	}
}

func TestRemove(t *testing.T) {
	root := logTree(t, "set/a", "set/a/eval", "set/b")
	other := filepath.Join(root, "set", "b", "notes.txt")
	if err := os.WriteFile(other, []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, run := range grouped(t, root) {
		if err := Remove(root, run); err != nil {
			t.Fatal(err)
		}
	}
	if left := grouped(t, root); left != nil {
		t.Errorf("got %v left", names(left))
	}
	if _, err := os.Stat(filepath.Join(root, "set", "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the empty folder is left: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("a file that is no event file: %v", err)
	}
}

func TestRemoveRoot(t *testing.T) {
	root := logTree(t, ".")
	if err := Remove(root, grouped(t, root)[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); err != nil {
		t.Error(err)
	}
}

// TestRemoveInUse tries to remove a run whose inner folder alone is held, by
// two at first.
func TestRemoveInUse(t *testing.T) {
	root := logTree(t, "set/a", "set/a/eval")
	run := grouped(t, root)[0]
	dir := filepath.Join(root, "set", "a", "eval")
	for _, h := range []io.Closer{hold(t, dir), hold(t, dir)} {
		if busy, err := InUse(root, run); err != nil || !busy {
			t.Errorf("got in use %v, %v", busy, err)
		}
		if err := Remove(root, run); !errors.Is(err, ErrInUse) {
			t.Errorf("got %v, want %v", err, ErrInUse)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if busy, err := InUse(root, run); err != nil || busy {
		t.Errorf("after the last one closed: got in use %v, %v", busy, err)
	}
	if got := grouped(t, root); len(got) != 1 || len(got[0].Files) != 2 {
		t.Errorf("got %+v", got)
	}
}

// hold is Hold.
func hold(t *testing.T, dir string) io.Closer {
	t.Helper()
	h, err := Hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestWriterHolds checks that a run cannot be removed while a Writer is open,
// also one that continues it.
func TestWriterHolds(t *testing.T) {
	root := logTree(t, "a")
	w, err := Create(filepath.Join(root, "a"), Options{Start: 5})
	if err != nil {
		t.Fatal(err)
	}
	run := grouped(t, root)[0]
	if err := Remove(root, run); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want %v", err, ErrInUse)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Remove(root, run); err != nil {
		t.Error(err)
	}
}

// TestHoldAfterRemove removes a run between the moment in which its folder was
// opened and the one in which it was locked.
func TestHoldAfterRemove(t *testing.T) {
	root := logTree(t, "a")
	dir := filepath.Join(root, "a")
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := Remove(root, grouped(t, root)[0]); err != nil {
		t.Fatal(err)
	}
	if err := sameFolder(f, dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := hold(t, dir).Close(); err != nil {
		t.Error(err)
	}
}
