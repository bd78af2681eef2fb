// Package shard keeps preprocessed datasets: samples as token ids and labels,
// and every distinct picture once, as 8-bit samples in the size that the
// network sees. It is what lies between a dataset and training (specification
// mole 4.9 and 7; docs/shard.md draws the files).
//
// [Write] makes the folder of a dataset, with any number of workers the same
// bytes, and continues after it was killed. [Open] reads one, from a folder or
// a stored tree. [Split.Examples] gives it to a trainer. [Features] keeps, in a
// folder of its own, what a frozen vision tower makes of the pictures.
//
// Positions are not stored: package batch computes them from tokens and the
// sizes of images, and so does everybody who has these. Nor are float pixels:
// package vision makes the patches of a picture faster than a disk delivers
// them, and they take eight times the space for each sample that shows it.
package shard

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strings"

	"mole/spec"
	"mole/vision"
)

// Version is the version of the layout of a folder.
const Version = 2

// Names in a folder.
const (
	metaFile     = "metadata.json" // written last: with it the folder is complete
	manifestFile = "manifest.json" // until then, the shards that are
	imageFolder  = "images"
	indexFile    = imageFolder + "/index.safetensors"
	shardSuffix  = ".safetensors"
)

// channels is the number of samples of a pixel.
const channels = 3

// Meta is what a folder says about itself: metadata.json.
type Meta struct {
	Version int `json:"version"`
	// Identity is a digest of the input and of all settings that decide the
	// bytes.
	Identity    string `json:"identity"`
	DatasetName string `json:"dataset_name"`
	ModelName   string `json:"model_name"`

	TrainSamples int `json:"train_samples"`
	ValSamples   int `json:"val_samples"`
	TestSamples  int `json:"test_samples"`

	Router       *spec.Router `json:"router_spec,omitempty"` // of routing sets
	RouterSHA256 string       `json:"router_spec_sha256,omitempty"`
	ImagePolicy  Policy       `json:"image_policy"`
	Tokenizer    string       `json:"tokenizer_sha256"`
	Processor    string       `json:"processor_sha256"`
	RUVersion    int          `json:"ru_version"`

	Splits     []SplitMeta `json:"splits"` // in the order that they were given in
	Images     ImageMeta   `json:"images"`
	Files      []File      `json:"files"`       // all but metadata.json, sorted by path
	BytesTotal int64       `json:"bytes_total"` // of Files
}

// SplitMeta counts one split.
type SplitMeta struct {
	Name       string    `json:"name"`
	Samples    int       `json:"samples"`
	Tokens     int64     `json:"tokens"`
	Supervised int64     `json:"supervised"` // tokens with a label
	Lengths    Histogram `json:"lengths"`    // tokens of a sample
}

// ImageMeta counts the pictures of all splits.
type ImageMeta struct {
	Files    int         `json:"files"`    // distinct paths in the records
	Distinct int         `json:"distinct"` // distinct pictures after the resize, which are stored
	Samples  int         `json:"samples"`  // that show them
	Sizes    []SizeCount `json:"sizes"`    // the most frequent first
	Other    int         `json:"other"`    // pictures whose size is not listed
}

// SizeCount is a size in pixels with the number of distinct pictures that have
// it.
type SizeCount struct {
	W     int `json:"width"`
	H     int `json:"height"`
	Count int `json:"count"`
}

// File is one file of a folder.
type File struct {
	Path   string `json:"path"` // parted by /
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	Items  int    `json:"items"` // pictures or samples in it
}

// Policy says how pictures became what is stored, and how that becomes patches:
// [vision.Options] in a form for files.
type Policy struct {
	PatchSize         int               `json:"patch_size"`
	TemporalPatchSize int               `json:"temporal_patch_size"`
	MergeSize         int               `json:"merge_size"`
	MinPixels         int               `json:"min_pixels"`
	MaxPixels         int               `json:"max_pixels"`
	Mean              [channels]float64 `json:"image_mean"`
	Std               [channels]float64 `json:"image_std"`
	Resample          string            `json:"resample"` // "bicubic-" and a rule of package vision
}

// bicubic begins the names of resize rules in specifications.
const bicubic = "bicubic-"

// PolicyOf returns o as a policy.
func PolicyOf(o vision.Options) Policy {
	return Policy{
		PatchSize: o.PatchSize, TemporalPatchSize: o.TemporalPatchSize, MergeSize: o.MergeSize,
		MinPixels: o.MinPixels, MaxPixels: o.MaxPixels, Mean: o.Mean, Std: o.Std,
		Resample: bicubic + o.Rule.String(),
	}
}

// Options returns what p stands for. It refuses what package vision does.
func (p Policy) Options() (vision.Options, error) {
	rule, err := parseResample(p.Resample)
	if err != nil {
		return vision.Options{}, err
	}
	o := vision.Options{
		PatchSize: p.PatchSize, TemporalPatchSize: p.TemporalPatchSize, MergeSize: p.MergeSize,
		MinPixels: p.MinPixels, MaxPixels: p.MaxPixels, Mean: p.Mean, Std: p.Std, Rule: rule,
	}
	_, _, err = vision.TargetSize(1, 1, o) // looks at every field
	return o, err
}

// VisionOptions returns o, which belongs to a base network, with the limits and
// the resize rule that a router's specification sets. It refuses a
// specification of other patches than those of the network.
func VisionOptions(im spec.Image, o vision.Options) (vision.Options, error) {
	if im.Patch != o.PatchSize || im.Merge != o.MergeSize {
		return o, fmt.Errorf("router specification: image.patch %d and image.merge %d, the base model has %d and %d",
			im.Patch, im.Merge, o.PatchSize, o.MergeSize)
	}
	const most = 1 << 20 // tokens, so that the product fits everywhere
	if im.MinTokens < 1 || im.MaxTokens < im.MinTokens || im.MaxTokens > most {
		return o, fmt.Errorf("router specification: image.min_tokens %d and image.max_tokens %d, want 1 or more, rising, up to %d",
			im.MinTokens, im.MaxTokens, most)
	}
	rule, err := parseResample(im.Resample)
	if err != nil {
		return o, fmt.Errorf("router specification: image.resample: %w", err)
	}
	cell := im.Patch * im.Patch * im.Merge * im.Merge
	o.MinPixels, o.MaxPixels, o.Rule = im.MinTokens*cell, im.MaxTokens*cell, rule
	return o, nil
}

// parseResample reads the name of a resize rule as specifications spell it.
func parseResample(s string) (vision.Rule, error) {
	name, ok := strings.CutPrefix(s, bicubic)
	if !ok {
		return 0, fmt.Errorf("resample %q, want %q or %q", s, bicubic+vision.Torchvision.String(), bicubic+vision.Pillow.String())
	}
	return vision.ParseRule(name)
}

// key identifies a picture: the SHA-256 of its height and width, as
// little-endian 32-bit numbers, and its samples.
type key [sha256.Size]byte

// keyOf returns the key of a picture.
func keyOf(im *vision.Image) key {
	h := sha256.New()
	var size [8]byte
	binary.LittleEndian.PutUint32(size[:], uint32(im.H))
	binary.LittleEndian.PutUint32(size[4:], uint32(im.W))
	_, _ = h.Write(size[:]) // a hash takes everything
	_, _ = h.Write(im.RGB)
	return key(h.Sum(nil))
}

// hexDigest returns the SHA-256 of data in hexadecimal.
func hexDigest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// String returns k in hexadecimal.
func (k key) String() string { return hex.EncodeToString(k[:]) }

// parseKey reads what String returns, and nothing else.
func parseKey(s string) (key, error) {
	var k key
	if len(s) != 2*len(k) || s != strings.ToLower(s) {
		return k, fmt.Errorf("digest %.80q, want %d lower-case hexadecimal digits", s, 2*len(k))
	}
	if _, err := hex.Decode(k[:], []byte(s)); err != nil {
		return k, fmt.Errorf("digest %.80q: %w", s, err)
	}
	return k, nil
}

// ImageDigest returns the identity of a picture after its resize, in
// hexadecimal: the SHA-256 of its height and width, as little-endian 32-bit
// numbers, and its samples. Samples and [Features] refer to pictures by it.
func ImageDigest(im *vision.Image) string { return keyOf(im).String() }

var splitPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// checkSplit refuses a name that cannot be a folder beside the pictures.
func checkSplit(name string) error {
	if !splitPattern.MatchString(name) || name == imageFolder {
		return fmt.Errorf("split %.80q: want a name that matches %s, not %q", name, splitPattern, imageFolder)
	}
	return nil
}

// shardPath returns the path of shard i of a folder.
func shardPath(folder string, i int) string {
	return path.Join(folder, fmt.Sprintf("%05d%s", i, shardSuffix))
}
