package safetensors

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestPython reads a file that the Python library (0.8.0) wrote, one tensor of
// every type among them, and writes it again: the bytes must be equal.
func TestPython(t *testing.T) {
	want, err := os.ReadFile("testdata/python.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open("testdata/python.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checkErr(t, f.Close(), "") })
	if got := len(f.Names()); got != len(dtypes)+2 {
		t.Errorf("got %d tensors, want %d", got, len(dtypes)+2)
	}
	if diff := cmp.Diff(map[string]string{"format": "pt"}, f.Metadata()); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	entries := entriesOf(t, f)
	slices.Reverse(entries) // the order given must not matter
	var got bytes.Buffer
	if err := Write(&got, entries, f.Metadata()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got  %q\nwant %q", got.Bytes(), want)
	}
}

// entriesOf returns all tensors of f, in its order.
func entriesOf(t interface{ Fatal(...any) }, f *File) []Entry {
	var entries []Entry
	for _, name := range f.Names() {
		x, err := f.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, Entry{name, x})
	}
	return entries
}

// drawTensor draws a tensor of any type, with up to three small axes.
func drawTensor(t *rapid.T) Tensor {
	names := slices.Sorted(func(yield func(DType) bool) {
		for d := range dtypes {
			if !yield(d) {
				return
			}
		}
	})
	x := Tensor{DType: rapid.SampledFrom(names).Draw(t, "dtype")}
	x.Shape = rapid.SliceOfN(rapid.IntRange(0, 4), 0, 3).Draw(t, "shape")
	n := x.Len() * x.DType.Size()
	x.Data = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "data")
	return x
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOf(rapid.StringN(0, 20, 40), rapid.Custom(drawTensor)).Draw(t, "tensors")
		delete(want, metadataKey)
		metadata := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "metadata")
		var entries []Entry
		for name, x := range want {
			entries = append(entries, Entry{name, x})
		}
		var b bytes.Buffer
		if err := Write(&b, entries, metadata); err != nil {
			t.Fatal(err)
		}
		f, err := Parse(b.Bytes())
		if err != nil {
			t.Fatalf("%v in %q", err, b.Bytes())
		}
		got := map[string]Tensor{}
		for _, e := range entriesOf(t, f) {
			got[e.Name] = e.Tensor
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tensors (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(metadata, f.Metadata()); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
		if begin := le.Uint64(b.Bytes()); begin%8 != 0 {
			t.Errorf("header of %d bytes, want a multiple of 8", begin)
		}
	})
}

func TestWriteRefuses(t *testing.T) {
	ok := FromFloat32s([]int{1}, []float32{1})
	tests := []struct {
		name     string
		entries  []Entry
		metadata map[string]string
		wantErr  string
	}{
		{"same name twice", []Entry{{"x", ok}, {"x", ok}}, nil, `tensor "x": the name occurs twice`},
		{"same name, other types", []Entry{{"x", ok}, {"y", ok}, {"x", Tensor{U8, nil, []byte{1}}}}, nil, "occurs twice"},
		{"reserved name", []Entry{{"__metadata__", ok}}, nil, "the name is reserved"},
		{"name not UTF-8", []Entry{{"\xff", ok}}, nil, "the name is not valid UTF-8"},
		{"unknown type", []Entry{{"x", Tensor{"F7", nil, nil}}}, nil, `tensor "x": unknown dtype "F7"`},
		{"short data", []Entry{{"x", Tensor{F32, []int{2}, make([]byte, 4)}}}, nil, "4 bytes of elements, want 8 for F32[2]"},
		{"negative extent", []Entry{{"x", Tensor{F32, []int{-1}, nil}}}, nil, "extent -1 is negative"},
		{"overflow", []Entry{{"x", Tensor{F32, []int{math.MaxInt, 4}, nil}}}, nil, "more than"},
		{"too many axes", []Entry{{"x", Tensor{U8, make([]int, 65), nil}}}, nil, "65 axes, want at most 64"},
		{"metadata not UTF-8", nil, map[string]string{"a": "\xff"}, `metadata "a": not valid UTF-8`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			checkErr(t, Write(&b, tt.entries, tt.metadata), tt.wantErr)
			if b.Len() > 0 {
				t.Errorf("got %d bytes written, want none", b.Len())
			}
		})
	}
}

func TestFile(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, []Entry{{"b", FromFloat32s([]int{2, 1}, []float32{1, 2})}, {"a", Tensor{I64, []int{1}, make([]byte, 8)}}}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(f.Names()), "[a b]"; got != want {
		t.Errorf("names %v, want %v", got, want)
	}
	if !f.Has("a") || f.Has("c") {
		t.Errorf("has a %v and c %v, want true and false", f.Has("a"), f.Has("c"))
	}
	x, err := f.Tensor("b")
	checkErr(t, err, "")
	x.Shape[0] = 7 // a copy: the next caller must not see it
	if x, _ = f.Tensor("b"); x.Shape[0] != 2 {
		t.Errorf("got shape %v, want [2 1]", x.Shape)
	}
	_, err = f.Tensor("c")
	checkErr(t, err, `no tensor "c" among the 2 of the file`)
	if got := f.Metadata(); got == nil || len(got) != 0 {
		t.Errorf("got metadata %v, want an empty map", got)
	}
	checkErr(t, f.Close(), "")
	checkErr(t, f.Close(), "")
}

func FuzzParse(f *testing.F) {
	good, err := os.ReadFile("testdata/python.safetensors")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, h := range hostile {
		if len(h.header) < 1000 {
			f.Add(file(h.header, h.n))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		// What is accepted can be written, and is read as the same again.
		var b bytes.Buffer
		entries := entriesOf(t, file)
		if err := Write(&b, entries, file.Metadata()); err != nil {
			t.Fatal(err)
		}
		again, err := Parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			x, err := again.Tensor(e.Name)
			if err != nil || !cmp.Equal(x, e.Tensor) {
				t.Errorf("tensor %q: got %v, want %v, error %v", e.Name, x, e.Tensor, err)
			}
			_, _ = x.Float32s() // must not panic
		}
	})
}
