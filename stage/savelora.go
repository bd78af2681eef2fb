package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"mole/base"
	"mole/lora"
	"mole/safetensors"
	"mole/spec"
	"mole/store"
)

// SaveLora copies the adapter of an expert to a volume, once it has been
// checked (specification mole, 5.13). It does not list it in config/loras.json.
type SaveLora struct {
	*Place
	// Checkpoint is a folder of this machine, or a path on FromVolume if that is
	// set. The adapter lies there, or in its folder final or adapter.
	Checkpoint, FromVolume string
	Volume, Dest           string // where the adapter goes: its two files, and expert.json and the report, if they are there
	Expert                 string // that it must be of, if it says of which it is
	// Model is the base model that the adapter must name, Sites its layers, nil
	// if it is not on this machine: then shapes are not compared with it.
	Model string
	Sites []lora.Site
	Force bool // do without an equal name
}

// SavedLora is what came of SaveLora.
type SavedLora struct {
	Source   string // folder of this machine, or VOLUME:PATH
	Base     string // model that the adapter names
	Rank     int
	Pairs    int // of tensors
	Bytes    int64
	Replaced bool // something else was published there
	Time     time.Time
}

// ErrOtherBase is the error of an adapter for another base model.
var ErrOtherBase = errors.New("adapter is for another base model")

// Run checks the adapter and publishes it.
func (s *SaveLora) Run(ctx context.Context) (*SavedLora, error) {
	out := &SavedLora{Source: s.Checkpoint}
	fsys, err := s.source(ctx)
	if s.FromVolume != "" {
		out.Source = s.FromVolume + ":" + s.Checkpoint
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", out.Source, err)
	}
	c := &checkpoint{from: out.Source, fsys: fsys}
	err = c.read()
	if err == nil {
		err = s.check(c.config, c.weights, out)
	}
	if err == nil && c.reads != nil && c.reads.Expert != s.Expert {
		err = fmt.Errorf("%s: the adapter of expert %s, want %s", spec.ExpertFile, c.reads.Expert, s.Expert)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", out.Source, err)
	}
	return out, s.publish(ctx, c, out)
}

// source opens the checkpoint.
func (s *SaveLora) source(ctx context.Context) (fs.FS, error) {
	if s.FromVolume == "" {
		fsys := os.DirFS(s.Checkpoint)
		_, err := fs.Stat(fsys, ".")
		return fsys, err
	}
	tree, err := store.Volume{Store: s.Store, Name: s.FromVolume}.Find(ctx, s.Checkpoint)
	return tree.FS(ctx, s.Store), err
}

// check refuses an adapter that would not load.
func (s *SaveLora) check(config, weights []byte, out *SavedLora) error {
	c, err := lora.ParseConfig(config)
	if err != nil {
		return fmt.Errorf("%s: %w", lora.ConfigFile, err)
	}
	out.Base, out.Rank, out.Bytes = c.BaseModel, c.Rank, int64(len(config)+len(weights))
	if !SameModel(c.BaseModel, s.Model) && !s.Force {
		return fmt.Errorf("%w: it names %q, want %q", ErrOtherBase, c.BaseModel, s.Model)
	}
	if s.Sites == nil {
		out.Pairs, err = readable(weights)
		return err
	}
	a, err := lora.Decode(config, weights, s.Sites)
	if err == nil {
		out.Pairs = len(a.Pairs)
	}
	return err
}

// readable returns how many pairs of tensors a file holds, all of which can be
// read. Which layers they are for is not known here.
func readable(weights []byte) (pairs int, err error) {
	f, err := safetensors.Parse(weights)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", lora.WeightsFile, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	partners := strings.NewReplacer(".lora_A.", ".lora_B.", ".lora_B.", ".lora_A.")
	for _, name := range f.Names() {
		partner := partners.Replace(name)
		if partner == name {
			return 0, fmt.Errorf("%s: tensor %.200q: neither a lora_A nor a lora_B", lora.WeightsFile, name)
		}
		if _, err := f.Tensor(partner); err != nil {
			return 0, fmt.Errorf("%s: tensor %.200q has no partner %.200q", lora.WeightsFile, name, partner)
		}
		if err := finite(f, name); err != nil {
			return 0, fmt.Errorf("%s: tensor %.200q: %w", lora.WeightsFile, name, err)
		}
	}
	if len(f.Names()) == 0 {
		return 0, fmt.Errorf("%s: no tensors: the adapter would do nothing", lora.WeightsFile)
	}
	return len(f.Names()) / 2, nil
}

// finite reads a tensor and returns an error if a number of it is not finite.
func finite(f *safetensors.File, name string) error {
	t, err := f.Tensor(name)
	if err != nil {
		return err
	}
	values, err := t.Float32s()
	for i, v := range values {
		if v-v != 0 { // infinite or not a number
			return fmt.Errorf("element %d is %v", i, v)
		}
	}
	return err
}

// SameModel reports whether two names stand for the same base model: an id of
// the hub, a folder of that name, a cache entry in which "--" stands for "/",
// or the cache's folder of one of its revisions.
func SameModel(a, b string) bool {
	key := func(s string) string {
		s, _ = base.SplitName(s)
		parts := strings.FieldsFunc(strings.ReplaceAll(s, `\`, "/"), func(r rune) bool { return r == '/' })
		if n := len(parts); n >= 3 && parts[n-2] == "snapshots" {
			parts = parts[:n-2]
		}
		if len(parts) == 0 {
			return ""
		}
		name := strings.ToLower(parts[len(parts)-1])
		if i := strings.LastIndex(name, "--"); i >= 0 {
			name = name[i+2:]
		}
		return name
	}
	return key(a) == key(b)
}

// publish puts the files on the volume.
func (s *SaveLora) publish(ctx context.Context, c *checkpoint, out *SavedLora) error {
	tree, err := c.release(ctx, s.Store)
	if err != nil {
		return err
	}
	v := store.Volume{Store: s.Store, Name: s.Volume}
	before, err := v.Tree(ctx, s.Dest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out.Replaced, out.Time = err == nil && !sameTree(before, tree), time.Now().UTC()
	return v.Publish(ctx, s.Dest, tree, store.Always)
}
