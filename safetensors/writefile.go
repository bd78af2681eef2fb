package safetensors

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// TempPattern matches, in [path.Match], the names of the files that WriteFile
// leaves behind when the program is killed while it writes.
const TempPattern = ".*.safetensors-tmp"

// WriteFile is Write to the file at path, whole or not at all: the file is
// written under another name in the same folder, flushed to the disk, and then
// renamed; after a crash at any moment path holds either what it held before or
// all of the new file. On an error nothing is left behind.
func WriteFile(path string, entries []Entry, metadata map[string]string) error {
	return writeFile(path, func(w io.Writer) error { return Write(w, entries, metadata) })
}

// WriteFileFunc is WriteFunc to a file, as WriteFile is Write.
func WriteFileFunc(path string, specs []Spec, metadata map[string]string, elements func(w io.Writer, s Spec) error) error {
	return writeFile(path, func(w io.Writer) error { return WriteFunc(w, specs, metadata, elements) })
}

// writeFile puts what write writes at path.
func writeFile(path string, write func(w io.Writer) error) (err error) {
	folder, name := filepath.Split(path)
	f, err := createTemp(folder, name)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close() // the error that counts is err
			_ = os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// createTemp creates a file that is readable to whom the umask allows, as
// os.Create does and os.CreateTemp does not.
func createTemp(folder, name string) (*os.File, error) {
	for i := os.Getpid(); ; i++ {
		path := filepath.Join(folder, fmt.Sprintf(".%s.%d.safetensors-tmp", name, i))
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
	}
}
