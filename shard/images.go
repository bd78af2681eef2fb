package shard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // formats whose header tells how much memory a decoding takes
	_ "image/png"
	"io"
	"io/fs"
	"iter"

	_ "golang.org/x/image/webp" // likewise

	"mole/safetensors"
	"mole/vision"
)

// maxPictures bounds the pictures of a shard, so that its header stays small.
const maxPictures = 1 << 15

// picture identifies the picture that a file became.
type picture struct {
	key  key
	h, w int
}

// place says where a distinct picture is stored.
type place struct {
	shard int
	h, w  int
}

// origin is an entry of the metadata "sources" of a shard of pictures: a file,
// and the picture that it became, which is in this shard or in an earlier one.
type origin struct {
	Path  string `json:"path"`
	Image string `json:"image"`
}

// coloursSuffix ends the name of the tensor with a picture's colours before the
// resize.
const coloursSuffix = ".colours"

// sourcesKey names the metadata with the origins.
const sourcesKey = "sources"

// decoded is what became of one file.
type decoded struct {
	*vision.Image
	key  key
	held int64 // of the budget
	err  error
}

// imageShard is the shard at hand.
type imageShard struct {
	entries []safetensors.Entry
	sources []origin
	bytes   int64
	number  int
}

// writeImages stores the picture of every path.
func (w *writer) writeImages(ctx context.Context) error {
	w.stored = map[key]place{}
	w.keepImages()
	s := &imageShard{number: len(w.of(imageFolder))}
	// The shard at hand and the pictures in flight share the memory.
	b := newBudget(w.options.Memory - w.options.ShardBytes)
	problems := &ImagesError{Total: len(w.names)}
	progress := Progress{Phase: "images", Done: len(w.images), Total: len(w.names)}
	for _, p := range w.stored {
		progress.Bytes += int64(p.h) * int64(p.w) * channels
	}
	w.options.Progress(progress)
	take := func(d decoded) error {
		defer b.release(d.held)
		i := len(w.images)
		if d.err != nil {
			problems.add(w.names[i], w.first[i], d.err)
			w.images = append(w.images, picture{})
			return nil
		}
		w.images = append(w.images, picture{d.key, d.H, d.W})
		progress.Done++
		if problems.Count > 0 {
			return nil // the rest is only looked at
		}
		n, err := w.addImage(s, w.names[i], d)
		progress.Bytes += n
		w.options.Progress(progress)
		return err
	}
	if err := ordered(ctx, w.options.Workers, w.imageJobs(b), w.decode, take); err != nil {
		return err
	}
	if err := problems.orNil(); err != nil {
		return err
	}
	return w.flushImages(s)
}

// imageJob is a file to decode.
type imageJob struct {
	name string
	held int64 // of the budget
	b    *budget
}

// imageJobs yields the files that are not stored yet, each with room in the
// budget for its decoding.
func (w *writer) imageJobs(b *budget) func(context.Context) iter.Seq[imageJob] {
	rest := w.names[len(w.images):]
	return func(ctx context.Context) iter.Seq[imageJob] {
		return func(yield func(imageJob) bool) {
			for _, name := range rest {
				held := b.acquire(ctx, w.decodingBytes(name))
				if held == 0 || !yield(imageJob{name, held, b}) {
					return
				}
			}
		}
	}
}

// decodingBytes estimates the memory that it takes to decode a file: its bytes,
// its pixels in two or three forms. Where it cannot tell, the decoder will say
// what is wrong.
func (w *writer) decodingBytes(name string) int64 {
	f, err := w.files.Open(name)
	if err != nil {
		return 1
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return 1
	}
	config, _, err := image.DecodeConfig(f)
	if err != nil {
		return info.Size()
	}
	const perPixel = 12
	return info.Size() + perPixel*int64(config.Width)*int64(config.Height)
}

// decode makes the picture of one file. Of the budget it keeps what the picture
// takes.
func (w *writer) decode(j imageJob) decoded {
	im, err := readPicture(w.files, j.name, w.options.Vision)
	d := decoded{Image: im, err: err}
	if err == nil {
		d.key = keyOf(im)
		d.held = min(j.held, int64(len(im.RGB)+4*len(im.Colours)))
	}
	j.b.release(j.held - d.held)
	return d
}

// maxImageFile is the largest file of an image, in bytes.
const maxImageFile = 512 << 20

// readPicture decodes a file and brings it to the size that the network sees.
func readPicture(fsys fs.FS, name string, o vision.Options) (_ *vision.Image, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var data bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Size() <= maxImageFile {
		data.Grow(int(info.Size()) + bytes.MinRead)
	}
	if n, err := data.ReadFrom(io.LimitReader(f, maxImageFile+1)); err != nil {
		return nil, err
	} else if n > maxImageFile {
		return nil, fmt.Errorf("larger than %d bytes", maxImageFile)
	}
	return vision.Read(data.Bytes(), vision.Decoding{}, o)
}

// addImage adds the picture of a path to the shard at hand, if it is new, and
// writes the shard when it is full. It returns the bytes of a new picture.
func (w *writer) addImage(s *imageShard, name string, d decoded) (int64, error) {
	o := origin{name, d.key.String()}
	if _, ok := w.stored[d.key]; ok {
		s.sources = append(s.sources, o)
		return 0, nil
	}
	n := int64(len(d.RGB))
	if s.full(n, w.options.ShardBytes) {
		if err := w.flushImages(s); err != nil {
			return 0, err
		}
	}
	t := safetensors.Tensor{DType: safetensors.U8, Shape: []int{d.H, d.W, channels}, Data: d.RGB}
	s.entries = append(s.entries, safetensors.Entry{Name: o.Image, Tensor: t},
		safetensors.Entry{Name: o.Image + coloursSuffix, Tensor: safetensors.FromFloat32s([]int{len(d.Colours)}, d.Colours)})
	s.sources = append(s.sources, o)
	s.bytes += n + 4*int64(len(d.Colours))
	w.stored[d.key] = place{s.number, d.H, d.W}
	return n, nil
}

// full reports whether a picture of n bytes belongs into the next shard.
func (s *imageShard) full(n, limit int64) bool {
	return len(s.entries) == 2*maxPictures || len(s.entries) > 0 && s.bytes+n > limit
}

// flushImages writes the shard at hand, if it has anything, and begins the next.
func (w *writer) flushImages(s *imageShard) error {
	if len(s.sources) == 0 {
		return nil
	}
	sources, err := json.Marshal(s.sources)
	if err != nil {
		return err
	}
	err = w.write(shardPath(imageFolder, s.number), s.entries, map[string]string{sourcesKey: string(sources)}, len(s.entries)/2)
	*s = imageShard{number: s.number + 1}
	return err
}

// keepImages takes over the shards of an earlier call. From the first one that
// is not as it was, or not of these paths, all are made anew.
func (w *writer) keepImages() {
	for i, file := range w.of(imageFolder) {
		if file.Path != shardPath(imageFolder, i) || w.keepShard(i, file) != nil {
			w.drop(imageFolder, i)
			return
		}
	}
}

// keepShard takes over one shard, or gives an error without having changed
// anything.
func (w *writer) keepShard(number int, file File) error {
	f, err := w.read(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // nothing of it is kept
	all, err := parsePictures(f)
	if err != nil {
		return err
	}
	var sources []origin
	if err := json.Unmarshal([]byte(f.Metadata()[sourcesKey]), &sources); err != nil {
		return err
	}
	images := make([]picture, len(sources))
	for i, s := range sources {
		if images[i], err = w.keepImage(len(w.images)+i, s, all); err != nil {
			return fmt.Errorf("%s: %w", file.Path, err)
		}
	}
	for k, im := range all {
		w.stored[k] = place{number, im.H, im.W}
	}
	w.images = append(w.images, images...)
	return nil
}

// keepImage returns the picture of path number at, which is in the given shard
// or in one that was taken over before.
func (w *writer) keepImage(at int, s origin, shard pictures) (picture, error) {
	if at >= len(w.names) || w.names[at] != s.Path {
		return picture{}, fmt.Errorf("image %s: %w", s.Path, ErrOther)
	}
	k, err := parseKey(s.Image)
	if err != nil {
		return picture{}, err
	}
	if p, ok := w.stored[k]; ok {
		return picture{k, p.h, p.w}, nil
	}
	im, ok := shard[k]
	if !ok {
		return picture{}, fmt.Errorf("image %s: %w: no picture %s", s.Path, ErrDamaged, k)
	}
	return picture{k, im.H, im.W}, nil
}
