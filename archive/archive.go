// Package archive packs a folder into one compressed file and unpacks such
// files (specification mole, 5.14). The same files give the same bytes. Files to
// be unpacked are not trusted: nothing is written outside the new folder, nothing
// but files and folders is made, and there is a bound on everything.
package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/klauspost/compress/gzip"

	"mole/store"
)

// Stats says what an archive holds.
type Stats struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"` // of the files
}

// Write packs the files of fsys, in the order of their paths, below a folder of
// the given name. Times, owners and modes are left out, and so are empty folders;
// anything but files and folders is an error.
func Write(ctx context.Context, w io.Writer, fsys fs.FS, name string) (s Stats, err error) {
	if err := store.CheckName(name); err != nil {
		return s, err
	}
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s: %v, want a file", p, d.Type())
		}
		n, err := writeFile(t, fsys, p, path.Join(name, p))
		s.Files++
		s.Bytes += n
		return err
	})
	if err == nil && s.Files == 0 {
		err = errors.New("no files to archive")
	}
	return s, errors.Join(err, t.Close(), z.Close())
}

// writeFile packs one file under a name.
func writeFile(t *tar.Writer, fsys fs.FS, p, name string) (n int64, err error) {
	if err := store.CheckPath(name); err != nil {
		return 0, err
	}
	f, err := fsys.Open(p)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: 0o644, ModTime: time.Unix(0, 0)}
	if err := t.WriteHeader(h); err != nil {
		return 0, fmt.Errorf("%s: %w", p, err)
	}
	n, err = io.Copy(t, f)
	if err == nil && n != info.Size() {
		err = fmt.Errorf("%d bytes, was %d: it changes", n, info.Size())
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", p, err)
	}
	return n, err
}
