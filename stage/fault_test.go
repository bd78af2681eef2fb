package stage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"mole/stage"
	"mole/store"
	"mole/store/file"
)

// copied returns a copy of the datasets that may be broken.
func copied(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "experts")
	if err := os.CopyFS(dir, os.DirFS(draw(t))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// edit replaces a text in a file.
func edit(t *testing.T, file, from, to string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("%s: there is no %q", file, from)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o666); err != nil {
		t.Fatal(err)
	}
}

// firstPicture returns the path of the first picture that a set trains on.
func firstPicture(t *testing.T, w *workshop, set *stage.Generated) string {
	t.Helper()
	return filepath.Join(w.from, filepath.FromSlash(set.Set.Train[0].Image))
}

// TestFaults breaks the input between generate and upload: each fault is one
// message that names the place, and the chain goes on once it is mended.
func TestFaults(t *testing.T) {
	const broken = 4711
	tests := []struct {
		name string
		harm func(t *testing.T, w *workshop, set *stage.Generated)
		want []string
	}{
		{"missing image", func(t *testing.T, w *workshop, set *stage.Generated) {
			if err := os.Remove(firstPicture(t, w, set)); err != nil {
				t.Fatal(err)
			}
		}, []string{"train.jsonl:1", ".png", "no such file"}},
		{"broken line", func(t *testing.T, _ *workshop, set *stage.Generated) {
			name := filepath.Join(set.Dir, "train.jsonl")
			line, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			line = line[:strings.IndexByte(string(line), '\n')+1]
			text := strings.Repeat(string(line), broken-1) + `{"id": "half", "image` + "\n"
			if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}, []string{fmt.Sprintf("train.jsonl:%d", broken)}},
		{"wrong label", func(t *testing.T, _ *workshop, set *stage.Generated) {
			edit(t, filepath.Join(set.Dir, "val.jsonl"), `"label":0`, `"label":2`)
		}, []string{"val.jsonl:", "label"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := openWorkshop(t, t.TempDir(), copied(t))
			c := w.chain(brief())
			c.Until = "generate"
			results, _ := mustRun(t, c)
			set := results["generate"].(*stage.Generated)
			tt.harm(t, w, set)
			c = w.chain(brief())
			c.From, c.NoChain, c.Upload.Dir = "upload", true, set.Dir
			_, err := c.Run(t.Context())
			if err == nil {
				t.Fatal("it was uploaded")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			intact(t, w.Store)
		})
	}
}

// TestTruncated cuts a picture short behind its header, which upload does not
// notice.
func TestTruncated(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), copied(t))
	c := w.chain(brief())
	c.Until = "generate"
	results, _ := mustRun(t, c)
	set := results["generate"].(*stage.Generated)
	whole, err := os.ReadFile(firstPicture(t, w, set))
	if err == nil {
		err = os.Truncate(firstPicture(t, w, set), 300)
	}
	if err != nil {
		t.Fatal(err)
	}
	c = w.chain(brief())
	c.From, c.Until, c.Upload.Dir = "upload", "preprocess", set.Dir
	if _, err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), set.Set.Train[0].Image) || !strings.Contains(err.Error(), "train:1") {
		t.Errorf("got %v, want the picture and its place", err)
	}
	if err := os.WriteFile(firstPicture(t, w, set), whole, 0o666); err != nil {
		t.Fatal(err)
	}
	mustRun(t, w.chain(brief()))
}

// TestTwoChains starts a chain while another is at work on the same volume.
func TestTwoChains(t *testing.T) {
	dir := t.TempDir()
	w := openWorkshop(t, dir, draw(t))
	second := openWorkshop(t, dir, draw(t)) // opens files of its own, as another process does
	c := w.chain(brief())
	var refused []error
	c.After = func(string, any) error {
		_, err := second.chain(brief()).Run(t.Context())
		refused = append(refused, err)
		return nil
	}
	if _, err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, err := range refused {
		if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "volume moe-lora-data") || !strings.Contains(err.Error(), "mole generate") {
			t.Errorf("got %v, want who has the volume", err)
		}
	}
	if len(refused) != 4 {
		t.Errorf("got %d stages, want 4", len(refused))
	}
	if _, err := second.chain(brief()).Run(t.Context()); err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
}

// full is a store on a disk that has room for some more writes. After each that
// publishes something, all of what is published has to be there.
type full struct {
	*file.Store
	t    *testing.T
	room atomic.Int64 // several files are stored at a time
}

// Put implements store.Store.
func (f *full) Put(ctx context.Context, name string, r io.Reader, when store.Condition) error {
	if f.room.Add(-1) < 0 {
		return &fs.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
	}
	err := f.Store.Put(ctx, name, r, when)
	if err == nil && isPublished(name) {
		whole(f.t, f.Store, name)
	}
	return err
}

// TestDiskFull lets the disk run full at several points of the chain, which
// goes on when there is room again.
func TestDiskFull(t *testing.T) {
	w := openWorkshop(t, t.TempDir(), draw(t))
	on := w.Store.(*file.Store)
	for room := 0; ; room = 2*room + 3 {
		disk := &full{Store: on, t: t}
		disk.room.Store(int64(room))
		w.Store = disk
		_, err := w.chain(brief()).Run(t.Context())
		intact(t, on)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("room for %d: got %v, want %v", room, err, syscall.ENOSPC)
		}
		if room > 1000 {
			t.Fatal("the chain never ends")
		}
	}
}

// TestReadOnly works in a folder that nobody may write to.
func TestReadOnly(t *testing.T) {
	if os.Geteuid() == 0 { // may write everywhere: a file in the way does it too
		w := openWorkshop(t, t.TempDir(), draw(t))
		if err := os.WriteFile(filepath.Join(w.State, "work"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, w)
		return
	}
	w := openWorkshop(t, t.TempDir(), draw(t))
	if err := os.Chmod(w.State, 0o555); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, w)
	if err := os.Chmod(w.State, 0o777); err != nil {
		t.Fatal(err)
	}
}

// wantRefused checks that a chain names the folder that it may not write to.
func wantRefused(t *testing.T, w *workshop) {
	t.Helper()
	_, err := w.chain(brief()).Run(t.Context())
	var path *fs.PathError
	if !errors.As(err, &path) || !strings.HasPrefix(path.Path, filepath.Join(w.State, "work")) {
		t.Errorf("got %v, want an error that names the folder", err)
	}
	intact(t, w.Store)
}
