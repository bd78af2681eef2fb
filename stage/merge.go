package stage

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"mole/base"
	"mole/bundle"
	"mole/device"
	"mole/eval"
	"mole/internal/kernel"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/safetensors"
)

// Merge adds an adapter to the weights of its base network and writes the result
// as a checkpoint of its own, in bfloat16 where the base has it (specification
// mole, 5.16). No more than one file of it is in memory.
type Merge struct {
	*Place
	Adapter string // a path of the volume Training, VOLUME:PATH, or a folder
	Out     string // folder of the checkpoint, which must not be there yet
	Base    *base.Base
	Device  device.Accelerator
	Shard   int64 // bytes of tensors in a file, about; 1 GiB
}

// Merged is what came of Merge.
type Merged struct {
	From   string `json:"source_lora"`  // the adapter
	Files  int    `json:"files"`        // with weights
	Params int64  `json:"total_params"` // of the network
	Layers int    `json:"layers"`       // that the adapter changed
}

// mergeFile says of a merged checkpoint what it was made of.
const mergeFile = "merge_metadata.json"

// mergedShard is Merge.Shard where it does not say.
const mergedShard = 1 << 30

// Run merges.
func (m *Merge) Run(ctx context.Context) (*Merged, error) {
	if _, err := os.Lstat(m.Out); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("%s: there is something already, want a new folder", m.Out), err)
	}
	c, err := m.checkpoint(ctx, m.Adapter)
	if err != nil {
		return nil, err
	}
	a, err := m.adapter(c)
	if err != nil {
		return nil, err
	}
	work := filepath.Clean(m.Out) + ".part"
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o777)); err != nil {
		return nil, err
	}
	out := &Merged{From: c.from, Layers: len(a.Pairs)}
	if err := m.texts(work); err != nil {
		return nil, err
	}
	if err := m.weights(ctx, work, a, out); err != nil {
		return nil, err
	}
	if err := m.about(work, c, out); err != nil {
		return nil, err
	}
	return out, os.Rename(work, m.Out)
}

// adapter opens the adapter. The head of a network that shares it with the
// embedding cannot be merged.
func (m *Merge) adapter(c *checkpoint) (*lora.Adapter, error) {
	if got := c.reads; got != nil && got.Base != m.Base.Digest {
		return nil, fmt.Errorf("%s: %w: trained on weights %.12s, these are %.12s", c.from, ErrOtherBase, got.Base, m.Base.Digest)
	}
	net, a, done, err := c.load(m.Base, m.Device)
	if err != nil {
		return nil, err
	}
	defer done()
	if net.Config().Tied && slices.ContainsFunc(a.Pairs, func(p *lora.Pair) bool { return p.Site.Name == "lm_head" }) {
		return nil, fmt.Errorf("%s: it changes the head, which is the embedding of this network: the two cannot be told apart once merged", c.from)
	}
	return a, nil
}

// texts copies the files of the base network but its weights.
func (m *Merge) texts(work string) error {
	entries, err := fs.ReadDir(m.Base.Files, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasPrefix(name, ".") || strings.Contains(name, ".safetensors") {
			continue
		}
		if err := copyFile(m.Base.Files, name, filepath.Join(work, name)); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a file to a new place.
func copyFile(fsys fs.FS, name, to string) (err error) {
	from, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// weights writes the merged tensors, file by file, and the index if there are
// several files.
func (m *Merge) weights(ctx context.Context, work string, a *lora.Adapter, out *Merged) error {
	parts, sizes, err := m.parts()
	if err != nil {
		return err
	}
	pairs := map[string]*lora.Pair{}
	for _, p := range a.Pairs {
		pairs[p.Site.Name+".weight"] = p
	}
	index := map[string]string{}
	for i, names := range parts {
		m.progress("merge", int64(i), int64(len(parts)))
		file := "model.safetensors"
		if len(parts) > 1 {
			file = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(parts))
		}
		if err := m.part(ctx, filepath.Join(work, file), names, pairs); err != nil {
			return err
		}
		for _, name := range names {
			index[qwen3vl.CanonicalName(name)] = file
		}
	}
	out.Files, out.Params = len(parts), sizes.params
	if len(pairs) > 0 {
		return fmt.Errorf("the base network lacks %s", slices.Sorted(maps.Keys(pairs))[0])
	}
	if len(parts) == 1 {
		return nil
	}
	return writeObject(filepath.Join(work, "model.safetensors.index.json"), map[string]any{
		"metadata": map[string]int64{"total_size": sizes.bytes}, "weight_map": index,
	})
}

// totals are the sizes of a network.
type totals struct{ bytes, params int64 }

// parts divides the tensors into files, in the order of their names.
func (m *Merge) parts() (parts [][]string, sum totals, err error) {
	most := first(m.Shard, mergedShard)
	filled := most
	for _, name := range slices.Sorted(slices.Values(m.Base.Weights.Names())) {
		t, err := m.Base.Weights.Tensor(name)
		if err != nil {
			return nil, sum, err
		}
		n := int64(len(t.Data))
		if filled+n > most {
			parts, filled = append(parts, nil), 0
		}
		last := &parts[len(parts)-1]
		*last = append(*last, name)
		filled += n
		sum.bytes, sum.params = sum.bytes+n, sum.params+n/int64(t.DType.Size())
	}
	return parts, sum, nil
}

// part writes one file of tensors, merged with their pairs, which it removes from
// pairs.
func (m *Merge) part(ctx context.Context, file string, names []string, pairs map[string]*lora.Pair) error {
	var entries []safetensors.Entry
	for _, name := range names {
		t, err := m.Base.Weights.Tensor(name)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		key := qwen3vl.CanonicalName(name)
		if p := pairs[key]; p != nil {
			if t, err = merged(t, p); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			delete(pairs, key)
		}
		entries = append(entries, safetensors.Entry{Name: key, Tensor: t})
	}
	return safetensors.WriteFile(file, entries, map[string]string{"format": "pt"})
}

// merged returns a weight with a pair added, rounded once to the type that the
// weight has.
func merged(t safetensors.Tensor, p *lora.Pair) (safetensors.Tensor, error) {
	w, err := t.Float32s()
	if err != nil {
		return t, err
	}
	if len(w) != p.Site.In*p.Site.Out {
		return t, fmt.Errorf("%d elements, want %d by %d", len(w), p.Site.Out, p.Site.In)
	}
	var wait sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for i := range workers {
		wait.Go(func() { p.AddTo(w, i*p.Site.Out/workers, (i+1)*p.Site.Out/workers) })
	}
	wait.Wait()
	for i, v := range w {
		if v-v != 0 { // infinite or not a number
			return t, fmt.Errorf("element %d is %v after merging", i, v)
		}
	}
	if t.DType != safetensors.BF16 {
		return safetensors.FromFloat32s(t.Shape, w), nil
	}
	out := make([]byte, 0, 2*len(w))
	for _, v := range w {
		out = binary.LittleEndian.AppendUint16(out, kernel.BF16FromF32(v))
	}
	return safetensors.Tensor{DType: safetensors.BF16, Shape: t.Shape, Data: out}, nil
}

// about writes what the checkpoint was made of.
func (m *Merge) about(work string, c *checkpoint, out *Merged) error {
	about := map[string]any{
		"source_lora": c.from, "base_model": m.Base.Name, "base_model_sha256": m.Base.Digest,
		"merged_at": time.Now().UTC().Format(time.RFC3339), "safe_merge": true, "total_params": out.Params,
	}
	if c.reads != nil {
		about["adapter_name"] = c.reads.Expert
	}
	if run, err := runOf(c.fsys); err == nil && run != nil {
		about["source_dataset"] = run.Dataset
	}
	if text, err := fs.ReadFile(c.fsys, bundle.ReportFile); err == nil {
		if r, err := eval.ParseExpertReport(text); err == nil {
			about["source_eval_accuracy"] = float64(r.Results.Passed) / float64(r.Results.Total)
			about["source_dataset"] = r.Dataset
		}
	}
	return writeObject(filepath.Join(work, mergeFile), about)
}

// writeObject writes a value as indented JSON.
func writeObject(file string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o666)
}
