package base

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"mole/hub"
	"mole/model/qwen3vl"
	"mole/safetensors"
	"mole/store"
	"mole/tokenizer"
)

// CheckOptions says how closely Check looks.
type CheckOptions struct {
	Values bool         // at every weight, whether it is a number
	Models store.Volume // of stored networks, as for OpenFrom
	// Progress, if not nil, is told how many bytes of how many have been read.
	Progress func(what string, done, total int64)
}

// Report is what Check found out.
type Report struct {
	Name, Dir, Volume string // as in Base, and so is Digest
	Digest            string
	Config            *qwen3vl.Config
	Parameters        int64 // elements of all tensors
	WeightBytes       int64 // of all tensors, as they lie in the files
	TokenizerBytes    int64 // of tokenizer.json
	Verified          int   // files that have the content which was downloaded
	Files             int   // all files of the directory
}

// Check opens a base network and looks whether it can be used: all files there,
// tensors as the configuration says, contents as they were downloaded, where
// that is known.
func Check(ctx context.Context, nameOrDir string, o CheckOptions) (_ *Report, err error) {
	b, err := OpenFrom(ctx, o.Models, nameOrDir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	r := &Report{Name: b.Name, Dir: b.Dir, Volume: b.Volume, Digest: b.Digest, Config: b.Config, Parameters: b.Config.Parameters()}
	if err := b.Config.Check(b.Weights); err != nil {
		return nil, fmt.Errorf("base model %s: %w", b.Name, err)
	}
	if r.WeightBytes, err = weightBytes(b.Weights); err != nil {
		return nil, err
	}
	r.TokenizerBytes = b.tokenizerBytes()
	if err := r.verify(ctx, b.Files, o); err != nil {
		return nil, fmt.Errorf("base model %s: %w", b.Name, err)
	}
	if o.Values {
		if err := checkValues(ctx, b.Weights, r.WeightBytes, o.Progress); err != nil {
			return nil, fmt.Errorf("base model %s: %w", b.Name, err)
		}
	}
	return r, nil
}

// tokenizerBytes returns the size of tokenizer.json.
func (b *Base) tokenizerBytes() int64 {
	info, err := fs.Stat(b.Files, tokenizer.FileName)
	if err != nil {
		return 0 // it was read before, and only its size is wanted
	}
	return info.Size()
}

// weightBytes returns the bytes of all tensors.
func weightBytes(src qwen3vl.Source) (int64, error) {
	var n int64
	for _, name := range src.Names() {
		t, err := src.Tensor(name)
		if err != nil {
			return 0, err
		}
		n += int64(len(t.Data))
	}
	return n, nil
}

// verify compares the files that were downloaded or stored with their hashes.
func (r *Report) verify(ctx context.Context, fsys fs.FS, o CheckOptions) error {
	if r.Dir == "" && r.Volume == "" {
		return nil
	}
	names, total, err := filesIn(fsys)
	if err != nil {
		return err
	}
	var done int64
	r.Files = len(names)
	for _, name := range names {
		known, err := verifyFile(ctx, fsys, name, func(n int64) {
			if done += n; o.Progress != nil {
				o.Progress("hashes", done, total)
			}
		})
		if err != nil {
			return err
		}
		if known {
			r.Verified++
		}
	}
	return nil
}

// filesIn returns the names of the files of a folder, and their bytes together.
func filesIn(fsys fs.FS) (names []string, total int64, err error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, 0, err
	}
	for _, e := range entries {
		info, err := fs.Stat(fsys, e.Name()) // of what a link leads to
		if err != nil {
			return nil, 0, err
		}
		if info.Mode().IsRegular() {
			names, total = append(names, e.Name()), total+info.Size()
		}
	}
	return names, total, nil
}

// verifyFile compares one file with its hash, if that is known.
func verifyFile(ctx context.Context, fsys fs.FS, name string, read func(n int64)) (known bool, err error) {
	path, err := localPath(fsys, name)
	if err != nil {
		return false, err
	}
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return false, err
	}
	f, stored := info.Sys().(store.File)
	if !stored {
		return hub.Verify(ctx, path, read)
	}
	got, err := hashFile(ctx, path, read)
	if err == nil && got != f.Digest {
		err = fmt.Errorf("%s: %w: %s has another hash than its name", name, store.ErrDamaged, path)
	}
	return true, err
}

// ErrNotFinite says that a weight is no number.
var ErrNotFinite = errors.New("not finite")

// checkValues looks for weights that are infinite or not a number.
func checkValues(ctx context.Context, src qwen3vl.Source, total int64, progress func(what string, done, total int64)) error {
	var done int64
	for _, name := range src.Names() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t, err := src.Tensor(name)
		if err != nil {
			return err
		}
		if n, first := notFinite(t); n > 0 {
			return fmt.Errorf("%d of %d elements of tensor %q are %w, the first is element %d", n, t.Len(), name, ErrNotFinite, first)
		}
		if done += int64(len(t.Data)); progress != nil {
			progress("values", done, total)
		}
	}
	return nil
}

// exponents are the bits of the exponent of the types that weights have: all of
// them are set where a value is infinite or not a number.
var exponents = map[safetensors.DType]uint32{safetensors.BF16: 0x7f80, safetensors.F16: 0x7c00, safetensors.F32: 0x7f800000}

// notFinite returns how many elements are not finite, and which is the first.
func notFinite(t safetensors.Tensor) (n, first int) {
	mask, size := exponents[t.DType], t.DType.Size()
	at := func(i int) uint32 {
		if size == 2 {
			return uint32(binary.LittleEndian.Uint16(t.Data[2*i:]))
		}
		return binary.LittleEndian.Uint32(t.Data[4*i:])
	}
	if mask == 0 {
		return 0, 0 // Config.Check refused it
	}
	for i := range len(t.Data) / size {
		if at(i)&mask != mask {
			continue
		}
		if n == 0 {
			first = i
		}
		n++
	}
	return n, first
}

// Needs returns what routing one picture takes in memory, in bytes: weights that
// lie in files, which the system may drop and read again, and the rest. cells is
// how many tokens the picture becomes, and tokens those of the whole question.
// Of an embedding that is not the head, too, a few rows are read, which do not
// count.
func (r *Report) Needs(cells, tokens int) (weights, rest int64) {
	c := r.Config
	features := int64(cells*c.Text.Hidden*(1+len(c.Vision.DeepStack))) * 4
	pixels := int64(cells*c.Vision.Merge*c.Vision.Merge*c.Vision.PatchWidth()) * 4
	rest = program + textShare*r.TokenizerBytes + c.EncodeBytes(cells) + c.OutputsBytes(tokens, cells, 1) + features + pixels
	weights = r.WeightBytes
	if !c.Tied {
		weights -= int64(float64(weights) * float64(c.Text.Vocab*c.Text.Hidden) / float64(r.Parameters))
	}
	return weights, rest
}

const (
	// program is what the program takes before it opened a network, measured.
	program = 36 << 20
	// textShare is what a tokenizer takes for each byte of its file, measured with
	// one of 151,643 tokens.
	textShare = 3
)

// Usable returns the shape of the network in a directory, or an error that says
// why it cannot be used. It reads no weights, and computes no digest.
func Usable(dir string) (*qwen3vl.Config, error) {
	return dirFolder(dir).usable(dir)
}

// usable is [Usable] for a folder.
func (f folder) usable(name string) (_ *qwen3vl.Config, err error) {
	b := &Base{Name: name}
	if err := b.readConfig(f.files); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // of another family, mostly: that says more than what is missing
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	c, err := f.checkpoint()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return b.Config, b.Config.Check(c)
}

// Describe names a shape in a few words.
func Describe(c *qwen3vl.Config) string {
	head := "head of its own"
	if c.Tied {
		head = "tied head"
	}
	t, v := &c.Text, &c.Vision
	return strings.Join([]string{
		fmt.Sprintf("%d text layers of %d", t.Layers, t.Hidden), fmt.Sprintf("%d vision blocks of %d", v.Depth, v.Hidden),
		fmt.Sprintf("vocabulary %d", t.Vocab), head,
	}, ", ")
}
