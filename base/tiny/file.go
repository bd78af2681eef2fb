package tiny

import (
	"bytes"
	"io"
	"io/fs"
	"time"
)

// file is the open file of the weights. It can seek and read at offsets.
type file struct{ *bytes.Reader }

// Stat implements [fs.File].
func (*file) Stat() (fs.FileInfo, error) { return info{weights}, nil }

// Close implements [fs.File].
func (*file) Close() error { return nil }

// folder is the open root.
type folder struct{ rest []fs.DirEntry }

// Stat implements [fs.File].
func (*folder) Stat() (fs.FileInfo, error) { return info{"."}, nil }

// Read implements [fs.File]: a folder has no bytes.
func (*folder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: ".", Err: fs.ErrInvalid}
}

// Close implements [fs.File].
func (*folder) Close() error { return nil }

// ReadDir implements [fs.ReadDirFile].
func (f *folder) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(f.rest) {
		if n > 0 && len(f.rest) == 0 {
			return nil, io.EOF
		}
		n = len(f.rest)
	}
	entries := f.rest[:n]
	f.rest = f.rest[n:]
	return entries, nil
}

// info describes the weights, or the root under the name ".".
type info struct{ name string }

// Name implements [fs.FileInfo].
func (i info) Name() string { return i.name }

// Size implements [fs.FileInfo].
func (i info) Size() int64 {
	if i.IsDir() {
		return 0
	}
	return weightsSize
}

// Mode implements [fs.FileInfo].
func (i info) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

// ModTime implements [fs.FileInfo]: embedded files have no time.
func (info) ModTime() time.Time { return time.Time{} }

// IsDir implements [fs.FileInfo].
func (i info) IsDir() bool { return i.name == "." }

// Sys implements [fs.FileInfo].
func (info) Sys() any { return nil }
