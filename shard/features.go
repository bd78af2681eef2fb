package shard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mole/safetensors"
	"mole/vision"
)

// FeatureKey says what the features of pictures depend on beside the pictures.
type FeatureKey struct {
	Base  string `json:"base_model"` // digest of the weights of the network
	Image Policy `json:"image_policy"`
	// Precision is that of the products that made them, "" for float32.
	Precision string `json:"precision,omitempty"`
}

// Features keeps, in a folder of its own, what a frozen vision tower makes of
// pictures, for all datasets and runs with the same network. It is safe for
// concurrent use, Close excepted; several processes may use one folder.
//
// A shard is a file named by the SHA-256 of its content, so that the same
// pictures, put in the same order, give the same files, and nobody's shard is
// in the way of another's. What was put and not flushed when a process dies is
// lost, and computed again.
type Features struct {
	dir   string
	id    string // digest of the key
	limit int64  // bytes of a shard, about

	mu      sync.RWMutex
	shards  []*lazy[stored]
	place   map[key]int     // index in shards
	pending map[key]pending // not written yet
	bytes   int64           // of pending
}

// stored is the content of a shard, as it lies in the file's memory.
type stored map[key]cells

// cells is the features of one picture.
type cells struct {
	tokens safetensors.Tensor // F32 [N, C]
	deep   safetensors.Tensor // F32 [K, N, C]
}

// pending is the features of a picture of that many merged cells.
type pending struct {
	*vision.Features
	cells int
}

// Suffixes of the tensors of a picture of N merged cells, and the metadata of a
// shard.
const (
	tokensSuffix = ".tokens" // F32 [N, C]
	deepSuffix   = ".deep"   // F32 [K, N, C], for each of K deep-stack mergers
	featureKey   = "feature_key"
)

// featureShard is the size of a shard of features, in bytes, about.
const featureShard = 32 << 20

// digest returns the identity of k, in hexadecimal.
func (k FeatureKey) digest() (string, error) {
	text, err := json.Marshal(k)
	return hexDigest(text), err
}

// OpenFeatures opens the features for a key in the folder dir, which holds
// those of other keys too. Folders are made when there is something to keep.
func OpenFeatures(dir string, k FeatureKey) (*Features, error) {
	id, err := k.digest()
	if err != nil {
		return nil, fmt.Errorf("open features: %w", err)
	}
	f := &Features{dir: filepath.Join(dir, id), id: id, limit: featureShard, place: map[key]int{}, pending: map[key]pending{}}
	entries, err := os.ReadDir(f.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open features: %w", err)
	}
	for _, e := range entries { // in the order of their names
		sum, ok := strings.CutSuffix(e.Name(), shardSuffix)
		if _, err := parseKey(sum); !ok || err != nil {
			f.removeLeft(e)
			continue
		}
		if err := f.list(e.Name(), sum); err != nil {
			return nil, fmt.Errorf("open features: %w", err)
		}
	}
	return f, nil
}

// removeLeft removes what a process that was killed left half written: a
// temporary file that is older than any writing takes.
func (f *Features) removeLeft(e fs.DirEntry) {
	const old = 24 * time.Hour
	temporary, err := filepath.Match(safetensors.TempPattern, e.Name())
	if err != nil || !temporary {
		return
	}
	if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > old {
		_ = os.Remove(filepath.Join(f.dir, e.Name())) // the next one tries again
	}
}

// list notes the pictures of a shard, from its header.
func (f *Features) list(name, sum string) error {
	path := filepath.Join(f.dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	shard, err := safetensors.Open(path)
	if err != nil {
		return fmt.Errorf("%w; remove the file, and its features will be made again", err)
	}
	defer func() { _ = shard.Close() }() // only its names were looked at
	if got := shard.Metadata()[featureKey]; got != f.id {
		return fmt.Errorf("%s: %w: key %.12s, want %.12s", path, ErrOther, got, f.id)
	}
	var keys []key
	for _, t := range shard.Names() {
		digest, ok := strings.CutSuffix(t, tokensSuffix)
		if !ok {
			continue
		}
		k, err := parseKey(digest)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		keys = append(keys, k)
	}
	f.addShard(File{Path: name, SHA256: sum, Bytes: info.Size(), Items: len(keys)}, keys)
	return nil
}

// addShard adds a shard that holds the given pictures.
func (f *Features) addShard(file File, keys []key) {
	for _, k := range keys {
		f.place[k] = len(f.shards)
	}
	f.shards = append(f.shards, &lazy[stored]{fsys: os.DirFS(f.dir), file: file, parse: parseFeatures, held: &memory{}})
}

// Has reports whether there are features of a picture.
func (f *Features) Has(digest string) bool {
	k, err := parseKey(digest)
	if err != nil {
		return false
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.has(k)
}

// has is Has for a caller that holds the lock.
func (f *Features) has(k key) bool {
	_, pending := f.pending[k]
	_, stored := f.place[k]
	return pending || stored
}

// Len returns for how many pictures there are features.
func (f *Features) Len() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.place) + len(f.pending)
}

// Get returns the features of a picture, which must not be changed; nil if
// there are none.
func (f *Features) Get(digest string) (*vision.Features, error) {
	k, err := parseKey(digest)
	if err != nil {
		return nil, err
	}
	p, l := f.find(k)
	if l == nil {
		return p.Features, nil
	}
	all, err := l.get()
	if err != nil {
		return nil, fmt.Errorf("features in %s: %w; remove the file, and they will be made again", f.dir, err)
	}
	return all[k].load()
}

// find returns the features of a picture if they are not written yet, or the
// shard that holds them; neither if there are none.
func (f *Features) find(k key) (pending, *lazy[stored]) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if i, ok := f.place[k]; ok {
		return pending{}, f.shards[i]
	}
	return f.pending[k], nil
}

// Put keeps the features of a picture of that many merged cells, which must not
// be changed afterwards. If there are some already, they stay. When enough have
// come together they are written.
func (f *Features) Put(digest string, cells int, v *vision.Features) error {
	k, err := parseKey(digest)
	if err != nil {
		return err
	}
	n := len(v.Tokens)
	if cells < 1 || n == 0 || n%cells != 0 {
		return fmt.Errorf("features of picture %s: %d numbers for %d cells", k, n, cells)
	}
	for i, d := range v.Deep {
		if len(d) != n {
			return fmt.Errorf("features of picture %s: %d numbers of deep-stack merger %d, want %d", k, len(d), i, n)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.has(k) {
		return nil
	}
	f.pending[k] = pending{v, cells}
	f.bytes += int64(n) * int64(1+len(v.Deep)) * 4
	if f.bytes < f.limit {
		return nil
	}
	return f.flush()
}

// Flush writes what was put and is not written yet.
func (f *Features) Flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flush()
}

// flush is Flush for a caller that holds the lock.
func (f *Features) flush() error {
	if len(f.pending) == 0 {
		return nil
	}
	var entries []safetensors.Entry
	for k, p := range f.pending {
		c := len(p.Tokens) / p.cells
		entries = append(entries,
			safetensors.Entry{Name: k.String() + tokensSuffix, Tensor: safetensors.FromFloat32s([]int{p.cells, c}, p.Tokens)},
			safetensors.Entry{Name: k.String() + deepSuffix,
				Tensor: safetensors.FromFloat32s([]int{len(p.Deep), p.cells, c}, slices.Concat(p.Deep...))})
	}
	file, err := f.write(entries)
	if err != nil {
		return fmt.Errorf("features: %w", err)
	}
	f.addShard(file, slices.Collect(maps.Keys(f.pending)))
	f.pending, f.bytes = map[key]pending{}, 0
	return nil
}

// write writes a shard under the name of its digest.
func (f *Features) write(entries []safetensors.Entry) (File, error) {
	meta := map[string]string{featureKey: f.id}
	sum, err := digestEntries(entries, meta)
	if err != nil {
		return File{}, err
	}
	if err := os.MkdirAll(f.dir, 0o777); err != nil {
		return File{}, err
	}
	name := sum + shardSuffix
	file, err := writeShard(filepath.Join(f.dir, name), entries, meta)
	file.Path, file.Items = name, len(f.pending)
	return file, err
}

// Close writes what is not written, and gives the memory of the shards back.
func (f *Features) Close() error {
	errs := []error{f.Flush()}
	for _, l := range f.shards {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

// parseFeatures checks and returns the content of a shard.
func parseFeatures(f *safetensors.File) (stored, error) {
	out := stored{}
	for _, name := range f.Names() {
		digest, ok := strings.CutSuffix(name, tokensSuffix)
		if !ok {
			continue // the deep stack of another
		}
		k, err := parseKey(digest)
		if err != nil {
			return nil, err
		}
		if out[k], err = parseCells(f, digest); err != nil {
			return nil, fmt.Errorf("picture %s: %w", k, err)
		}
	}
	return out, nil
}

// parseCells checks and returns the features of one picture.
func parseCells(f *safetensors.File, digest string) (c cells, err error) {
	if c.tokens, err = f.Tensor(digest + tokensSuffix); err != nil {
		return c, err
	}
	if c.deep, err = f.Tensor(digest + deepSuffix); err != nil {
		return c, err
	}
	t, d := c.tokens, c.deep
	floats := t.DType == safetensors.F32 && d.DType == safetensors.F32
	if !floats || len(t.Shape) != 2 || t.Len() == 0 || len(d.Shape) != 3 || !slices.Equal(d.Shape[1:], t.Shape) {
		err = fmt.Errorf("%s %v and %s %v, want F32 [N, C] and F32 [K, N, C]", t.DType, t.Shape, d.DType, d.Shape)
	}
	return c, err
}

// load copies features out of the file's memory.
func (c cells) load() (*vision.Features, error) {
	tokens, err := c.tokens.Float32s()
	if err != nil {
		return nil, err
	}
	deep, err := c.deep.Float32s()
	if err != nil {
		return nil, err
	}
	out := &vision.Features{Tokens: tokens}
	for part := range slices.Chunk(deep, len(tokens)) {
		out.Deep = append(out.Deep, part)
	}
	return out, nil
}
