package train

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mole/safetensors"
)

// keep is the number of checkpoints that a run leaves. With two there is one to
// fall back on when the disk has damaged the newest.
const keep = 2

// folder is where a run keeps its checkpoints, locked against other runs.
type folder struct {
	path  string
	log   *slog.Logger
	lock  *os.File
	sound []int // steps of the checkpoints known to be sound, ascending
}

// openFolder makes the folder if there is none, locks it, and removes what a
// killed run left half written.
func openFolder(dir string, log *slog.Logger) (*folder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	f := &folder{path: dir, log: log, lock: lock}
	names, err := f.names()
	for _, name := range names {
		if ok, _ := path.Match(safetensors.TempPattern, name); ok {
			err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// close gives the lock back.
func (f *folder) close() error { return f.lock.Close() }

// names returns the names of the files in the folder, sorted.
func (f *folder) names() ([]string, error) {
	entries, err := os.ReadDir(f.path)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// file returns the path of the checkpoint after the given number of steps.
func (f *folder) file(step int) string {
	return filepath.Join(f.path, fmt.Sprintf("step-%06d.safetensors", step))
}

// steps returns the steps of all checkpoints in the folder, ascending.
func (f *folder) steps() ([]int, error) {
	names, err := f.names()
	var steps []int
	for _, name := range names {
		digits, isStep := strings.CutPrefix(strings.TrimSuffix(name, ".safetensors"), "step-")
		step, err := strconv.Atoi(digits)
		if isStep && err == nil && f.file(step) == filepath.Join(f.path, name) {
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	return steps, err
}

// load calls use with the newest sound checkpoint of the folder, if there is
// one. A damaged one is reported to the log and passed over; that none of them
// is sound is an error.
func (f *folder) load(use func(*state) error) error {
	steps, err := f.steps()
	if err != nil {
		return err
	}
	var damage []error
	for _, step := range slices.Backward(steps) {
		err := loadFile(f.file(step), use)
		if isDamage := errors.As(err, new(damageError)); !isDamage {
			f.sound = []int{step}
			return err
		}
		f.log.Warn("checkpoint damaged", "error", err)
		damage = append(damage, err)
	}
	if damage != nil {
		return fmt.Errorf("no sound checkpoint in %s; to begin anew, move these away: %w", f.path, errors.Join(damage...))
	}
	return nil
}

// damageError says that a file is not as a run wrote it.
type damageError struct{ error }

// loadFile calls use with the checkpoint in one file.
func loadFile(file string, use func(*state) error) (err error) {
	f, err := safetensors.Open(file)
	if err != nil {
		return damageError{err} // names the file
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	s, err := readState(f)
	if err != nil {
		return damageError{fmt.Errorf("%s: %w", file, err)}
	}
	if err := use(s); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// save writes a checkpoint and removes those that are no longer needed.
func (f *folder) save(s *state) error {
	if err := s.write(f.file(s.step)); err != nil {
		return err
	}
	f.sound = append(f.sound, s.step)
	f.sound = f.sound[max(0, len(f.sound)-keep):]
	steps, err := f.steps()
	for _, step := range steps {
		if !slices.Contains(f.sound, step) {
			err = errors.Join(err, os.Remove(f.file(step)))
		}
	}
	return err
}

// saved reports whether the newest sound checkpoint is that of the given step.
func (f *folder) saved(step int) bool {
	return len(f.sound) > 0 && f.sound[len(f.sound)-1] == step
}
