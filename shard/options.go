package shard

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"runtime"

	"mole/batch"
	"mole/dataset"
	"mole/spec"
	"mole/vision"
)

// Errors that callers test for with [errors.Is].
var (
	// ErrOther says that a folder was begun with other input or settings.
	ErrOther = errors.New("made from other input or settings")
	// ErrDamaged says that a file does not have the bytes that it was written
	// with.
	ErrDamaged = errors.New("content is damaged")
)

// Source is a record with its place.
type Source struct {
	dataset.Record
	Line int // of its file, from 1
}

// Input is one split of a dataset. Records is ranged over two times and yields
// the same both times; an error ends it.
type Input struct {
	Name    string // "train", "val", "test", or any other folder name
	Records iter.Seq2[Source, error]
}

// Build returns a record as the network is to see it. The image im has its grid
// only; it is the one image of the example, and its placeholders are as many
// as it has merged cells. Build is called on several goroutines at once.
type Build func(rec *dataset.Record, im *vision.Patches) (batch.Example, error)

// Progress says how far Write is.
type Progress struct {
	Phase string // "images", then "samples"
	Done  int    // images or samples, kept ones of an earlier call included
	Total int
	Bytes int64 // of the pictures or tokens that are done
}

// Options says how Write works. A number that is 0 means the default in its
// comment.
type Options struct {
	// Input identifies the records and the image files: a digest of their
	// contents. A folder is continued, or taken as finished, only for the same
	// Input and the same settings.
	Input   string
	Dataset string // its name, for the metadata
	Model   string // name of the base network, likewise

	// Router is the specification of a routing set, nil for an expert's. Labels
	// and image sizes have to agree with it.
	Router    *spec.Router
	Vision    vision.Options // how images become patches
	Layout    batch.Layout   // of the network
	Build     Build          // makes the samples
	Settings  string         // whatever else decides what Build returns
	Tokenizer string         // digest of the tokenizer
	Processor string         // digest of the settings of the image processor
	RUVersion int            // of the coordinates in the records; see specification mole 4.1

	MaxTokens  int   // longest sample, 32768
	ShardBytes int64 // of pictures or tokens in a file, about; 64 MiB
	Workers    int   // one per processor; decides nothing but the speed
	// Memory bounds the pictures in memory, those of the shard at hand included;
	// 512 MiB. One picture is always allowed.
	Memory   int64
	Progress func(Progress) // if not nil, called after each image and sample, one call at a time
}

// withDefaults returns o with every number set.
func (o Options) withDefaults() Options {
	if o.MaxTokens == 0 {
		o.MaxTokens = 32768
	}
	if o.ShardBytes == 0 {
		o.ShardBytes = 64 << 20
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Memory == 0 {
		o.Memory = 512 << 20
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o
}

// check refuses settings that contradict each other.
func (o *Options) check(splits []Input) error {
	switch {
	case o.Input == "":
		return errors.New("no digest of the input")
	case o.Build == nil:
		return errors.New("no Build")
	case min(int64(o.MaxTokens), o.ShardBytes, int64(o.Workers), o.Memory) < 0:
		return fmt.Errorf("%d tokens, %d bytes of a shard, %d workers, %d bytes of memory: want none negative",
			o.MaxTokens, o.ShardBytes, o.Workers, o.Memory)
	case o.Layout.Merge != o.Vision.MergeSize:
		return fmt.Errorf("images are merged by %d, want %d as in the network", o.Vision.MergeSize, o.Layout.Merge)
	}
	if err := o.checkRouter(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, s := range splits {
		if err := checkSplit(s.Name); err != nil {
			return err
		}
		if seen[s.Name] {
			return fmt.Errorf("split %q occurs twice", s.Name)
		}
		seen[s.Name] = true
	}
	_, err := PolicyOf(o.Vision).Options()
	return err
}

// checkRouter refuses a specification of other images.
func (o *Options) checkRouter() error {
	if o.Router == nil {
		return nil
	}
	want, err := VisionOptions(o.Router.Image, o.Vision)
	if err == nil && want != o.Vision {
		err = fmt.Errorf("images are prepared as %+v, the router specification wants %+v", PolicyOf(o.Vision), PolicyOf(want))
	}
	return err
}

// identity returns the digest of everything that decides the bytes.
func (o *Options) identity(splits []Input) (string, error) {
	names := make([]string, len(splits))
	for i, s := range splits {
		names[i] = s.Name
	}
	text, err := json.Marshal(struct {
		Version                                                     int
		Input, Dataset, Model, Settings, Router, Tokenizer, Process string
		Policy                                                      Policy
		Layout                                                      batch.Layout
		RU, MaxTokens                                               int
		ShardBytes                                                  int64
		Splits                                                      []string
	}{
		Version, o.Input, o.Dataset, o.Model, o.Settings, o.routerHash(), o.Tokenizer, o.Processor,
		PolicyOf(o.Vision), o.Layout, o.RUVersion, o.MaxTokens, o.ShardBytes, names,
	})
	return hexDigest(text), err
}

// routerHash returns the hash of the router's specification, "" without one.
func (o *Options) routerHash() string {
	if o.Router == nil {
		return ""
	}
	return o.Router.Hash()
}
