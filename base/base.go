// Package base opens a base network: the one that is part of the program, the
// directory of a published one, or one that was stored in a volume or
// downloaded, by its name. Every command that runs a network, or makes input for
// one, starts here, so that all of them refuse the same directories with the
// same words and agree on what identifies a network.
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
	"mole/store"
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
	Dir       string // of the files; "" if they lie in a volume, or are part of the program
	Volume    string // VOLUME:PATH of the files; "" if they lie elsewhere
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

// Open is [OpenFrom] without a volume.
func Open(ctx context.Context, nameOrDir string) (*Base, error) {
	return OpenFrom(ctx, store.Volume{}, nameOrDir)
}

// OpenFrom opens the embedded network for "" and "tiny"; the network in the
// directory of that name, which has the layout of the published checkpoints; or
// the one under OWNER/NAME or OWNER/NAME@REVISION in the volume models, or else
// in the cache of downloaded models of package hub. It never downloads. The zero
// Volume has none. The error of a directory that lacks files, or does not exist,
// is [ErrIncomplete] and lists them. Files that do not fit each other are an
// error.
//
// The digest of weights in a volume or in the cache of downloaded models was
// found when they got there. That of others takes a pass over them, a few
// seconds for gigabytes, that ctx can end. It is kept in the user's cache folder,
// if there is one, and used again while path, size and time of each file are the
// same.
func OpenFrom(ctx context.Context, models store.Volume, nameOrDir string) (*Base, error) {
	b := &Base{Name: nameOrDir}
	var err error
	if nameOrDir == "" || nameOrDir == Tiny {
		b.Name = Tiny
		err = b.openEmbedded()
	} else {
		err = b.openNamed(ctx, models)
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

// openNamed opens a network that is not part of the program.
func (b *Base) openNamed(ctx context.Context, models store.Volume) error {
	f, err := find(ctx, models, b.Name)
	if err != nil {
		return err
	}
	b.Dir, b.Volume, b.Files = f.dir, f.volume, f.files
	if err := f.check(); err != nil {
		return err
	}
	if err := b.readTexts(b.Files); err != nil {
		return err
	}
	c, err := f.checkpoint()
	if err != nil {
		return err
	}
	b.Weights, b.closer = c, c
	b.Digest, err = digestWeights(ctx, b.Files)
	return err
}

// folder is where the files of a network lie: a directory, or a tree in a
// volume.
type folder struct {
	dir    string // "" if it is a tree
	volume string // VOLUME:PATH of the tree
	files  fs.FS
}

// dirFolder returns the folder of a directory.
func dirFolder(dir string) folder { return folder{dir: dir, files: os.DirFS(dir)} }

// check returns an error that says which files a folder lacks.
func (f folder) check() error {
	if err := f.checkDir(); err != nil {
		return err
	}
	var missing []string
	for _, name := range []string{configFile, tokenizer.FileName, processorFile} {
		if !exists(f.files, name) && (name != processorFile || !exists(f.files, nestedFile)) {
			missing = append(missing, name)
		}
	}
	if !exists(f.files, weightsFile) && !exists(f.files, indexFile) {
		missing = append(missing, weightsFile+" or "+indexFile)
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("%w: directory %slacks %s; copy all files of the published checkpoint into it%s",
		ErrIncomplete, f.volumed(), strings.Join(missing, ", "), elsewhere(f.dir, missing[0]))
}

// checkDir refuses what is no directory.
func (f folder) checkDir() error {
	if f.dir == "" {
		return nil
	}
	info, err := os.Stat(f.dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%w: it is a file, want the directory that holds it", ErrIncomplete)
	}
	return err
}

// volumed returns the name of a tree, with a space behind it. That of a
// directory is in the name that was asked for.
func (f folder) volumed() string {
	if f.volume == "" {
		return ""
	}
	return f.volume + " "
}

// checkpoint opens the weights in a folder, where they lie.
func (f folder) checkpoint() (*safetensors.Checkpoint, error) {
	return safetensors.OpenCheckpointAt(f.dir+f.volume, func(name string) (string, error) { return localPath(f.files, name) })
}

// localPath returns the path of the file that holds what a folder has under a
// name.
func localPath(fsys fs.FS, name string) (string, error) {
	path, err := store.LocalPath(fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && exists(fsys, name): // the tree has it, the store has not
		return "", fmt.Errorf("%s: %w: %v", name, store.ErrDamaged, err)
	case errors.Is(err, errors.ErrUnsupported): // a store that is no folder
		return "", fmt.Errorf("%w: weights are mapped into memory; mole volume get copies the model to a folder", err)
	}
	return path, err
}

// elsewhere returns a hint if a folder inside dir has the file that dir lacks,
// as in a download cache.
func elsewhere(dir, name string) string {
	if dir == "" {
		return ""
	}
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
func exists(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
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
