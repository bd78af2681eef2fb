package shard

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"mole/safetensors"
)

// maxJSON is the longest JSON file of a folder, in bytes.
const maxJSON = 64 << 20

// manifest is what an unfinished folder holds that counts. Only the writer
// reads it.
type manifest struct {
	Version  int    `json:"version"`
	Identity string `json:"identity"`
	Files    []File `json:"files"` // complete, in the order of writing
}

// folder is a folder being written.
type folder struct {
	dir string
	manifest
}

// openFolder returns the folder at dir, which it makes, with the shards that an
// earlier call completed for the same identity.
func openFolder(dir, identity string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	f := &folder{dir, manifest{Version: Version, Identity: identity}}
	var old manifest
	path := filepath.Join(dir, manifestFile)
	switch err := readJSON(os.DirFS(dir), manifestFile, &old); {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return nil, fmt.Errorf("%w: remove the folder to begin anew", err)
	case old.Version != Version || old.Identity != identity:
		return nil, fmt.Errorf("%s: %w: identity %.12s, want %.12s", path, ErrOther, old.Identity, identity)
	}
	f.Files = old.Files
	return f, nil
}

// clean removes what a killed writer may have left half done.
func (f *folder) clean() error {
	return filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		left, err := filepath.Match(safetensors.TempPattern, d.Name())
		if err == nil && (left || d.Name() == tempName(manifestFile) || d.Name() == tempName(metaFile)) {
			err = os.Remove(path)
		}
		return err
	})
}

// of returns the complete shards of a folder inside f.
func (f *folder) of(name string) []File {
	return shardsIn(f.Files, name)
}

// drop forgets the shards of a folder inside f from number i on.
func (f *folder) drop(name string, i int) {
	for _, file := range f.of(name)[i:] {
		f.Files = slices.DeleteFunc(f.Files, func(g File) bool { return g == file })
	}
}

// write writes a shard and adds it to the manifest. The first one follows an
// empty manifest, so that no shard lies in a folder that does not say of what.
func (f *folder) write(name string, entries []safetensors.Entry, meta map[string]string, items int) error {
	path := filepath.Join(f.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	if len(f.Files) == 0 {
		if err := f.writeJSON(manifestFile, f.manifest); err != nil {
			return err
		}
	}
	file, err := writeShard(path, entries, meta)
	if err != nil {
		return err
	}
	file.Path, file.Items = name, items
	f.Files = slices.DeleteFunc(f.Files, func(g File) bool { return g.Path == name })
	f.Files = append(f.Files, file)
	return f.writeJSON(manifestFile, f.manifest)
}

// read opens a complete shard after checking its bytes.
func (f *folder) read(file File) (*safetensors.File, error) {
	path := filepath.Join(f.dir, filepath.FromSlash(file.Path))
	if err := checkFile(path, file); err != nil {
		return nil, err
	}
	return safetensors.Open(path)
}

// finish writes the metadata, which completes the folder.
func (f *folder) finish(m *Meta) error {
	if err := f.writeJSON(metaFile, m); err != nil {
		return err
	}
	return f.removeManifest()
}

// removeManifest removes the manifest, which a complete folder has no use for.
func (f *folder) removeManifest() error {
	err := os.Remove(filepath.Join(f.dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// tempName returns the name that a JSON file is written under at first.
func tempName(name string) string { return "." + name + ".tmp" }

// writeJSON writes v to a file of the folder, whole or not at all.
func (f *folder) writeJSON(name string, v any) (err error) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	temp := filepath.Join(f.dir, tempName(name))
	file, err := os.Create(temp)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()    // the error that counts is err
			_ = os.Remove(temp) // likewise
		}
	}()
	if _, err := file.Write(append(text, '\n')); err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(f.dir, name)); err != nil {
		return err
	}
	return syncDir(f.dir)
}

// syncDir flushes a folder to the disk, where the system can.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeShard writes tensors to the file at path and returns its digest and
// size.
func writeShard(path string, entries []safetensors.Entry, meta map[string]string) (File, error) {
	sum, err := digestEntries(entries, meta)
	if err != nil {
		return File{}, fmt.Errorf("write %s: %w", path, err)
	}
	if err := safetensors.WriteFile(path, entries, meta); err != nil {
		return File{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return File{}, err
	}
	return File{SHA256: sum, Bytes: info.Size()}, nil
}

// digestEntries returns the SHA-256 of the file that tensors make.
func digestEntries(entries []safetensors.Entry, meta map[string]string) (string, error) {
	h := sha256.New()
	if err := safetensors.Write(h, entries, meta); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// checkFile returns an error unless the file at path has the bytes that f says.
func checkFile(path string, f File) (err error) {
	r, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(r, f.Bytes+1))
	if err != nil {
		return err
	}
	return f.compare(n, h.Sum(nil))
}

// compare returns an error unless size and digest are those of f.
func (f File) compare(size int64, sum []byte) error {
	if got := hex.EncodeToString(sum); size != f.Bytes || got != f.SHA256 {
		return fmt.Errorf("%s: %w: %s of %d bytes or more, want %s of %d", f.Path, ErrDamaged, got, size, f.SHA256, f.Bytes)
	}
	return nil
}

// readJSON reads a JSON file of a folder, strictly.
func readJSON(fsys fs.FS, name string, v any) (err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxJSON {
		return fmt.Errorf("%s: longer than %d bytes", name, maxJSON)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: more than one JSON value", name)
	}
	return nil
}
