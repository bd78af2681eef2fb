package tbevents

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"mole/internal/flock"
)

// ErrInUse is the error of a run that somebody writes.
var ErrInUse = errors.New("run is being written")

// Hold marks the run in the folder dir, which it makes if need be, as being
// written, until the Closer is closed or the process ends: [Remove] leaves it
// alone. A [Writer] does so by itself; a run holds its folder before, while it
// has nothing to write yet. Several may hold one folder.
func Hold(dir string) (io.Closer, error) {
	const patience, pause = 5 * time.Second, 5 * time.Millisecond
	for begin := time.Now(); ; time.Sleep(pause) {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, err
		}
		f, err := lockFolder(dir, true)
		// It is being removed, or was between the two calls: there will be a new
		// folder.
		again := errors.Is(err, ErrInUse) || errors.Is(err, fs.ErrNotExist)
		if err == nil {
			return f, nil
		}
		if !again || time.Since(begin) > patience {
			return nil, err
		}
	}
}

// lockFolder locks the folder dir. The error wraps ErrInUse if others have it.
func lockFolder(dir string, shared bool) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	ok, err := flock.Try(f, shared)
	if err == nil && !ok {
		err = fmt.Errorf("%s: %w", dir, ErrInUse)
	}
	if err == nil {
		err = sameFolder(f, dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sameFolder returns an error unless the open folder is still the one of its
// name.
func sameFolder(f *os.File, dir string) error {
	have, err := f.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(dir)
	if err == nil && !os.SameFile(have, now) {
		err = fmt.Errorf("%s: %w: another folder took its place", dir, fs.ErrNotExist)
	}
	return err
}

// Group joins the runs of [Runs] that lie in a folder of another one, such as
// texts beside numbers, with the outermost.
func Group(runs []Run) []Run {
	var out []Run
	at := map[string]int{}
	for _, run := range runs { // the outer ones come first
		owner := run.Name
		for dir := run.Name; dir != "."; dir = path.Dir(dir) {
			if _, ok := at[dir]; ok {
				owner = dir
			}
		}
		i, known := at[owner]
		if !known {
			at[owner] = len(out)
			run.Files = slices.Clone(run.Files)
			out = append(out, run)
			continue
		}
		g := &out[i]
		g.Files = append(g.Files, run.Files...)
		g.Bytes += run.Bytes
		if run.Modified.After(g.Modified) {
			g.Modified = run.Modified
		}
	}
	return out
}

// folders returns the folders of a run's files below root, the outer ones first.
func (r Run) folders() []string {
	var dirs []string
	for _, f := range r.Files {
		dirs = append(dirs, path.Dir(f))
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// InUse reports whether somebody writes the run below the folder root.
func InUse(root string, run Run) (bool, error) {
	locks, err := lockAll(root, run)
	err = errors.Join(err, closeAll(locks))
	if errors.Is(err, ErrInUse) {
		return true, nil
	}
	return false, err
}

// lockAll locks the folders of a run.
func lockAll(root string, run Run) ([]io.Closer, error) {
	var locks []io.Closer
	for _, dir := range run.folders() {
		f, err := lockFolder(filepath.Join(root, filepath.FromSlash(dir)), false)
		if err != nil {
			return locks, err
		}
		locks = append(locks, f)
	}
	return locks, nil
}

// closeAll gives locks back.
func closeAll(locks []io.Closer) error {
	var err error
	for _, l := range locks {
		err = errors.Join(err, l.Close())
	}
	return err
}

// Remove removes the event files of a run below the folder root, and the
// folders that are then empty, but not root. Other files stay. The error wraps
// [ErrInUse], and nothing is removed, if somebody writes the run.
func Remove(root string, run Run) (err error) {
	locks, err := lockAll(root, run)
	defer func() { err = errors.Join(err, closeAll(locks)) }()
	if err != nil {
		return err
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, name := range run.Files {
		if err := r.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, dir := range slices.Backward(run.folders()) {
		if err := removeEmpty(r, dir); err != nil {
			return err
		}
	}
	return nil
}

// removeEmpty removes a folder and those around it as far as they are empty.
func removeEmpty(r *os.Root, dir string) error {
	for ; dir != "."; dir = path.Dir(dir) {
		entries, err := fs.ReadDir(r.FS(), dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || len(entries) > 0 {
			return err
		}
		if err := r.Remove(dir); err != nil {
			return err
		}
	}
	return nil
}
