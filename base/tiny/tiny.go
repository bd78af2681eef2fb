// Package tiny holds the base network that is part of the program: a directory
// of the Qwen3-VL layout with a network of 4.1 million parameters, so that
// everything runs without a download. README.md says where it comes from and
// what it cannot do; nothing in the program depends on its values.
package tiny

import (
	"bytes"
	"embed"
	"errors"
	"io/fs"

	"github.com/klauspost/compress/zstd"
)

// digest is the SHA-256 of the weights before compression. A test computes it.
const digest = "6f303ceb988abf16610e03abf9d419c10ee82c630be2427f86a66df9bbb0ff4f"

// The weights: their name in a checkpoint, the name they are embedded under,
// and their size in bytes before compression.
const (
	weights     = "model.safetensors"
	packed      = weights + ".zst"
	weightsSize = 8269528
)

//go:embed files
var files embed.FS

// flat is files without the name of the folder.
var flat = func() fs.FS {
	sub, err := fs.Sub(files, "files")
	if err != nil {
		panic("tiny: " + err.Error()) // the name is valid
	}
	return sub
}()

// Digest returns the identity of the network: the SHA-256 of model.safetensors,
// in hexadecimal.
func Digest() string { return digest }

// FS returns the directory of the network, as a published one is: config.json,
// tokenizer.json, model.safetensors and so on. The weights are decompressed
// each time they are opened or read, in about 15 ms; nothing is kept.
func FS() fs.FS { return directory{} }

// directory is the embedded folder with the weights decompressed.
type directory struct{}

// Open implements [fs.FS].
func (d directory) Open(name string) (fs.File, error) {
	switch name {
	case ".":
		entries, err := d.ReadDir(name)
		return &folder{rest: entries}, err
	case weights:
		data, err := d.ReadFile(name)
		if err != nil {
			return nil, err
		}
		return &file{bytes.NewReader(data)}, nil
	case packed:
		return nil, notExist("open", name)
	}
	return flat.Open(name)
}

// ReadFile implements [fs.ReadFileFS]. The result belongs to the caller.
func (directory) ReadFile(name string) ([]byte, error) {
	switch name {
	case packed:
		return nil, notExist("read", name)
	case weights:
	default:
		return fs.ReadFile(flat, name)
	}
	data, err := fs.ReadFile(flat, packed)
	if err != nil {
		return nil, err
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	defer r.Close()
	data, err = r.DecodeAll(data, make([]byte, 0, weightsSize))
	if err == nil && len(data) != weightsSize {
		err = errors.New("other size than when it was packed")
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return data, nil
}

// ReadDir implements [fs.ReadDirFS].
func (directory) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(flat, name)
	for i, e := range entries {
		if e.Name() == packed {
			entries[i] = fs.FileInfoToDirEntry(info{weights})
		}
	}
	return entries, err
}

// notExist returns the error for a name that nothing has.
func notExist(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}
