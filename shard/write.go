package shard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Write preprocesses a dataset into the folder dir: splits hold its records,
// images the files that they name. The folder is complete once Write returned
// without an error, and only then does [Open] take it. The same arguments give
// the same bytes, for any number of workers.
//
// After an interruption the same call continues: whole shards are kept. Where
// all is done it returns at once. A folder of other input or settings is
// refused with [ErrOther]. The error for images that are missing or not
// readable is an *[ImagesError]. Two calls must not write to one folder at a
// time; the caller sees to that.
func Write(ctx context.Context, dir string, images fs.FS, splits []Input, o Options) (*Meta, error) {
	o = o.withDefaults()
	m, err := write(ctx, dir, images, splits, &o)
	if err != nil {
		return nil, fmt.Errorf("preprocess to %s: %w", filepath.Clean(dir), err)
	}
	return m, nil
}

func write(ctx context.Context, dir string, images fs.FS, splits []Input, o *Options) (*Meta, error) {
	if err := o.check(splits); err != nil {
		return nil, err
	}
	identity, err := o.identity(splits)
	if err != nil {
		return nil, err
	}
	f, err := openFolder(dir, identity)
	if err != nil {
		return nil, err
	}
	if m, err := f.finished(); m != nil || err != nil {
		return m, err
	}
	if err := f.clean(); err != nil {
		return nil, err
	}
	w := &writer{folder: f, options: o, files: images, splits: splits, paths: map[string]int{}}
	if err := w.run(ctx); err != nil {
		return nil, err
	}
	return w.publish(ctx)
}

// finished returns the metadata if the folder is complete.
func (f *folder) finished() (*Meta, error) {
	m, err := readMeta(os.DirFS(f.dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case m.Identity != f.Identity:
		return nil, fmt.Errorf("%s: %w: identity %.12s, want %.12s", metaFile, ErrOther, m.Identity, f.Identity)
	}
	return m, f.removeManifest()
}

// writer is one call of Write.
type writer struct {
	*folder
	options *Options
	files   fs.FS // of the images
	splits  []Input

	names   []string       // paths of the images, in the order of their first records
	first   []string       // "train:3", the first record of each
	paths   map[string]int // index in names
	counts  []int          // records of each split
	images  []picture      // of each path
	stored  map[key]place  // of each distinct picture
	samples int            // records in all
}

// run writes all shards.
func (w *writer) run(ctx context.Context) error {
	if err := w.list(ctx); err != nil {
		return err
	}
	if err := w.writeImages(ctx); err != nil {
		return err
	}
	done := 0
	for i := range w.splits {
		if err := w.writeSplit(ctx, i, done); err != nil {
			return err
		}
		done += w.counts[i]
	}
	return nil
}

// list goes through all records for the images that they name, and looks
// whether these are there.
func (w *writer) list(ctx context.Context) error {
	w.counts = make([]int, len(w.splits))
	for i, s := range w.splits {
		for rec, err := range s.Records {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("split %s: %w", s.Name, err)
			}
			if _, ok := w.paths[rec.Image]; !ok {
				w.paths[rec.Image] = len(w.names)
				w.names = append(w.names, rec.Image)
				w.first = append(w.first, fmt.Sprintf("%s:%d", s.Name, rec.Line))
			}
			w.counts[i]++
			w.samples++
		}
	}
	problems := &ImagesError{Total: len(w.names)}
	for i, name := range w.names {
		if _, err := fs.Stat(w.files, name); err != nil {
			problems.add(name, w.first[i], err)
		}
	}
	return problems.orNil()
}

// publish counts what is in the shards, and writes the metadata.
func (w *writer) publish(ctx context.Context) (*Meta, error) {
	o := w.options
	m := &Meta{
		Version: Version, Identity: w.Identity, DatasetName: o.Dataset, ModelName: o.Model,
		Router: o.Router, RouterSHA256: o.routerHash(), ImagePolicy: PolicyOf(o.Vision),
		Tokenizer: o.Tokenizer, Processor: o.Processor, RUVersion: o.RUVersion,
	}
	if err := w.writeIndex(); err != nil {
		return nil, err
	}
	m.Files = slices.SortedFunc(slices.Values(w.Files), func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range m.Files {
		m.BytesTotal += f.Bytes
	}
	for i, s := range w.splits {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := w.countSplit(s.Name)
		if err != nil {
			return nil, err
		}
		if c.Samples != w.counts[i] {
			return nil, fmt.Errorf("split %s: %d samples in the shards of %d records", s.Name, c.Samples, w.counts[i])
		}
		m.Splits = append(m.Splits, c)
		m.count(c)
	}
	m.Images = w.countImages()
	return m, w.finish(m)
}

// count notes the samples of the splits that the metadata has fields for.
func (m *Meta) count(s SplitMeta) {
	switch s.Name {
	case "train":
		m.TrainSamples = s.Samples
	case "val":
		m.ValSamples = s.Samples
	case "test":
		m.TestSamples = s.Samples
	}
}
