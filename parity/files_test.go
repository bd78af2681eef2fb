package parity

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"mole/safetensors"
)

// load copies a recorded case, so that a test can damage it.
func load(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	root := os.DirFS("testdata/" + name)
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, path)
		files[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// check runs one case.
func check(t testing.TB, files fs.FS, o Options) *Result {
	t.Helper()
	r, err := Run(t.Context(), []Case{{Name: "case", Files: files}}, o)
	if err != nil {
		t.Fatal(err)
	}
	return r.Results[0]
}

// editJSON replaces a file by what edit makes of its contents.
func editJSON(t testing.TB, files fstest.MapFS, name string, edit func(v any) any) {
	t.Helper()
	var v any
	if err := json.Unmarshal(files[name].Data, &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(edit(v))
	if err != nil {
		t.Fatal(err)
	}
	files[name] = &fstest.MapFile{Data: data}
}

// set puts value at a path of keys and indices: "steps 3 loss". A path that
// does not exist so far is made, a nil value removes the key.
func set(t testing.TB, files fstest.MapFS, path string, value any) {
	t.Helper()
	editJSON(t, files, metaFile, func(v any) any {
		at := v
		keys := strings.Fields(path)
		for _, key := range keys[:len(keys)-1] {
			at = child(t, at, key)
		}
		last := keys[len(keys)-1]
		switch at := at.(type) {
		case map[string]any:
			at[last] = value
			if value == nil {
				delete(at, last)
			}
		case []any:
			at[index(t, last)] = value
		default:
			t.Fatalf("%s: not in an object or list", path)
		}
		return v
	})
}

func child(t testing.TB, v any, key string) any {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		return v[key]
	case []any:
		return v[index(t, key)]
	}
	t.Fatalf("%s: not in an object or list", key)
	return nil
}

func index(t testing.TB, s string) int {
	t.Helper()
	i, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// perturb changes every number, truth value and digest of v at whose path
// change reports true, each by an amount of its own.
func perturb(v any, path string, change func(path string) bool) any {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			v[key] = perturb(e, path+" "+key, change)
		}
		return v
	case []any:
		for i, e := range v {
			v[i] = perturb(e, path+" "+strconv.Itoa(i), change)
		}
		return v
	}
	if !change(strings.TrimSpace(path)) {
		return v
	}
	return perturbLeaf(v, path)
}

func perturbLeaf(v any, path string) any {
	switch v := v.(type) {
	case bool:
		return !v
	case string:
		if len(v) == 64 {
			return strings.Repeat("0", 64) // a digest that nothing has
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e9 {
			return v + 1
		}
		h := fnv.New64a()
		h.Write([]byte(path))
		return v*(1.02+0.001*float64(h.Sum64()%80)) + 0.1
	}
	return v
}

// editArrays replaces a file of tensors by what edit makes of each of them; a
// tensor that it returns without type is left out.
func editArrays(t testing.TB, files fstest.MapFS, name string, edit func(e safetensors.Entry) safetensors.Entry) {
	t.Helper()
	file, err := safetensors.Parse(files[name].Data)
	if err != nil {
		t.Fatal(err)
	}
	var entries []safetensors.Entry
	for _, key := range file.Names() {
		tensor, err := file.Tensor(key)
		if err != nil {
			t.Fatal(err)
		}
		tensor.Data = bytes.Clone(tensor.Data)
		if e := edit(safetensors.Entry{Name: key, Tensor: tensor}); e.Tensor.DType != "" {
			entries = append(entries, e)
		}
	}
	writeArrays(t, files, name, entries)
}

func writeArrays(t testing.TB, files fstest.MapFS, name string, entries []safetensors.Entry) {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Write(&b, entries, nil); err != nil {
		t.Fatal(err)
	}
	files[name] = &fstest.MapFile{Data: b.Bytes()}
}

// only returns an edit of the tensor of one name.
func only(name string, edit func(e safetensors.Entry) safetensors.Entry) func(safetensors.Entry) safetensors.Entry {
	return func(e safetensors.Entry) safetensors.Entry {
		if e.Name == name {
			return edit(e)
		}
		return e
	}
}

// subtle is a relative error a little above the largest tolerance of float32.
const subtle = 3e-4

// nudge moves one element of each row of a tensor, so that the row has the
// relative error subtle; integers change by one.
func nudge(e safetensors.Entry) safetensors.Entry {
	t := e.Tensor
	width := t.Shape[len(t.Shape)-1]
	for row := range t.Len() / width {
		at := row*width + row%width
		switch t.DType {
		case safetensors.I64:
			n := binary.LittleEndian.Uint64(t.Data[8*at:])
			binary.LittleEndian.PutUint64(t.Data[8*at:], n+1)
		case safetensors.F64:
			x := math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*at:]))
			binary.LittleEndian.PutUint64(t.Data[8*at:], math.Float64bits(x+subtle*rowNorm(t, row, width)))
		case safetensors.F32:
			x := math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*at:]))
			y := float64(x) + subtle*rowNorm(t, row, width)
			binary.LittleEndian.PutUint32(t.Data[4*at:], math.Float32bits(float32(y)))
		}
	}
	return e
}

func rowNorm(t safetensors.Tensor, row, width int) float64 {
	v, err := t.Float64s()
	if err != nil {
		panic(err) // the type was just looked at
	}
	return length(v[row*width:][:width])
}
