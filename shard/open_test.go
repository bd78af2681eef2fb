package shard

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"mole/safetensors"
	"mole/vision"
)

// small is the files of a small dataset, written once.
var small = sync.OnceValues(func() (fstest.MapFS, error) {
	dir, err := os.MkdirTemp("", "shard")
	if err != nil {
		return nil, err
	}
	c := newCorpus(8)
	_, err = Write(context.Background(), dir, c.files, c.inputs(), testOptions())
	files := fstest.MapFS{}
	for _, pattern := range []string{"*", "*/*.safetensors"} {
		paths, _ := filepath.Glob(filepath.Join(dir, pattern)) // the patterns are well formed
		for _, path := range paths {
			name, _ := filepath.Rel(dir, path) // both begin with dir
			if data, err := os.ReadFile(path); err == nil {
				files[filepath.ToSlash(name)] = &fstest.MapFile{Data: data}
			}
		}
	}
	return files, errors.Join(err, os.RemoveAll(dir))
})

// written returns a copy of small.
func written(t testing.TB) fstest.MapFS {
	t.Helper()
	files, err := small()
	if err != nil {
		t.Fatal(err)
	}
	out := fstest.MapFS{}
	for name, f := range files {
		out[name] = &fstest.MapFile{Data: bytes.Clone(f.Data)}
	}
	return out
}

// readAll reads every sample and picture.
func readAll(fsys fs.FS) error {
	s, err := Open(fsys)
	if err != nil {
		return err
	}
	errs := []error{}
	for _, m := range s.Meta.Splits {
		split, err := s.Split(m.Name)
		if err != nil {
			return err
		}
		for i := range min(split.Len(), 100) {
			_, err := split.Sample(i)
			errs = append(errs, err)
		}
	}
	for _, digest := range s.Images() {
		_, err := s.Patches(digest)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, s.Close())...)
}

// TestDamage changes one byte of each shard.
func TestDamage(t *testing.T) {
	for name := range written(t) {
		if name == metaFile {
			continue
		}
		damaged := written(t)
		damaged[name].Data[len(damaged[name].Data)/2] ^= 1
		err := readAll(damaged)
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want ErrDamaged", name, err)
		}
		delete(damaged, name)
		if err := readAll(damaged); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want that it is missing", name, err)
		}
	}
}

// put replaces a file, with its entry in the metadata.
func put(t testing.TB, fsys fstest.MapFS, name string, data []byte) {
	t.Helper()
	var m Meta
	if err := json.Unmarshal(fsys[metaFile].Data, &m); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	m.BytesTotal = 0
	for i := range m.Files {
		f := &m.Files[i]
		if f.Path == name {
			f.SHA256, f.Bytes = hex.EncodeToString(sum[:]), int64(len(data))
		}
		m.BytesTotal += f.Bytes
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	fsys[metaFile] = &fstest.MapFile{Data: text}
	fsys[name] = &fstest.MapFile{Data: data}
}

// vector returns a tensor of one axis.
func vector(name string, t safetensors.DType, data ...byte) safetensors.Entry {
	return safetensors.Entry{Name: name, Tensor: safetensors.Tensor{DType: t, Shape: []int{len(data) / t.Size()}, Data: data}}
}

// TestHostileSamples puts shards in place that have the right digest.
func TestHostileSamples(t *testing.T) {
	long := func(v ...int) []byte {
		var b []byte
		for _, x := range v {
			b = appendInt64(b, x)
		}
		return b
	}
	notes := []byte(`{"id":"a","image":"b","path":"","line":1}`)
	tests := []struct {
		name                 string
		ids, labels, offsets []byte
		notes, noteOffsets   []byte
		want                 string
	}{
		{"labels", make([]byte, 8), make([]byte, 4), long(0, 2), notes, long(0, len(notes)), "1 labels for 2 tokens"},
		{"end", make([]byte, 8), make([]byte, 8), long(0, 3), notes, long(0, len(notes)), "number 1 is 3, want more than 0 and at most 2"},
		{"falling", make([]byte, 8), make([]byte, 8), long(0, 2, 1), notes, long(0, len(notes)), "number 2 is 1"},
		{"short", make([]byte, 8), make([]byte, 8), long(0, 1), notes, long(0, len(notes)), "2 numbers up to 1, want 2 or more from 0 to 2"},
		{"negative", make([]byte, 8), make([]byte, 8), long(-1, 2), notes, long(0, len(notes)), "number 0 is -1"},
		{"none", nil, nil, nil, nil, nil, "0 numbers"},
		{"counts", make([]byte, 8), make([]byte, 8), long(0, 1, 2), notes, long(0, len(notes)), "tokens of 2 samples, records of 1"},
		{"other count", make([]byte, 8), make([]byte, 8), long(0, 2), notes, long(0, len(notes)), "1 samples, want 8 as in metadata.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var file bytes.Buffer
			err := safetensors.Write(&file, []safetensors.Entry{
				vector(idsTensor, safetensors.I32, tt.ids...), vector(labelsTensor, safetensors.I32, tt.labels...),
				vector(offsetsTensor, safetensors.I64, tt.offsets...), vector(notesTensor, safetensors.U8, tt.notes...),
				vector(notesOffsets, safetensors.I64, tt.noteOffsets...),
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			fsys := written(t)
			put(t, fsys, "train/00000.safetensors", file.Bytes())
			err = readAll(fsys)
			checkErr(t, err, tt.want)
			checkErr(t, err, "train/00000.safetensors")
		})
	}
}

// TestHostileNotes puts records in place that lie in an otherwise sound shard.
func TestHostileNotes(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                  "sample 0: digest",
		`{"id":"a","x":1}`:                    "unknown field",
		`{} {}`:                               "more than one JSON value",
		`{`:                                   "record: unexpected EOF",
		`{"image":"` + zeros + `"}`:           "no picture 0000",
		`{"image":"` + zeros + `00"}`:         "want 64 lower-case",
		`{"image":"` + "F" + zeros[1:] + `"}`: "want 64 lower-case",
	} {
		s := &samples{notes: []byte(text), noteOffsets: []int{0, len(text)}, offsets: []int{0, 1}, ids: make([]byte, 4), labels: make([]byte, 4)}
		set := &Set{}
		split := &Split{set: set, starts: []int{0, 1}}
		l := &lazy[*samples]{file: File{Path: "x", Items: 1}}
		l.content.Store(&content[*samples]{parsed: s})
		split.shards = []*lazy[*samples]{l}
		_, err := split.Sample(0)
		checkErr(t, err, want)
	}
}

var zeros = strings.Repeat("0", 64)

// TestHostilePictures puts shards of pictures in place that have the right
// digest.
func TestHostilePictures(t *testing.T) {
	for _, tt := range []struct {
		name  string
		t     safetensors.DType
		shape []int
		want  string
	}{
		{"x", safetensors.U8, []int{1, 1, 3}, "digest \"x\""},
		{zeros, safetensors.U8, []int{1, 1, 4}, "want U8 [H, W, 3]"},
		{zeros, safetensors.I8, []int{1, 1, 3}, "want U8 [H, W, 3]"},
		{zeros, safetensors.U8, []int{0, 1, 3}, "want U8 [H, W, 3]"},
		{zeros, safetensors.U8, []int{3}, "want U8 [H, W, 3]"},
		{zeros, safetensors.U8, []int{1, 1, 3}, "no tensor \"" + zeros + coloursSuffix},
		{zeros + coloursSuffix, safetensors.F32, []int{0}, "is not there, or not of"},
	} {
		n := 1
		for _, e := range tt.shape {
			n *= e
		}
		var file bytes.Buffer
		err := safetensors.Write(&file, []safetensors.Entry{{Name: tt.name, Tensor: safetensors.Tensor{DType: tt.t, Shape: tt.shape, Data: make([]byte, n)}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		fsys := written(t)
		put(t, fsys, "images/00000.safetensors", file.Bytes())
		checkErr(t, readAll(fsys), tt.want)
	}
}

func TestHostileMeta(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{`"version": 2`, `"version": 1`, "version 1, want 2: preprocess the dataset again"},
		{`"version": 2,`, `"version": 2, "y": 1,`, "unknown field"},
		{`"bytes_total": `, `"bytes_total": 1`, "the sum of files"},
		{`"path": "val/00000`, `"path": "val/00001`, "or not the next one"},
		{`"path": "val/00000`, `"path": "wal/00000`, "split val: 2 samples, but files hold 0"},
		{`"path": "val/00000`, `"path": "../00000`, "is no file with digest and size"},
		{`"path": "images/index`, `"path": "images/00009`, "or not the next one"},
		{`"patch_size": 16`, `"patch_size": 0`, "patch size 0"},
		{"\"bicubic-torchvision\"\n  },", "\"x\"\n  },", "image_policy: resample \"x\""},
		{`"name": "val"`, `"name": "train"`, "split train"},
		{`"name": "val"`, `"name": "images"`, `not "images"`},
		{`"distinct": `, `"distinct": 1`, "pictures, want 1"},
	} {
		fsys := written(t)
		text := strings.Replace(string(fsys[metaFile].Data), tt.old, tt.new, 1)
		if text == string(fsys[metaFile].Data) {
			t.Fatalf("no %q in %s", tt.old, text)
		}
		fsys[metaFile].Data = []byte(text)
		checkErr(t, readAll(fsys), tt.want)
	}
}

// FuzzMeta checks that no metadata makes Open panic.
func FuzzMeta(f *testing.F) {
	fsys := written(f)
	f.Add(fsys[metaFile].Data)
	f.Fuzz(func(_ *testing.T, text []byte) {
		fsys[metaFile] = &fstest.MapFile{Data: text}
		_ = readAll(fsys) // an error is fine
	})
}

// FuzzShards checks that no shard makes a reader panic, whatever kind it should
// be of.
func FuzzShards(f *testing.F) {
	for _, file := range written(f) {
		f.Add(file.Data)
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		file, err := safetensors.Parse(data)
		if err != nil {
			return
		}
		if s, err := parseSamples(file); err == nil {
			for i := range s.len() {
				_, _ = s.sample(i) // an error is fine
			}
		}
		if p, err := parseFeatures(file); err == nil {
			for _, c := range p {
				_, _ = c.load() // likewise
			}
		}
		_, _ = parsePictures(file)      // likewise
		_, _ = parseIndex(file, 10, 32) // likewise
	})
}

// TestHostileColours puts colours of a wrong kind beside a picture.
func TestHostileColours(t *testing.T) {
	for _, tt := range []struct {
		t     safetensors.DType
		shape []int
	}{
		{safetensors.U8, []int{vision.ColourBins}},
		{safetensors.F32, []int{vision.ColourBins - 1}},
		{safetensors.F32, []int{1, vision.ColourBins}},
	} {
		size := map[safetensors.DType]int{safetensors.U8: 1, safetensors.F32: 4}[tt.t]
		for _, n := range tt.shape {
			size *= n
		}
		var file bytes.Buffer
		err := safetensors.Write(&file, []safetensors.Entry{
			{Name: zeros, Tensor: safetensors.Tensor{DType: safetensors.U8, Shape: []int{1, 1, 3}, Data: make([]byte, 3)}},
			{Name: zeros + coloursSuffix, Tensor: safetensors.Tensor{DType: tt.t, Shape: tt.shape, Data: make([]byte, size)}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		fsys := written(t)
		put(t, fsys, "images/00000.safetensors", file.Bytes())
		checkErr(t, readAll(fsys), "want F32 [4096]")
	}
}
