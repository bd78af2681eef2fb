package safetensors

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The names of a model's files in its folder.
const (
	singleName = "model.safetensors"
	indexName  = "model.safetensors.index.json"
)

// Checkpoint is the tensors of a model in a folder, in one file or several. It
// is safe for concurrent use, Close excepted.
type Checkpoint struct {
	shards []*File          // in the order of their names
	of     map[string]*File // tensor name to shard
}

// OpenCheckpoint opens model.safetensors in the folder dir, or else the files
// that model.safetensors.index.json names. Index and files must agree: every
// tensor is in exactly one file, the one that the index gives, and no file
// holds a tensor that the index does not list.
func OpenCheckpoint(dir string) (*Checkpoint, error) {
	return OpenCheckpointAt(dir, func(name string) (string, error) { return filepath.Join(dir, name), nil })
}

// OpenCheckpointAt is OpenCheckpoint for a folder whose files lie elsewhere,
// such as contents under their digests: locate returns the path of the file of
// a name, or an error that wraps [fs.ErrNotExist]. The folder's own name is for
// errors.
func OpenCheckpointAt(folder string, locate func(name string) (string, error)) (*Checkpoint, error) {
	f, err := openAt(singleName, locate)
	if err == nil {
		c := &Checkpoint{shards: []*File{f}, of: map[string]*File{}}
		for _, name := range f.names {
			c.of[name] = f
		}
		return c, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	path, err := locate(indexName)
	var index map[string]string
	if err == nil {
		index, err = readIndex(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: neither %s nor %s: %w", folder, singleName, indexName, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(folder, indexName), err)
	}
	return openShards(folder, index, locate)
}

// openAt opens the file of a name. The error names it, where its path does not.
func openAt(name string, locate func(name string) (string, error)) (*File, error) {
	path, err := locate(name)
	if err != nil {
		return nil, err
	}
	f, err := Open(path)
	if err != nil && filepath.Base(path) != name {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return f, err
}

// readIndex returns the file name of each tensor.
func readIndex(path string) (map[string]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxHeaderBytes {
		return nil, fmt.Errorf("%v of %d bytes, want a regular file of at most %d", info.Mode(), info.Size(), maxHeaderBytes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseIndex(text)
}

// parseIndex reads the text of an index. Everything but the weight map is
// skipped: writers disagree on what total_size counts.
func parseIndex(text []byte) (map[string]string, error) {
	var index map[string]string
	err := readJSON(text, map[string]bool{}, func(r *jsonReader, key string) (bool, error) {
		if key != "weight_map" {
			return true, r.skip(4)
		}
		index = map[string]string{}
		return true, object(r, index, func(name string) (string, error) {
			file, err := r.string()
			if err == nil && !isPlainName(file) {
				err = fmt.Errorf("file %.100q, want the name of a file in the same folder", file)
			}
			if err != nil {
				err = fmt.Errorf("weight_map: tensor %.100q: %w", name, err)
			}
			return file, err
		})
	})
	if err == nil && index == nil {
		err = errors.New("no weight_map")
	}
	return index, err
}

// isPlainName reports whether name, on any system, names a file in the folder
// at hand.
func isPlainName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\\:\x00")
}

// openShards opens all files of the index and compares them with it.
func openShards(folder string, index map[string]string, locate func(name string) (string, error)) (_ *Checkpoint, err error) {
	c := &Checkpoint{of: make(map[string]*File, len(index))}
	defer func() {
		if err != nil {
			_ = c.Close() // only mappings that were read
		}
	}()
	files := slices.Sorted(maps.Values(index))
	for _, file := range slices.Compact(files) {
		f, err := openAt(file, locate)
		if err != nil {
			return nil, err
		}
		c.shards = append(c.shards, f)
		if err := c.add(f, file, index); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(folder, file), err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(index)) {
		if c.of[name] == nil {
			return nil, fmt.Errorf("%s: no tensor %.100q, which the index puts there", filepath.Join(folder, index[name]), name)
		}
	}
	return c, nil
}

// add enters the tensors of one file.
func (c *Checkpoint) add(f *File, file string, index map[string]string) error {
	for _, name := range f.names {
		switch want, ok := index[name]; {
		case !ok:
			return fmt.Errorf("tensor %.100q is not in the index", name)
		case want != file:
			return fmt.Errorf("tensor %.100q is here, but the index puts it in %.100q", name, want)
		}
		c.of[name] = f
	}
	return nil
}

// Names returns the names of all tensors: files in the order of their names,
// tensors in the order of their data.
func (c *Checkpoint) Names() []string {
	var names []string
	for _, f := range c.shards {
		names = append(names, f.names...)
	}
	return names
}

// Has reports whether there is a tensor of that name.
func (c *Checkpoint) Has(name string) bool { return c.of[name] != nil }

// Tensor returns the tensor of that name, or an error that says there is none.
func (c *Checkpoint) Tensor(name string) (Tensor, error) {
	f := c.of[name]
	if f == nil {
		return Tensor{}, fmt.Errorf("no tensor %q among the %d of the checkpoint", name, len(c.of))
	}
	return f.Tensor(name)
}

// Metadata returns the metadata of all files together; where they disagree, the
// first file's counts.
func (c *Checkpoint) Metadata() map[string]string {
	all := map[string]string{}
	for _, f := range slices.Backward(c.shards) {
		maps.Copy(all, f.metadata)
	}
	return all
}

// Close closes all files.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.shards {
		errs = append(errs, f.Close())
	}
	c.shards, c.of = nil, nil
	return errors.Join(errs...)
}
