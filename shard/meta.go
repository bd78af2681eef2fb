package shard

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math"
	"strings"
)

// readMeta reads and checks the metadata of a folder.
func readMeta(fsys fs.FS) (*Meta, error) {
	m := &Meta{}
	if err := readJSON(fsys, metaFile, m); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", metaFile, err)
	}
	return m, nil
}

// check refuses metadata that contradicts itself.
func (m *Meta) check() error {
	if m.Version != Version {
		return fmt.Errorf("version %d, want %d: preprocess the dataset again", m.Version, Version)
	}
	last, total := "", int64(0)
	for _, f := range m.Files {
		if err := f.check(); err != nil {
			return err
		}
		if f.Path <= last {
			return fmt.Errorf("files: %s after %s, want them sorted", f.Path, last)
		}
		if f.Bytes > math.MaxInt64-total {
			return fmt.Errorf("files: more than %d bytes", int64(math.MaxInt64))
		}
		last = f.Path
		total += f.Bytes
	}
	if total != m.BytesTotal {
		return fmt.Errorf("bytes_total %d, want %d, the sum of files", m.BytesTotal, total)
	}
	seen := map[string]bool{imageFolder: true}
	for _, s := range m.Splits {
		if err := m.checkSplit(s); err != nil {
			return err
		}
		if seen[s.Name] {
			return fmt.Errorf("split %s occurs twice", s.Name)
		}
		seen[s.Name] = true
	}
	return m.checkFolders(seen)
}

// checkSplit refuses a split without shards for all its samples.
func (m *Meta) checkSplit(s SplitMeta) error {
	if err := checkSplit(s.Name); err != nil {
		return err
	}
	n := 0
	for _, f := range m.filesOf(s.Name) {
		if f.Items > math.MaxInt32-n {
			return fmt.Errorf("split %s: more than %d samples", s.Name, math.MaxInt32)
		}
		n += f.Items
	}
	if n != s.Samples {
		return fmt.Errorf("split %s: %d samples, but files hold %d", s.Name, s.Samples, n)
	}
	return nil
}

// checkFolders refuses files other than shards of the given folders, numbered
// from 0, and the index.
func (m *Meta) checkFolders(folders map[string]bool) error {
	next := map[string]int{}
	for _, f := range m.Files {
		if f.Path == indexFile {
			continue
		}
		folder, _, _ := strings.Cut(f.Path, "/")
		if want := shardPath(folder, next[folder]); !folders[folder] || f.Path != want {
			return fmt.Errorf("files: %s is no shard of a split, or not the next one", f.Path)
		}
		next[folder]++
	}
	return nil
}

// check refuses an entry that cannot be a file's.
func (f File) check() error {
	sum, err := hex.DecodeString(f.SHA256)
	if !fs.ValidPath(f.Path) || err != nil || len(sum) != sha256.Size || f.Bytes < 0 || f.Items < 0 {
		return fmt.Errorf("files: %+v is no file with digest and size", f)
	}
	return nil
}

// filesOf returns the shards in a folder, in their order.
func (m *Meta) filesOf(folder string) []File {
	return shardsIn(m.Files, folder)
}

// shardsIn returns the shards among files that are in a folder, in their order.
func shardsIn(files []File, folder string) []File {
	var out []File
	for _, f := range files {
		if strings.HasPrefix(f.Path, folder+"/") && f.Path != indexFile {
			out = append(out, f)
		}
	}
	return out
}
