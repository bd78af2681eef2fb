package shard

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"mole/safetensors"
	"mole/vision"
)

// Sample is one preprocessed record.
type Sample struct {
	ID         string
	Tokens     []int32
	Labels     []int32 // [len(Tokens)], batch.Ignore where nothing is supervised
	Image      string  // digest of the picture; see ImageDigest
	Path       string  // of the image file that the record names
	Line       int     // of the record in its file
	Adapter    string  // of routing sets: the expert
	Label      int     // and its label; -1 elsewhere
	TaskType   string
	SplitGroup string
}

// pictures is the content of a shard of pictures. The samples alias the file's
// memory.
type pictures map[key]*vision.Image

// parsePictures checks and returns the pictures of a shard.
func parsePictures(f *safetensors.File) (pictures, error) {
	out := pictures{}
	for _, name := range f.Names() {
		if strings.HasSuffix(name, coloursSuffix) {
			continue // part of another
		}
		k, err := parseKey(name)
		if err != nil {
			return nil, err
		}
		if out[k], err = parsePicture(f, name); err != nil {
			return nil, fmt.Errorf("picture %s: %w", name, err)
		}
	}
	return out, nil
}

// parsePicture checks and returns one picture.
func parsePicture(f *safetensors.File, name string) (im *vision.Image, err error) {
	t, err := f.Tensor(name)
	if err != nil {
		return nil, err
	}
	s := t.Shape
	if t.DType != safetensors.U8 || len(s) != 3 || s[2] != channels || s[0] < 1 || s[1] < 1 {
		return nil, fmt.Errorf("%s %v, want U8 [H, W, %d]", t.DType, s, channels)
	}
	im = &vision.Image{H: s[0], W: s[1], RGB: t.Data}
	im.Colours, err = parseColours(f, name)
	return im, err
}

// parseColours checks and returns the colours of a picture before the resize.
func parseColours(f *safetensors.File, picture string) ([]float32, error) {
	t, err := f.Tensor(picture + coloursSuffix)
	if err != nil {
		return nil, err
	}
	if t.DType != safetensors.F32 || len(t.Shape) != 1 || t.Shape[0] != vision.ColourBins {
		return nil, fmt.Errorf("colours: %s %v, want F32 [%d]", t.DType, t.Shape, vision.ColourBins)
	}
	return t.Float32s()
}

// samples is the content of a shard of samples. It aliases the file's memory.
type samples struct {
	ids, labels, notes   []byte
	offsets, noteOffsets []int
}

// len returns the number of samples.
func (s *samples) len() int { return len(s.offsets) - 1 }

// parseSamples checks and returns the samples of a shard.
func parseSamples(f *safetensors.File) (*samples, error) {
	s := &samples{}
	var offsets, noteOffsets []byte
	for _, v := range []struct {
		name string
		t    safetensors.DType
		to   *[]byte
	}{
		{idsTensor, safetensors.I32, &s.ids},
		{labelsTensor, safetensors.I32, &s.labels},
		{offsetsTensor, safetensors.I64, &offsets},
		{notesTensor, safetensors.U8, &s.notes},
		{notesOffsets, safetensors.I64, &noteOffsets},
	} {
		t, err := f.Tensor(v.name)
		if err != nil {
			return nil, err
		}
		if t.DType != v.t || len(t.Shape) != 1 {
			return nil, fmt.Errorf("tensor %s: %s %v, want %s of one axis", v.name, t.DType, t.Shape, v.t)
		}
		*v.to = t.Data
	}
	if len(s.labels) != len(s.ids) {
		return nil, fmt.Errorf("%d labels for %d tokens", len(s.labels)/4, len(s.ids)/4)
	}
	var err error
	if s.offsets, err = parseOffsets(offsetsTensor, offsets, len(s.ids)/4); err != nil {
		return nil, err
	}
	if s.noteOffsets, err = parseOffsets(notesOffsets, noteOffsets, len(s.notes)); err != nil {
		return nil, err
	}
	if len(s.offsets) != len(s.noteOffsets) {
		return nil, fmt.Errorf("tokens of %d samples, records of %d", len(s.offsets)-1, len(s.noteOffsets)-1)
	}
	return s, nil
}

// parseOffsets reads numbers that rise from 0 to end.
func parseOffsets(name string, data []byte, end int) ([]int, error) {
	out := make([]int, len(data)/8)
	last := int64(-1)
	for i := range out {
		v := int64(binary.LittleEndian.Uint64(data[8*i:]))
		if v <= last || v > int64(end) {
			return nil, fmt.Errorf("tensor %s: number %d is %d, want more than %d and at most %d", name, i, v, last, end)
		}
		out[i], last = int(v), v
	}
	if len(out) < 2 || out[0] != 0 || last != int64(end) {
		return nil, fmt.Errorf("tensor %s: %d numbers up to %d, want 2 or more from 0 to %d", name, len(out), last, end)
	}
	return out, nil
}

// sample returns sample i.
func (s *samples) sample(i int) (Sample, error) {
	var n note
	d := json.NewDecoder(bytes.NewReader(s.notes[s.noteOffsets[i]:s.noteOffsets[i+1]]))
	d.DisallowUnknownFields()
	if err := d.Decode(&n); err != nil {
		return Sample{}, fmt.Errorf("record: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Sample{}, errors.New("record: more than one JSON value")
	}
	out := Sample{
		ID: n.ID, Image: n.Image, Path: n.Path, Line: n.Line, Adapter: n.Adapter, Label: -1,
		TaskType: n.TaskType, SplitGroup: n.SplitGroup,
		Tokens: ints(s.ids, s.offsets[i], s.offsets[i+1]),
		Labels: ints(s.labels, s.offsets[i], s.offsets[i+1]),
	}
	if n.Label != nil {
		out.Label = *n.Label
	}
	return out, nil
}

// ints returns numbers begin to end of I32 data.
func ints(data []byte, begin, end int) []int32 {
	out := make([]int32, end-begin)
	for i := range out {
		out[i] = int32(binary.LittleEndian.Uint32(data[4*(begin+i):]))
	}
	return out
}
