package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// File is one file of a tree.
type File struct {
	Path   string `json:"path"`   // as CheckPath allows
	Digest string `json:"sha256"` // of its bytes
	Size   int64  `json:"size"`   // bytes
}

// Tree is a folder of stored objects. It is well formed, as [Tree.Check] says,
// when [NewTree], [ParseTree], [Add] or [ReadTree] made it.
type Tree struct {
	Files []File            `json:"files"`          // sorted by path, bytewise
	Meta  map[string]string `json:"meta,omitempty"` // free, for whoever made it
}

// maxTree is the longest list of files that is read, in bytes: some two million
// files.
const maxTree = 256 << 20

// NewTree returns the tree of the files, which it sorts and checks.
func NewTree(files []File, meta map[string]string) (Tree, error) {
	t := Tree{Files: slices.Clone(files), Meta: meta}
	slices.SortFunc(t.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return t, t.Check()
}

// singleKey is the member of Meta that marks a tree that stands for one file.
const singleKey = "single_file"

// SingleFile returns the tree that stands for one file rather than a folder.
func SingleFile(name string, o Object) (Tree, error) {
	return NewTree([]File{{name, o.Digest, o.Size}}, map[string]string{singleKey: "true"})
}

// Single returns the file that t stands for, if it stands for one.
func (t Tree) Single() (File, bool) {
	if len(t.Files) != 1 || t.Meta[singleKey] != "true" {
		return File{}, false
	}
	return t.Files[0], true
}

// Check returns an error unless paths, digests, sizes and texts are well formed,
// paths ascend, and none is a file and a folder at once.
func (t Tree) Check() error {
	for key, value := range t.Meta {
		if !utf8.ValidString(key + "\n" + value) {
			return fmt.Errorf("meta %.80q: not valid UTF-8", key)
		}
	}
	names := make(map[string]bool, len(t.Files))
	for i, f := range t.Files {
		if err := f.check(); err != nil {
			return err
		}
		if i > 0 && t.Files[i-1].Path >= f.Path {
			return fmt.Errorf("file %q follows %q: want ascending paths", f.Path, t.Files[i-1].Path)
		}
		names[f.Path] = true
	}
	return t.checkFolders(names)
}

// checkFolders returns an error if one of the names is also a folder.
func (t Tree) checkFolders(names map[string]bool) error {
	for _, f := range t.Files {
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			if names[dir] {
				return fmt.Errorf("file %q: %q is a file, not a folder", f.Path, dir)
			}
		}
	}
	return nil
}

// check returns an error unless f is well formed.
func (f File) check() error {
	if err := CheckPath(f.Path); err != nil {
		return err
	}
	if err := checkDigest(f.Digest); err != nil {
		return fmt.Errorf("file %q: %w", f.Path, err)
	}
	if f.Size < 0 {
		return fmt.Errorf("file %q: %d bytes", f.Path, f.Size)
	}
	return nil
}

// Encode returns t in its canonical form: JSON without white space, files in
// order, keys of Meta in order. Equal trees have equal bytes.
func (t Tree) Encode() ([]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if t.Files == nil {
		t.Files = []File{}
	}
	return canonical(t)
}

// canonical returns the JSON of v without white space and without escapes for
// HTML; struct fields keep their order, keys of maps are sorted.
func canonical(v any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// Digest returns the identity of t: the SHA-256 of its canonical form.
func (t Tree) Digest() (string, error) {
	text, err := t.Encode()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// ParseTree reads a tree in its canonical form, and refuses any other.
func ParseTree(text []byte) (Tree, error) {
	var t Tree
	if err := strictJSON(text, &t); err != nil {
		return Tree{}, err
	}
	again, err := t.Encode()
	if err != nil {
		return Tree{}, err
	}
	if !bytes.Equal(text, again) {
		return Tree{}, errors.New("tree is not in canonical form")
	}
	return t, nil
}

// strictJSON reads one JSON value with known members only.
func strictJSON(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("json: more than one value")
	}
	return nil
}

// Bytes returns the size of all files together.
func (t Tree) Bytes() int64 {
	var n int64
	for _, f := range t.Files {
		n += f.Size
	}
	return n
}

// File returns the file at a path.
func (t Tree) File(p string) (File, bool) {
	i, ok := slices.BinarySearchFunc(t.Files, p, func(f File, p string) int { return cmp.Compare(f.Path, p) })
	if !ok {
		return File{}, false
	}
	return t.Files[i], true
}

// Sub returns the part of t at a path: a folder without what leads to it, or a
// file as [SingleFile] makes it.
func (t Tree) Sub(p string) (Tree, bool) {
	if f, ok := t.File(p); ok {
		f.Path = path.Base(p)
		return Tree{Files: []File{f}, Meta: map[string]string{singleKey: "true"}}, true
	}
	var sub Tree
	for _, f := range t.under(p) {
		f.Path = f.Path[len(p)+1:]
		sub.Files = append(sub.Files, f)
	}
	return sub, len(sub.Files) > 0
}

// under returns the files in the folder dir and below, "." for all.
func (t Tree) under(dir string) []File {
	if dir == "." {
		return t.Files
	}
	begin := t.from(dir + "/")
	return t.Files[begin:t.from(dir+"0")] // '0' follows '/'
}

// from returns the index of the first file whose path is not before p.
func (t Tree) from(p string) int {
	i, _ := slices.BinarySearchFunc(t.Files, p, func(f File, p string) int { return strings.Compare(f.Path, p) })
	return i
}

// putTreeObject stores the list of files and returns its digest. Every file
// has to be stored before.
func putTreeObject(ctx context.Context, s Store, t Tree) (string, error) {
	text, err := t.Encode()
	if err != nil {
		return "", err
	}
	if len(text) > maxTree {
		return "", fmt.Errorf("tree of %d files: list of %d bytes, want at most %d", len(t.Files), len(text), maxTree)
	}
	if err := present(ctx, s, t); err != nil {
		return "", err
	}
	o, err := PutObject(ctx, s, bytes.NewReader(text))
	return o.Digest, err
}

// present returns an error that names the first file that is not stored.
func present(ctx context.Context, s Store, t Tree) error {
	for _, f := range t.Files {
		name, err := ObjectName(f.Digest)
		if err != nil {
			return err
		}
		info, err := Stat(ctx, s, name)
		if err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
		if info.Size != f.Size {
			return fmt.Errorf("file %s: object %s has %d bytes, want %d", f.Path, name, info.Size, f.Size)
		}
	}
	return nil
}

// getTreeObject reads the list of files with a digest.
func getTreeObject(ctx context.Context, s Store, digest string) (Tree, error) {
	r, err := GetObject(ctx, s, digest)
	if err != nil {
		return Tree{}, err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxTree+1))
	if err := errors.Join(err, r.Close()); err != nil {
		return Tree{}, err
	}
	if len(text) > maxTree {
		return Tree{}, fmt.Errorf("tree %s: longer than %d bytes", digest, maxTree)
	}
	t, err := ParseTree(text)
	if err != nil {
		return Tree{}, fmt.Errorf("tree %s: %w", digest, err)
	}
	return t, nil
}
