package lora

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"mole/safetensors"
)

// Encode returns the contents of the two files of an adapter. Equal adapters
// give equal bytes.
func (a *Adapter) Encode() (config, weights []byte, err error) {
	c, err := a.describe()
	if err != nil {
		return nil, nil, err
	}
	if config, err = c.Encode(); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, a.entries(), metadata); err != nil {
		return nil, nil, err
	}
	return config, b.Bytes(), nil
}

// metadata is what PEFT writes; some readers insist on it.
var metadata = map[string]string{"format": "pt"}

// entries returns the tensors of a in the shapes that PEFT gives them.
func (a *Adapter) entries() []safetensors.Entry {
	var out []safetensors.Entry
	for _, p := range a.Pairs {
		shapeA, shapeB := shapes(p.Site, p.Rank)
		out = append(out,
			safetensors.Entry{Name: KeyA(p.Site.Name), Tensor: safetensors.FromFloat32s(shapeA, p.A)},
			safetensors.Entry{Name: KeyB(p.Site.Name), Tensor: safetensors.FromFloat32s(shapeB, p.B)})
	}
	return out
}

// describe returns a configuration from which a reader that trusts it, as PEFT
// does, makes just these pairs. It is a.Config unless that came with tensors of
// other ranks or under other names.
func (a *Adapter) describe() (Config, error) {
	r, err := a.Config.rules()
	if err != nil {
		return Config{}, err
	}
	c := r.Config
	if hits, err := c.selector(); err != nil || !a.all(hits) {
		c.Exclude, c.Targets = Targets{}, Targets{}
		c.Layers, c.LayerNames = nil, nil
		for _, p := range a.Pairs {
			c.Targets.List = append(c.Targets.List, p.Site.Name)
		}
	}
	var ranks, alphas []Override
	for _, p := range a.Pairs {
		if r.rank(p.Site.Name) != p.Rank {
			ranks = append(ranks, Override{p.Site.Name, float64(p.Rank)})
		}
		if r.scale(p.Site.Name, p.Rank) != p.Scale {
			alphas = append(alphas, Override{p.Site.Name, p.Scale * r.divisor(p.Rank)})
		}
	}
	c.RankFor = append(ranks, c.RankFor...) // in front, so that they win
	c.AlphaFor = append(alphas, c.AlphaFor...)
	return c, nil
}

// all reports whether the sites of all pairs are selected.
func (a *Adapter) all(hits func(Site) bool) bool {
	return !slices.ContainsFunc(a.Pairs, func(p *Pair) bool { return !hits(p.Site) })
}

// Save writes the two files of an adapter into the folder dir, which it makes
// if need be. A folder without adapter_config.json is no adapter: that file is
// written last, and if it differs from an older one, that goes first, so that a
// reader never takes halves of two adapters for one, whenever the program is
// killed.
func (a *Adapter) Save(dir string) error {
	config, weights, err := a.Encode()
	if err != nil {
		return fmt.Errorf("save %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return commit(dir, config, weights)
}

// commit puts the two files in place once both are on the disk under other
// names.
func commit(dir string, config, weights []byte) (err error) {
	configPath, weightsPath := filepath.Join(dir, ConfigFile), filepath.Join(dir, WeightsFile)
	newConfig, newWeights := configPath+newSuffix, weightsPath+newSuffix
	defer func() {
		if err != nil { // the error that counts is err
			_, _ = os.Remove(newConfig), os.Remove(newWeights)
		}
	}()
	if err := errors.Join(writeSynced(newConfig, config), writeSynced(newWeights, weights)); err != nil {
		return err
	}
	if err := removeOther(configPath, config); err != nil {
		return err
	}
	if err := os.Rename(newWeights, weightsPath); err != nil {
		return err
	}
	if err := os.Rename(newConfig, configPath); err != nil {
		return err
	}
	return syncFolder(dir)
}

// newSuffix is added to the names of files that are not in place yet.
const newSuffix = ".new"

// removeOther removes the file at path, for good, unless it holds data.
func removeOther(path string, data []byte) error {
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err := errors.Join(err, os.Remove(path)); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// writeSynced writes a file and waits until it is on the disk.
func writeSynced(path string, data []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncFolder makes changes of names in a folder survive a loss of power.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be flushed there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Digest returns the SHA-256, in hexadecimal, of what an adapter computes: the
// name, rank and scale of each site, and its matrices. Settings that only say
// how it came about do not count.
func (a *Adapter) Digest() string {
	pairs := slices.SortedFunc(slices.Values(a.Pairs), func(p, q *Pair) int { return strings.Compare(p.Site.Name, q.Site.Name) })
	h := sha256.New()
	for _, p := range pairs {
		_, _ = fmt.Fprintf(h, "%q %d %d %d %x\n", p.Site.Name, p.Rank, len(p.A), len(p.B), math.Float64bits(p.Scale)) // a hash never fails
		writeValues(h, p.A)
		writeValues(h, p.B)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// writeValues writes v little-endian to a hash, which never fails.
func writeValues(h hash.Hash, v []float32) {
	var buf [4096]byte
	for part := range slices.Chunk(v, len(buf)/4) {
		for i, x := range part {
			binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(x))
		}
		_, _ = h.Write(buf[:4*len(part)])
	}
}
