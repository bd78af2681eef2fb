package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Write writes the set into a new folder: train.jsonl, val.jsonl, test.jsonl,
// data.jsonl, which is all three, and metadata.json (4.6, 4.7). The folder
// appears with all its files or not at all. One that is already there is left
// alone; the error is then [fs.ErrExist].
func (r *Routing) Write(dir string) error {
	if err := r.write(filepath.Clean(dir)); err != nil {
		return fmt.Errorf("write routing set %s: %w", dir, err)
	}
	return nil
}

func (r *Routing) write(dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return fs.ErrExist
	}
	files, err := r.files()
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }() // is gone where all went well
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := writeFile(filepath.Join(temp, f.name), f.data); err != nil {
			return err
		}
	}
	if err := syncFile(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, dir); err != nil {
		return err
	}
	return syncFile(filepath.Dir(dir))
}

// file is a file to be written.
type file struct {
	name string
	data []byte
}

// files returns the files of the set.
func (r *Routing) files() ([]file, error) {
	m := r.Metadata
	m.Files = map[string]string{}
	var out []file
	for _, f := range []struct {
		name    string
		records []Record
	}{{"train.jsonl", r.Train}, {"val.jsonl", r.Val}, {"test.jsonl", r.Test}, {"data.jsonl", slices.Concat(r.Train, r.Val, r.Test)}} {
		var b bytes.Buffer
		if err := WriteRecords(&b, f.records); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		sum := sha256.Sum256(b.Bytes())
		m.Files[f.name] = hex.EncodeToString(sum[:])
		out = append(out, file{f.name, b.Bytes()})
	}
	text, err := encode(m)
	if err != nil {
		return nil, fmt.Errorf("metadata.json: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return nil, fmt.Errorf("metadata.json: %w", err)
	}
	b.WriteByte('\n')
	return append(out, file{"metadata.json", b.Bytes()}), nil
}

// writeFile writes a new file and waits until it is on the disk.
func writeFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// syncFile waits until a file or folder is on the disk.
func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
