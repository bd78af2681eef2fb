package safetensors

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// list returns the names in a folder.
func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.safetensors")
	for _, want := range []float32{1, 2} { // the second replaces the first
		if err := WriteFile(path, []Entry{{"x", FromFloat32s(nil, []float32{want})}}, nil); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		x, _ := f.Tensor("x")
		got, err := x.Float32s()
		compare(t, got, []float32{want}, err)
		checkErr(t, f.Close(), "")
	}
	if got, want := list(t, dir), []string{"x.safetensors"}; !slices.Equal(got, want) {
		t.Errorf("got files %v, want %v", got, want)
	}
}

// TestWriteFileFails checks that an error leaves the old file and nothing else.
func TestWriteFileFails(t *testing.T) {
	dir := folder(t, map[string]string{"x": "old"})
	checkErr(t, WriteFile(filepath.Join(dir, "x"), []Entry{{"y", Tensor{"F7", nil, nil}}}, nil), `x: tensor "y": unknown dtype`)
	if got, _ := os.ReadFile(filepath.Join(dir, "x")); string(got) != "old" {
		t.Errorf("got %q, want the old contents", got)
	}
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o777); err != nil {
		t.Fatal(err)
	}
	checkErr(t, WriteFile(filepath.Join(dir, "taken"), nil, nil), "taken")
	checkErr(t, WriteFile(filepath.Join(dir, "none", "x"), nil, nil), "no such file")
	if got, want := list(t, dir), []string{"taken", "x"}; !slices.Equal(got, want) {
		t.Errorf("got files %v, want %v", got, want)
	}
}

// TestWriteFileBesideLeftover checks that the remains of a killed program, even
// one with the same process number, are in nobody's way.
func TestWriteFileBesideLeftover(t *testing.T) {
	dir := t.TempDir()
	left, err := createTemp(dir, "x")
	if err != nil {
		t.Fatal(err)
	}
	checkErr(t, left.Close(), "")
	name := filepath.Base(left.Name())
	if ok, err := filepath.Match(TempPattern, name); !ok || err != nil {
		t.Errorf("%q does not match %q, error %v", name, TempPattern, err)
	}
	checkErr(t, WriteFile(filepath.Join(dir, "x"), nil, nil), "")
	if got, want := list(t, dir), []string{name, "x"}; !slices.Equal(got, want) {
		t.Errorf("got files %v, want %v", got, want)
	}
}

// TestWriteFileFunc compares a file whose elements are written when their turn
// comes with that of Write.
func TestWriteFileFunc(t *testing.T) {
	entries := []Entry{{"b", FromFloat32s([]int{2}, []float32{1, 2})}, {"a", FromFloat32s(nil, []float32{3})}, {"c", Tensor{U8, []int{3}, []byte("xyz")}}}
	var specs []Spec
	data := map[string][]byte{}
	for _, e := range entries {
		specs = append(specs, Spec{e.Name, e.Tensor.DType, e.Tensor.Shape})
		data[e.Name] = e.Tensor.Data
	}
	dir := t.TempDir()
	metadata := map[string]string{"format": "pt"}
	byTheByte := func(w io.Writer, s Spec) error {
		for _, b := range data[s.Name] {
			if _, err := w.Write([]byte{b}); err != nil {
				return err
			}
		}
		return nil
	}
	checkErr(t, WriteFileFunc(filepath.Join(dir, "x"), specs, metadata, byTheByte), "")
	checkErr(t, WriteFile(filepath.Join(dir, "y"), entries, metadata), "")
	x, _ := os.ReadFile(filepath.Join(dir, "x"))
	y, _ := os.ReadFile(filepath.Join(dir, "y"))
	if len(x) == 0 || !bytes.Equal(x, y) {
		t.Errorf("got %q, want %q", x, y)
	}
	data["c"] = data["c"][:2]
	checkErr(t, WriteFileFunc(filepath.Join(dir, "z"), specs, nil, byTheByte), `tensor "c": 2 bytes of elements were written, want 3`)
	full := errors.New("no elements")
	checkErr(t, WriteFileFunc(filepath.Join(dir, "z"), specs, nil, func(io.Writer, Spec) error { return full }), "no elements")
	if got, want := list(t, dir), []string{"x", "y"}; !slices.Equal(got, want) {
		t.Errorf("got files %v, want %v", got, want)
	}
}
