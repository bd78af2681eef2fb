package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// FS returns t as a file system, so that who reads a folder need not know
// whether it is one ([os.DirFS]) or a stored tree. Where the store is a
// [Mapper], open files also implement [io.ReaderAt] and [io.Seeker], and
// [LocalPath] finds them. A file that is read from begin to end is checked
// against its digest; see [GetObject]. The context ends all reading. Times are
// zero.
func (t Tree) FS(ctx context.Context, s Store) fs.FS { return &treeFS{ctx, s, t} }

// treeFS implements [fs.FS], [fs.StatFS] and [fs.ReadDirFS].
type treeFS struct {
	ctx   context.Context
	store Store
	tree  Tree
}

// Open implements [fs.FS].
func (t *treeFS) Open(name string) (fs.File, error) {
	info, err := t.lookup("open", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return &treeDir{info: info, entries: t.entries(name)}, nil
	}
	f, err := t.openFile(info)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

// openFile opens a file, by its path where the store is a Mapper.
func (t *treeFS) openFile(info treeInfo) (fs.File, error) {
	object, err := ObjectName(info.file.Digest)
	if err != nil {
		return nil, err
	}
	m, ok := t.store.(Mapper)
	if !ok {
		r, err := GetObject(t.ctx, t.store, info.file.Digest)
		return streamFile{r, info}, err
	}
	local, err := m.Path(t.ctx, object)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(local)
	if err != nil {
		return nil, err
	}
	if on, err := f.Stat(); err != nil || on.Size() != info.file.Size {
		damage := fmt.Errorf("object %s: %w: want %d bytes", object, ErrDamaged, info.file.Size)
		return nil, errors.Join(cmp.Or(err, damage), f.Close())
	}
	return &localFile{File: f, ctx: t.ctx, info: info, sum: sha256.New()}, nil
}

// Stat implements [fs.StatFS].
func (t *treeFS) Stat(name string) (fs.FileInfo, error) { return t.lookup("stat", name) }

// ReadDir implements [fs.ReadDirFS].
func (t *treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	info, err := t.lookup("readdir", name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a folder")}
	}
	return t.entries(name), nil
}

// lookup returns what is at a path.
func (t *treeFS) lookup(op, name string) (treeInfo, error) {
	if !fs.ValidPath(name) {
		return treeInfo{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if f, ok := t.tree.File(name); ok {
		return treeInfo{path.Base(name), f, false}, nil
	}
	if name == "." || len(t.tree.under(name)) > 0 {
		return treeInfo{path.Base(name), File{}, true}, nil
	}
	return treeInfo{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// entries returns what is in a folder, by name.
func (t *treeFS) entries(dir string) []fs.DirEntry {
	below := Tree{Files: t.tree.under(dir)}
	prefix := ""
	if dir != "." {
		prefix = dir + "/"
	}
	var list []fs.DirEntry
	for i := 0; i < len(below.Files); {
		f := below.Files[i]
		name, _, isDir := strings.Cut(f.Path[len(prefix):], "/")
		info := treeInfo{name, f, isDir}
		i++
		if isDir {
			info.file = File{}
			i = below.from(prefix + name + "0") // past the folder: '0' follows '/'
		}
		list = append(list, fs.FileInfoToDirEntry(info))
	}
	// A folder stands where its slash does, which is not where its name does.
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return list
}

// treeInfo implements [fs.FileInfo].
type treeInfo struct {
	name string
	file File
	dir  bool
}

// Name implements [fs.FileInfo].
func (t treeInfo) Name() string { return t.name }

// Size implements [fs.FileInfo].
func (t treeInfo) Size() int64 { return t.file.Size }

// ModTime implements [fs.FileInfo].
func (t treeInfo) ModTime() time.Time { return time.Time{} }

// IsDir implements [fs.FileInfo].
func (t treeInfo) IsDir() bool { return t.dir }

// Sys implements [fs.FileInfo]: the File, for who knows that this is a tree.
func (t treeInfo) Sys() any { return t.file }

// Mode implements [fs.FileInfo].
func (t treeInfo) Mode() fs.FileMode {
	if t.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

// treeDir is an open folder.
type treeDir struct {
	info    treeInfo
	entries []fs.DirEntry // not read yet
}

// Stat implements [fs.File].
func (d *treeDir) Stat() (fs.FileInfo, error) { return d.info, nil }

// Close implements [fs.File].
func (d *treeDir) Close() error { return nil }

// Read implements [fs.File].
func (d *treeDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: errors.New("is a folder")}
}

// ReadDir implements [fs.ReadDirFile].
func (d *treeDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.entries) {
		n = len(d.entries)
	}
	list := d.entries[:n:n]
	d.entries = d.entries[n:]
	return list, nil
}

// streamFile is an open file of a store that is not a Mapper.
type streamFile struct {
	io.ReadCloser
	info treeInfo
}

// Stat implements [fs.File].
func (f streamFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// localFile is an open file of a store that is a Mapper. Reads that follow one
// another from the beginning go into sum.
type localFile struct {
	*os.File
	ctx  context.Context
	info treeInfo
	sum  hash.Hash
	at   int64 // where the next Read begins
	seen int64 // bytes in sum
}

// Stat implements [fs.File].
func (f *localFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// WriteTo hides the method of the file, which would go round Read.
func (f *localFile) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{f})
}

// Read implements [io.Reader].
func (f *localFile) Read(p []byte) (int, error) {
	if f.ctx.Err() != nil {
		return 0, context.Cause(f.ctx)
	}
	n, err := f.File.Read(p)
	if f.at == f.seen {
		f.sum.Write(p[:n])
		f.seen += int64(n)
	}
	f.at += int64(n)
	if err == io.EOF && f.seen == f.info.file.Size && hex.EncodeToString(f.sum.Sum(nil)) != f.info.file.Digest {
		err = fmt.Errorf("object %s of %s: %w", f.info.file.Digest, f.info.name, ErrDamaged)
	}
	return n, err
}

// Seek implements [io.Seeker].
func (f *localFile) Seek(offset int64, whence int) (int64, error) {
	at, err := f.File.Seek(offset, whence)
	if err == nil {
		f.at = at
	}
	return at, err
}

// LocalPath returns the path of the file that holds the content of a file of
// fsys, for mapping into memory: of [os.DirFS], or of a tree in a store that is
// a [Mapper]. Others give an error that wraps [errors.ErrUnsupported].
func LocalPath(fsys fs.FS, name string) (p string, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if named, ok := f.(interface{ Name() string }); ok {
		return named.Name(), nil
	}
	return "", fmt.Errorf("%s: not a local file: %w", name, errors.ErrUnsupported)
}
