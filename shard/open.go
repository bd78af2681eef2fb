package shard

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"mole/vision"
)

// Set is an opened dataset. It is safe for concurrent use, Close excepted.
type Set struct {
	Meta Meta

	options vision.Options
	index   map[key]place
	images  []*lazy[pictures]
	splits  map[string]*Split
	held    *memory
}

// Split is one split of a Set.
type Split struct {
	Name   string
	set    *Set
	shards []*lazy[*samples]
	starts []int // number of the first sample of each shard, and of all samples
}

// Open opens the folder of a dataset. It reads the metadata and the index of
// the pictures; shards follow when they are needed. Each file is checked
// against its digest before its first use and refused with [ErrDamaged].
//
// Where fsys is a folder, or a stored tree whose store has local files, shards
// are mapped into memory; nobody may change them until Close. Elsewhere they
// are read whole, and 256 MiB of them are kept.
func Open(fsys fs.FS) (*Set, error) {
	m, err := readMeta(fsys)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open preprocessed dataset: %w: preprocess has not finished", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open preprocessed dataset: %w", err)
	}
	s := &Set{Meta: *m, splits: map[string]*Split{}, held: &memory{}}
	if err := s.open(fsys); err != nil {
		return nil, fmt.Errorf("open preprocessed dataset: %w", errors.Join(err, s.Close()))
	}
	return s, nil
}

func (s *Set) open(fsys fs.FS) (err error) {
	if s.options, err = s.Meta.ImagePolicy.Options(); err != nil {
		return fmt.Errorf("%s: image_policy: %w", metaFile, err)
	}
	files := s.Meta.filesOf(imageFolder)
	for _, f := range files {
		s.images = append(s.images, &lazy[pictures]{fsys: fsys, file: f, parse: parsePictures, held: s.held})
	}
	for _, m := range s.Meta.Splits {
		split := &Split{Name: m.Name, set: s, starts: []int{0}}
		n := 0
		for _, f := range s.Meta.filesOf(m.Name) {
			split.shards = append(split.shards, &lazy[*samples]{fsys: fsys, file: f, parse: parseSamples, held: s.held})
			n += f.Items
			split.starts = append(split.starts, n)
		}
		s.splits[m.Name] = split
	}
	return s.openIndex(fsys)
}

// openIndex reads the index of the pictures.
func (s *Set) openIndex(fsys fs.FS) error {
	i := slices.IndexFunc(s.Meta.Files, func(f File) bool { return f.Path == indexFile })
	if i < 0 {
		return fmt.Errorf("%s: files: no %s", metaFile, indexFile)
	}
	f, _, err := openShard(fsys, s.Meta.Files[i])
	if err != nil {
		return err
	}
	s.index, err = parseIndex(f, len(s.images), s.options.PatchSize*s.options.MergeSize)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", indexFile, err)
	}
	if n := len(s.index); n != s.Meta.Images.Distinct {
		return fmt.Errorf("%s: %d pictures, want %d as in %s", indexFile, n, s.Meta.Images.Distinct, metaFile)
	}
	return nil
}

// Close gives the memory of the shards back. Pictures must not be used
// afterwards.
func (s *Set) Close() error {
	var errs []error
	for _, l := range s.images {
		errs = append(errs, l.close())
	}
	for _, split := range s.splits {
		for _, l := range split.shards {
			errs = append(errs, l.close())
		}
	}
	return errors.Join(errs...)
}

// Vision returns how the pictures become patches.
func (s *Set) Vision() vision.Options { return s.options }

// Split returns the split of that name, or an error that lists those that
// there are.
func (s *Set) Split(name string) (*Split, error) {
	if split, ok := s.splits[name]; ok {
		return split, nil
	}
	var names []string
	for _, m := range s.Meta.Splits {
		names = append(names, m.Name)
	}
	return nil, fmt.Errorf("no split %q in the dataset %s; there are: %s", name, s.Meta.DatasetName, strings.Join(names, ", "))
}

// Image returns the picture with a digest, which Samples refer to. Its samples
// are read only, and valid until Close.
func (s *Set) Image(digest string) (*vision.Image, error) {
	k, p, err := s.find(digest)
	if err != nil {
		return nil, err
	}
	l := s.images[p.shard]
	all, err := l.get()
	if err != nil {
		return nil, err
	}
	im := all[k]
	if im == nil || im.H != p.h || im.W != p.w {
		return nil, fmt.Errorf("%s: picture %s is not there, or not of %dx%d pixels as in the index", l.file.Path, k, p.w, p.h)
	}
	return im, nil
}

// Patches returns the picture with a digest as the vision tower reads it.
func (s *Set) Patches(digest string) (*vision.Patches, error) {
	im, err := s.Image(digest)
	if err != nil {
		return nil, err
	}
	return vision.Patchify(im, s.options)
}

// Grid returns the size in patches of the picture with a digest. It reads no
// pixels.
func (s *Set) Grid(digest string) (vision.Grid, error) {
	_, p, err := s.find(digest)
	return vision.Grid{T: 1, H: p.h / s.options.PatchSize, W: p.w / s.options.PatchSize}, err
}

// find returns where a picture is.
func (s *Set) find(digest string) (key, place, error) {
	k, err := parseKey(digest)
	if err != nil {
		return k, place{}, err
	}
	p, ok := s.index[k]
	if !ok {
		return k, p, fmt.Errorf("no picture %s among the %d of the dataset", k, len(s.index))
	}
	return k, p, nil
}

// Images returns the digests of all pictures, sorted: an order in which each
// is met once.
func (s *Set) Images() []string {
	out := make([]string, 0, len(s.index))
	for k := range s.index {
		out = append(out, k.String())
	}
	slices.Sort(out)
	return out
}

// Len returns the number of samples.
func (s *Split) Len() int { return s.starts[len(s.starts)-1] }

// Sample returns sample i, 0 to Len()-1, which belongs to the caller.
func (s *Split) Sample(i int) (Sample, error) {
	if i < 0 || i >= s.Len() {
		return Sample{}, fmt.Errorf("split %s: sample %d of %d", s.Name, i, s.Len())
	}
	at, found := slices.BinarySearch(s.starts, i)
	if !found {
		at--
	}
	l := s.shards[at]
	all, err := l.get()
	if err != nil {
		return Sample{}, err
	}
	out, err := Sample{}, error(nil)
	if n := all.len(); n != l.file.Items {
		err = fmt.Errorf("%d samples, want %d as in %s", n, l.file.Items, metaFile)
	} else if out, err = all.sample(i - s.starts[at]); err == nil {
		_, _, err = s.set.find(out.Image)
	}
	if err != nil {
		return Sample{}, fmt.Errorf("%s: sample %d: %w", l.file.Path, i-s.starts[at], err)
	}
	return out, nil
}
