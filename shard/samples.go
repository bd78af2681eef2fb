package shard

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"mole/batch"
	"mole/safetensors"
	"mole/vision"
)

// maxSamples bounds the samples of a shard.
const maxSamples = 1 << 13

// Tensors of a shard of n samples with T tokens together.
const (
	idsTensor     = "input_ids"      // I32 [T]
	labelsTensor  = "labels"         // I32 [T]
	offsetsTensor = "offsets"        // I64 [n+1], of the samples in the two above
	notesTensor   = "records"        // U8: a JSON object for each sample
	notesOffsets  = "record_offsets" // I64 [n+1]
)

// note is what a shard holds of a sample beside its tokens.
type note struct {
	ID         string `json:"id"`
	Image      string `json:"image"` // digest of the picture
	Path       string `json:"path"`  // of its file
	Line       int    `json:"line"`
	Adapter    string `json:"adapter,omitempty"`
	Label      *int   `json:"label,omitempty"`
	TaskType   string `json:"task_type,omitempty"`
	SplitGroup string `json:"split_group,omitempty"`
}

// built is a sample on its way into a shard.
type built struct {
	note   []byte // as JSON
	ids    []int32
	labels []int32
	err    error
}

// sampleShard is the shard at hand.
type sampleShard struct {
	ids, labels, offsets, notes, noteOffsets []byte // little-endian
	samples, number                          int
}

// writeSplit writes the samples of split i. done is how many samples came
// before it.
func (w *writer) writeSplit(ctx context.Context, i, done int) error {
	in := w.splits[i]
	kept := w.keepSamples(in.Name)
	s := &sampleShard{number: len(w.of(in.Name))}
	progress := Progress{Phase: "samples", Done: done + kept, Total: w.samples}
	w.options.Progress(progress)
	take := func(b built) error {
		if b.err != nil {
			return b.err
		}
		if s.full(b, w.options.ShardBytes) {
			if err := w.flushSamples(in.Name, s); err != nil {
				return err
			}
		}
		s.add(b)
		progress.Done++
		progress.Bytes += tokenBytes(b)
		w.options.Progress(progress)
		return nil
	}
	var broken error
	rest := func(context.Context) iter.Seq[Source] { return skip(in.Records, kept, &broken) }
	build := func(rec Source) built { return w.build(in.Name, rec) }
	if err := ordered(ctx, w.options.Workers, rest, build, take); err != nil {
		return err
	}
	if broken != nil {
		return fmt.Errorf("split %s: %w", in.Name, broken)
	}
	if got := progress.Done - done; got != w.counts[i] {
		return fmt.Errorf("split %s: %d records, %d a moment before: somebody changes the dataset", in.Name, got, w.counts[i])
	}
	return w.flushSamples(in.Name, s)
}

// skip yields the records from number n on. An error, which ends them, goes to
// broken.
func skip(records iter.Seq2[Source, error], n int, broken *error) iter.Seq[Source] {
	return func(yield func(Source) bool) {
		i := 0
		for rec, err := range records {
			if err != nil {
				*broken = err
				return
			}
			if i++; i > n && !yield(rec) {
				return
			}
		}
	}
}

// keepSamples takes over the shards of a split that an earlier call wrote, up
// to the first that is not as it was, and returns how many samples they hold.
func (w *writer) keepSamples(split string) int {
	n := 0
	for i, file := range w.of(split) {
		if file.Path != shardPath(split, i) || !w.sound(file) {
			w.drop(split, i)
			break
		}
		n += file.Items
	}
	return n
}

// sound reports whether a shard of samples is as it was written.
func (w *writer) sound(file File) bool {
	f, err := w.read(file)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // nothing of it is kept
	s, err := parseSamples(f)
	return err == nil && s.len() == file.Items
}

// build makes the sample of a record.
func (w *writer) build(split string, rec Source) built {
	b, err := w.tryBuild(rec)
	if err != nil {
		b.err = fmt.Errorf("%s:%d: record %s: %w", split, rec.Line, rec.ID, err)
	}
	return b
}

func (w *writer) tryBuild(rec Source) (b built, err error) {
	at, ok := w.paths[rec.Image]
	if !ok {
		return b, fmt.Errorf("image %q was not there a moment before: somebody changes the dataset", rec.Image)
	}
	p, o := w.images[at], w.options
	if err := o.checkLabel(rec); err != nil {
		return b, err
	}
	im := &vision.Patches{Grid: vision.Grid{T: 1, H: p.h / o.Vision.PatchSize, W: p.w / o.Vision.PatchSize}}
	ex, err := o.Build(&rec.Record, im)
	if err != nil {
		return b, err
	}
	if err := o.checkExample(ex, im); err != nil {
		return b, err
	}
	b.ids, b.labels = ex.Tokens, ex.Labels
	b.note, err = json.Marshal(note{
		ID: rec.ID, Image: p.key.String(), Path: rec.Image, Line: rec.Line, Adapter: rec.Metadata.Adapter,
		Label: rec.Metadata.Label, TaskType: rec.Metadata.TaskType, SplitGroup: rec.Metadata.SplitGroup,
	})
	return b, err
}

// checkLabel refuses a record of a routing set whose label is not the one of
// its expert.
func (o *Options) checkLabel(rec Source) error {
	if o.Router == nil {
		return nil
	}
	m := rec.Metadata
	if m.Label == nil {
		return errors.New("metadata.label is missing, and the set is for routing")
	}
	want, ok := o.Router.Labels[m.Adapter]
	switch {
	case !ok:
		return fmt.Errorf("metadata.adapter %q is not in the router specification", m.Adapter)
	case *m.Label != want:
		return fmt.Errorf("metadata.label is %d, want %d, the label of %s", *m.Label, want, m.Adapter)
	}
	return nil
}

// checkExample refuses what a trainer could not use: see specification mole 7.6.
func (o *Options) checkExample(ex batch.Example, im *vision.Patches) error {
	if n := len(ex.Tokens); n > o.MaxTokens {
		return fmt.Errorf("%d tokens, want at most %d", n, o.MaxTokens)
	}
	if len(ex.Labels) != len(ex.Tokens) {
		return fmt.Errorf("%d labels for %d tokens", len(ex.Labels), len(ex.Tokens))
	}
	if len(ex.Images) != 1 || ex.Images[0] != im {
		return fmt.Errorf("%d images, want the one of the record", len(ex.Images))
	}
	if ex.Weight != 0 {
		return fmt.Errorf("weight %v, want none: it is not stored", ex.Weight)
	}
	b, err := batch.Pack(o.Layout, []batch.Example{ex})
	if err == nil && len(b.Labels) == 0 {
		err = errors.New("no supervised token")
	}
	return err
}

// tokenBytes returns what the tokens of b take in a shard.
func tokenBytes(b built) int64 { return int64(len(b.ids)+len(b.labels)) * 4 }

// full reports whether b belongs into the next shard.
func (s *sampleShard) full(b built, limit int64) bool {
	size := int64(len(s.ids)+len(s.labels)+len(s.notes)+len(b.note)) + tokenBytes(b)
	return s.samples == maxSamples || s.samples > 0 && size > limit
}

// add appends a sample.
func (s *sampleShard) add(b built) {
	if s.samples == 0 {
		s.offsets = appendInt64(nil, 0)
		s.noteOffsets = appendInt64(nil, 0)
	}
	s.ids = appendInts(s.ids, b.ids)
	s.labels = appendInts(s.labels, b.labels)
	s.notes = append(s.notes, b.note...)
	s.samples++
	s.offsets = appendInt64(s.offsets, len(s.ids)/4)
	s.noteOffsets = appendInt64(s.noteOffsets, len(s.notes))
}

// flushSamples writes the shard at hand, if it has anything, and begins the
// next.
func (w *writer) flushSamples(split string, s *sampleShard) error {
	if s.samples == 0 {
		return nil
	}
	vector := func(name string, t safetensors.DType, data []byte) safetensors.Entry {
		return safetensors.Entry{Name: name, Tensor: safetensors.Tensor{DType: t, Shape: []int{len(data) / t.Size()}, Data: data}}
	}
	err := w.write(shardPath(split, s.number), []safetensors.Entry{
		vector(idsTensor, safetensors.I32, s.ids),
		vector(labelsTensor, safetensors.I32, s.labels),
		vector(offsetsTensor, safetensors.I64, s.offsets),
		vector(notesTensor, safetensors.U8, s.notes),
		vector(notesOffsets, safetensors.I64, s.noteOffsets),
	}, nil, s.samples)
	*s = sampleShard{number: s.number + 1}
	return err
}

// appendInts appends numbers as I32.
func appendInts(b []byte, v []int32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return b
}

// appendInt64 appends a number as I64.
func appendInt64(b []byte, v int) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) }
