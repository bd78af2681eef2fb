package base

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mole/base/tiny"
	"mole/model/qwen3vl"
	"mole/safetensors"
	"mole/tokenizer"
)

// MakeOptions says what checkpoint Make writes. A number that is 0 means the
// default in its comment.
type MakeOptions struct {
	Shape        string // 2b, 4b, 8b, 32b, or tiny for that of the embedded network
	Layers       int    // of the decoder, all
	VisionLayers int    // of the tower, all
	Seed         uint64 // of the weights
	ShardBytes   int64  // weights in one file at most, 5 GB
	// Progress, if not nil, is told how many bytes of how many are written.
	Progress func(done, total int64)
}

// shardBytes is how much the published checkpoints put into one file.
const shardBytes = 5e9

// Make writes a checkpoint of a released shape with random weights to dir, a new
// or empty folder: the layout of the published ones, sizes included, without
// their contents. The tokenizer is that of the embedded network, and the ids of
// the image markers with it; the vocabulary is as large as the released one. It
// takes the memory of a few buffers. config.json comes last: a folder without is
// not whole.
func Make(ctx context.Context, dir string, o MakeOptions) error {
	c, err := shapeOf(o)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		return errors.Join(err, fmt.Errorf("%s: %d files are there, want a new or empty folder", dir, len(entries)))
	}
	if err := copyTexts(dir); err != nil {
		return err
	}
	if err := writeWeights(ctx, dir, c, o); err != nil {
		return err
	}
	text, err := c.JSON()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, configFile), text, 0o666)
}

// shapeOf returns the configuration to write: a shape with the ids of the
// embedded network.
func shapeOf(o MakeOptions) (*qwen3vl.Config, error) {
	text, err := readText(tiny.FS(), configFile)
	if err != nil {
		return nil, err
	}
	own, err := qwen3vl.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	c := own
	if o.Shape != Tiny {
		if c, err = qwen3vl.Released(o.Shape); err != nil {
			return nil, fmt.Errorf("%w, or %s", err, Tiny)
		}
	}
	c.ImageToken, c.VideoToken, c.VisionStart, c.VisionEnd = own.ImageToken, own.VideoToken, own.VisionStart, own.VisionEnd
	return c, c.Cut(o.Layers, o.VisionLayers)
}

// copyTexts copies the files of the embedded network that are not of its
// weights.
func copyTexts(dir string) error {
	fsys := tiny.FS()
	for _, name := range []string{processorFile, tokenizer.FileName, "tokenizer_config.json", "generation_config.json", "chat_template.json"} {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// shard is the tensors of one file.
type shard struct {
	specs []safetensors.Spec
	bytes int64
}

// shards spreads the tensors of c over files of at most most bytes, in order. A
// larger tensor has a file of its own.
func shards(c *qwen3vl.Config, most int64) (list []shard, total int64) {
	for _, t := range c.Tensors() {
		s := safetensors.Spec{Name: t.Name, DType: safetensors.BF16, Shape: t.Shape}
		size := 2 * int64(safetensors.Tensor{Shape: t.Shape}.Len())
		if len(list) == 0 || list[len(list)-1].bytes+size > most {
			list = append(list, shard{})
		}
		at := &list[len(list)-1]
		at.specs, at.bytes = append(at.specs, s), at.bytes+size
		total += size
	}
	return list, total
}

// writeWeights writes the weights, and their index if they take several files.
func writeWeights(ctx context.Context, dir string, c *qwen3vl.Config, o MakeOptions) error {
	most := o.ShardBytes
	if most == 0 {
		most = shardBytes
	}
	list, total := shards(c, most)
	random := NewRandom(c, o.Seed)
	index := map[string]string{}
	done := int64(0)
	elements := func(w io.Writer, s safetensors.Spec) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		err := random.Write(w, s.Name, s.Shape)
		if done += 2 * int64(safetensors.Tensor{Shape: s.Shape}.Len()); o.Progress != nil {
			o.Progress(done, total)
		}
		return err
	}
	for i, s := range list {
		name := weightsFile
		if len(list) > 1 {
			name = fmt.Sprintf("%s-%05d-of-%05d.safetensors", strings.TrimSuffix(weightsFile, ".safetensors"), i+1, len(list))
		}
		for _, t := range s.specs {
			index[t.Name] = name
		}
		if err := safetensors.WriteFileFunc(filepath.Join(dir, name), s.specs, map[string]string{"format": "pt"}, elements); err != nil {
			return err
		}
	}
	if len(list) == 1 {
		return nil
	}
	text, err := json.MarshalIndent(map[string]any{"metadata": map[string]int64{"total_size": total}, "weight_map": index}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, indexFile), append(text, '\n'), 0o666)
}
