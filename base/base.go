// Package base opens a base network: the one that is part of the program, the
// directory of a published one, or one that was downloaded, by its name. Every command that runs a network, or makes
// input for one, starts here, so that all of them refuse the same directories
// with the same words and agree on what identifies a network.
package base

import (
	"bytes"
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
	"mole/vision"
)

// Tiny is the name of the embedded network.
const Tiny = "tiny"

// Names of the files of a directory; the weights are named by package
// safetensors.
const (
	configFile    = "config.json"
	processorFile = "preprocessor_config.json"
	nestedFile    = "processor_config.json" // what transformers 5 writes in its place
	weightsFile   = "model.safetensors"
	indexFile     = weightsFile + ".index.json"
)

// maxText is the longest file other than weights, in bytes. The largest
// published one, a tokenizer, has 7 MB.
const maxText = 256 << 20

// ErrIncomplete says that a directory lacks files of a base network.
var ErrIncomplete = errors.New("not a base network")

// Base is an opened base network: its shape, its tokenizer, how it wants to see
// images, and its weights, which are not on a device yet.
type Base struct {
	Name      string // "tiny", or the directory or the name on a hub as it was given
	Dir       string // of the files; "" for the network that is part of the program
	Config    *qwen3vl.Config
	Tokenizer *tokenizer.Tokenizer
	// Vision is what preprocessor_config.json says. The limits of the size are
	// the published ones, mostly far too generous for routing, and the rule of
	// the resize is in no file: whoever preprocesses sets them.
	Vision vision.Options
	// Processor is the SHA-256 of preprocessor_config.json, or of the object that
	// stands for it in processor_config.json, in hexadecimal.
	Processor string
	// Weights may be mapped into memory: they must not be used after Close.
	Weights qwen3vl.Source
	// Digest identifies the weights: the SHA-256 of model.safetensors, in
	// hexadecimal. For weights in several files it is the SHA-256 of a line
	// "DIGEST  NAME" for each, in the order of the names.
	Digest string

	// Files holds the files of the network: those named above, and whatever else
	// was published with it.
	Files fs.FS

	closer io.Closer // of the weights; nil if there is nothing to close
}

// Open opens the embedded network for "" and "tiny"; the network in the
// directory of that name, which has the layout of the published checkpoints; or
// the one that package hub finds under OWNER/NAME or OWNER/NAME@REVISION in the
// cache of downloaded models. It never downloads. The error of a directory that
// lacks files, or does not exist, is [ErrIncomplete] and lists them. Files that
// do not fit each other are an error.
//
// The digest of weights in the cache of downloaded models was found when they
// were downloaded. That of others takes a pass over them, a few seconds for
// gigabytes, that ctx can end. It is kept in the user's cache folder, if there
// is one, and used again while path, size and time of each file are the same.
func Open(ctx context.Context, nameOrDir string) (*Base, error) {
	b := &Base{Name: nameOrDir}
	var err error
	if nameOrDir == "" || nameOrDir == Tiny {
		b.Name = Tiny
		err = b.openEmbedded()
	} else if b.Dir, err = Find(nameOrDir); err == nil {
		err = b.openDir(ctx, b.Dir)
	}
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("base model %s: %w", b.Name, err), b.Close())
	}
	return b, nil
}

// Close gives the memory of the weights back.
func (b *Base) Close() error {
	if b.closer == nil {
		return nil
	}
	c := b.closer
	b.closer = nil
	return c.Close()
}

// openEmbedded opens the network that is part of the program.
func (b *Base) openEmbedded() error {
	fsys := tiny.FS()
	b.Files = fsys
	if err := b.readTexts(fsys); err != nil {
		return err
	}
	data, err := fs.ReadFile(fsys, weightsFile)
	if err != nil {
		return err
	}
	f, err := safetensors.Parse(data)
	if err != nil {
		return err
	}
	b.Weights, b.closer, b.Digest = f, f, tiny.Digest()
	return nil
}

// openDir opens a directory.
func (b *Base) openDir(ctx context.Context, dir string) error {
	if err := checkFiles(dir); err != nil {
		return err
	}
	b.Files = os.DirFS(dir)
	if err := b.readTexts(b.Files); err != nil {
		return err
	}
	c, err := safetensors.OpenCheckpoint(dir)
	if err != nil {
		return err
	}
	b.Weights, b.closer = c, c
	b.Digest, err = digestWeights(ctx, dir)
	return err
}

// checkFiles returns an error that says which files a directory lacks.
func checkFiles(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%w: it is a file, want the directory that holds it", ErrIncomplete)
	}
	var missing []string
	for _, name := range []string{configFile, tokenizer.FileName, processorFile} {
		if !exists(dir, name) && (name != processorFile || !exists(dir, nestedFile)) {
			missing = append(missing, name)
		}
	}
	if !exists(dir, weightsFile) && !exists(dir, indexFile) {
		missing = append(missing, weightsFile+" or "+indexFile)
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("%w: directory lacks %s; copy all files of the published checkpoint into it%s",
		ErrIncomplete, strings.Join(missing, ", "), elsewhere(dir, missing[0]))
}

// elsewhere returns a hint if a folder inside dir has the file that dir lacks,
// as in a download cache.
func elsewhere(dir, name string) string {
	for _, pattern := range []string{"*", filepath.Join("snapshots", "*")} {
		found, err := filepath.Glob(filepath.Join(dir, pattern, name))
		if err == nil && len(found) > 0 {
			return "; or is it " + filepath.Dir(found[0]) + " that you mean?"
		}
	}
	return ""
}

// exists reports whether a folder holds a file. One that may not be looked at
// counts, so that reading it gives the reason.
func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

// readTexts reads the files other than the weights.
func (b *Base) readTexts(fsys fs.FS) error {
	if err := b.readConfig(fsys); err != nil {
		return err
	}
	if err := b.readProcessor(fsys); err != nil {
		return err
	}
	text, err := readText(fsys, tokenizer.FileName)
	if err != nil {
		return err
	}
	if b.Tokenizer, err = tokenizer.Parse(text); err != nil {
		return fmt.Errorf("%s: %w", tokenizer.FileName, err)
	}
	return nil
}

// readProcessor reads how the network wants to see images.
func (b *Base) readProcessor(fsys fs.FS) error {
	name := processorFile
	text, err := readText(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		name = nestedFile
		text, err = readNested(fsys)
	}
	if err != nil {
		return err
	}
	b.Processor = hexDigest(text)
	if b.Vision, err = vision.ParseOptions(text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// readNested returns the object for images in the file for all processors.
func readNested(fsys fs.FS) ([]byte, error) {
	text, err := readText(fsys, nestedFile)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", nestedFile, err)
	}
	const key = "image_processor"
	if all[key] == nil {
		return nil, fmt.Errorf("%s: %q is missing", nestedFile, key)
	}
	return all[key], nil
}

// readConfig reads the shape.
func (b *Base) readConfig(fsys fs.FS) error {
	text, err := readText(fsys, configFile)
	if err != nil {
		return err
	}
	b.Config, err = qwen3vl.ParseConfig(text)
	return err // names the file
}

// readText reads a file of moderate size.
func readText(fsys fs.FS, name string) (_ []byte, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var text bytes.Buffer
	n, err := text.ReadFrom(io.LimitReader(f, maxText+1))
	if err == nil && n > maxText {
		err = fmt.Errorf("%s: longer than %d bytes", name, maxText)
	}
	return text.Bytes(), err
}

// check refuses files that are not of one network.
func (b *Base) check() error {
	v, o := b.Config.Vision, b.Vision
	for _, f := range []struct {
		name      string
		got, want int
	}{
		{"patch_size", o.PatchSize, v.Patch},
		{"temporal_patch_size", o.TemporalPatchSize, v.Temporal},
		{"merge_size", o.MergeSize, v.Merge},
	} {
		if f.got != f.want {
			return fmt.Errorf("%s: %s is %d, want %d as in %s", processorFile, f.name, f.got, f.want, configFile)
		}
	}
	if n, most := b.Tokenizer.Size(), b.Config.Text.Vocab; n > most {
		return fmt.Errorf("%s: %d tokens, want at most vocab_size of %s, %d", tokenizer.FileName, n, configFile, most)
	}
	return b.checkTokens()
}

// checkTokens refuses a tokenizer whose markers of images have other ids than
// the configuration says.
func (b *Base) checkTokens() error {
	c := b.Config
	for _, f := range []struct {
		text string
		want int32
	}{
		{"<|image_pad|>", c.ImageToken},
		{"<|video_pad|>", c.VideoToken},
		{"<|vision_start|>", c.VisionStart},
		{"<|vision_end|>", c.VisionEnd},
	} {
		got, ok := b.Tokenizer.ID(f.text)
		if !ok {
			return fmt.Errorf("%s: no token %s", tokenizer.FileName, f.text)
		}
		if got != f.want {
			return fmt.Errorf("%s: token %s has id %d, want %d as in %s", tokenizer.FileName, f.text, got, f.want, configFile)
		}
	}
	return nil
}
