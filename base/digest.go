package base

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"mole/hub"
	"mole/store"
)

// digestWeights returns the digest of the weights in a folder that package
// safetensors accepted; see Base.Digest.
func digestWeights(ctx context.Context, fsys fs.FS) (string, error) {
	if exists(fsys, weightsFile) { // it counts before an index, as in package safetensors
		return digestIn(ctx, fsys, weightsFile)
	}
	text, err := readText(fsys, indexFile)
	if err != nil {
		return "", err
	}
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return "", fmt.Errorf("%s: %w", indexFile, err)
	}
	var lines []byte
	names := slices.Sorted(maps.Values(index.WeightMap))
	for _, name := range slices.Compact(names) {
		d, err := digestIn(ctx, fsys, name)
		if err != nil {
			return "", err
		}
		lines = fmt.Appendf(lines, "%s  %s\n", d, name)
	}
	return hexDigest(lines), nil
}

// digestIn returns the SHA-256 of a file of a folder. A tree has it in its list.
func digestIn(ctx context.Context, fsys fs.FS, name string) (string, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return "", err
	}
	if f, ok := info.Sys().(store.File); ok {
		return f.Digest, nil
	}
	path, err := store.LocalPath(fsys, name)
	if err != nil {
		return "", err
	}
	return digestFile(ctx, path)
}

// known is what the cache holds of one file.
type known struct {
	Path     string `json:"path"` // absolute
	Size     int64  `json:"size"`
	Modified string `json:"modified"` // RFC 3339 with nanoseconds
	SHA256   string `json:"sha256"`
}

// settled is how long ago a file must have been changed for its digest to be
// kept: within the resolution of a file system's clock another change would not
// show.
const settled = 2 * time.Second

// digestFile returns the SHA-256 of a file: the name of a downloaded one, or
// from the cache if it is the same file as then.
func digestFile(ctx context.Context, path string) (string, error) {
	if sum, ok := hub.BlobDigest(path); ok {
		return sum, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	before, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	want := known{path, before.Size(), before.ModTime().UTC().Format(time.RFC3339Nano), ""}
	at := cacheFile(path)
	if k, ok := readKnown(at); ok && k.Path == want.Path && k.Size == want.Size && k.Modified == want.Modified {
		return k.SHA256, nil
	}
	start := time.Now()
	if want.SHA256, err = hashFile(ctx, path, func(int64) {}); err != nil {
		return "", err
	}
	if start.Sub(before.ModTime()) > settled {
		keep(at, want)
	}
	return want.SHA256, nil
}

// hashFile returns the SHA-256 of a file. It stops when ctx ends. read is told
// how many bytes were read since the last call.
func hashFile(ctx context.Context, path string, read func(n int64)) (_ string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		const piece = 64 << 20 // bytes between looks at ctx
		n, err := io.CopyN(h, f, piece)
		read(n)
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// cacheFile returns where the digest of the file at path is kept, "" if there
// is no place for it.
func cacheFile(path string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "mole", "weights", hexDigest([]byte(path))+".json")
}

// readKnown reads an entry of the cache; ok is false if there is no sound one.
func readKnown(at string) (k known, ok bool) {
	if at == "" {
		return k, false
	}
	text, err := os.ReadFile(at)
	if err != nil || json.Unmarshal(text, &k) != nil {
		return k, false
	}
	sum, err := hex.DecodeString(k.SHA256)
	return k, err == nil && len(sum) == sha256.Size
}

// keep writes an entry of the cache. A cache that takes nothing costs time at
// the next start and is no error.
func keep(at string, k known) {
	text, err := json.Marshal(k)
	if at == "" || err != nil || os.MkdirAll(filepath.Dir(at), 0o777) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(at), ".weights-*")
	if err != nil {
		return
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), at)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // nothing depends on it
	}
}

// hexDigest returns the SHA-256 of data in hexadecimal.
func hexDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
