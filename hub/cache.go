package hub

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Cache is a folder of downloaded models in the layout of the Python tools. For
// a model it holds the folder models--OWNER--NAME with
//
//	blobs/HASH                  the contents, each once
//	snapshots/COMMIT/FILE       relative links to them
//	refs/REVISION               the commit of a branch or tag
//
// and .locks/models--OWNER--NAME/HASH.lock, which a download holds. HASH is the
// SHA-256 of a large file and git's SHA-1 of a small one.
type Cache struct{ Dir string }

// Snapshot is a model in a cache, at one commit. Files may be missing from it.
type Snapshot struct {
	Name   Name   // with the revision that was asked for, or was found to lead here
	Commit string // 40 hexadecimal digits
	Dir    string // of the files
	Bytes  int64  // of the files
}

// Lookup finds a model in the cache. It touches no network. The error wraps
// [ErrAbsent] if the revision was never downloaded.
func (c Cache) Lookup(n Name) (*Snapshot, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	commit, err := c.commit(n)
	if err != nil {
		return nil, err
	}
	s, err := c.snapshot(n, commit)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("model %v: %w %s", n, ErrAbsent, c.Dir)
	}
	return s, err
}

// commit returns the commit that a revision stood for when it was downloaded.
func (c Cache) commit(n Name) (string, error) {
	if commitID.MatchString(n.rev()) {
		return n.rev(), nil
	}
	text, err := readShort(c.ref(n))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("model %v: %w %s", n, ErrAbsent, c.Dir)
	}
	if err != nil {
		return "", err
	}
	if !commitID.MatchString(text) {
		return "", fmt.Errorf("%s: %.100q, want a commit", c.ref(n), text)
	}
	return text, nil
}

// readShort reads a file of one short line.
func readShort(path string) (_ string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(io.LimitReader(f, 256))
	return strings.TrimSpace(string(text)), err
}

// snapshot returns the snapshot of a commit.
func (c Cache) snapshot(n Name, commit string) (*Snapshot, error) {
	s := &Snapshot{Name: n, Commit: commit, Dir: filepath.Join(c.repo(n), "snapshots", commit)}
	entries, err := os.ReadDir(s.Dir)
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(s.Dir, e.Name())) // of what a link leads to
		if err == nil && info.Mode().IsRegular() {
			s.Bytes += info.Size()
		}
	}
	return s, err
}

// List returns the snapshots in the cache, in the order of their folders. A
// cache that does not exist has none. What is no model in this layout is
// skipped.
func (c Cache) List() ([]*Snapshot, error) {
	repos, err := os.ReadDir(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []*Snapshot
	for _, e := range repos {
		id, found := strings.CutPrefix(e.Name(), "models--")
		n, err := ParseName(strings.Replace(id, "--", "/", 1))
		if !found || err != nil {
			continue
		}
		list, err := c.listModel(n)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, err
}

// listModel returns the snapshots of one model.
func (c Cache) listModel(n Name) ([]*Snapshot, error) {
	entries, err := os.ReadDir(filepath.Join(c.repo(n), "snapshots"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	refs := c.refs(n)
	var list []*Snapshot
	for _, e := range entries {
		if !commitID.MatchString(e.Name()) {
			continue
		}
		at := n
		at.Revision = refs[e.Name()]
		if at.Revision == "" {
			at.Revision = e.Name()
		}
		s, err := c.snapshot(at, e.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, err
}

// refs returns a revision for each commit that one leads to; main counts before
// others. What cannot be read is skipped.
func (c Cache) refs(n Name) map[string]string {
	refs := map[string]string{}
	root := filepath.Join(c.repo(n), "refs")
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil
		}
		commit, err := readShort(path)
		name, relErr := filepath.Rel(root, path)
		if err == nil && relErr == nil && (refs[commit] == "" || name == "main") {
			refs[commit] = filepath.ToSlash(name)
		}
		return nil
	}) // the callback returns no error
	return refs
}

// repo returns the folder of a model.
func (c Cache) repo(n Name) string { return filepath.Join(c.Dir, folder(n)) }

// folder returns the name of the folder of a model.
func folder(n Name) string { return "models--" + n.Owner + "--" + n.Model }

// ref returns the file of a revision.
func (c Cache) ref(n Name) string {
	return filepath.Join(c.repo(n), "refs", filepath.FromSlash(n.rev()))
}

// blob returns the file of a content.
func (c Cache) blob(n Name, hash string) string { return filepath.Join(c.repo(n), "blobs", hash) }

// BlobDigest returns the SHA-256 of the file at path, if it leads to a blob of a
// cache whose name says it. The content is not read: it was compared with the
// name when it was downloaded.
func BlobDigest(path string) (string, bool) {
	real, err := filepath.EvalSymlinks(path)
	name, ok := blobHash(real)
	return name, err == nil && ok && sha256ID.MatchString(name)
}

// blobHash returns the name of a file that is a blob of a cache.
func blobHash(real string) (string, bool) {
	name, blobs := filepath.Base(real), filepath.Dir(real)
	inside := filepath.Base(blobs) == "blobs" && strings.HasPrefix(filepath.Base(filepath.Dir(blobs)), "models--")
	return name, inside && (sha256ID.MatchString(name) || commitID.MatchString(name))
}
