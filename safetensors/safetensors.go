// Package safetensors reads and writes the safetensors file format, strictly:
// a file is either sound in every byte of its layout, or refused with a
// message that names the tensor and the two numbers that disagree.
//
// A file is an 8-byte little-endian header length, a JSON header that gives
// each tensor its element type, shape and place, and the elements,
// little-endian and row-major (specification qwen3-vl 2.4; docs/safetensors.md
// draws the bytes). Open maps a file into memory, so that opening gigabytes
// costs nothing; what a header can make this package allocate is bounded by a
// small multiple of the header's own size.
package safetensors

import "fmt"

// DType is the type of one element, spelled as in the header.
type DType string

// The element types that take whole bytes. Float32s, Float64s and Int64s say
// which of them they convert; the others can be stored and read as bytes.
const (
	F64    DType = "F64"
	F32    DType = "F32"
	F16    DType = "F16"
	BF16   DType = "BF16"
	I64    DType = "I64"
	I32    DType = "I32"
	I16    DType = "I16"
	I8     DType = "I8"
	U64    DType = "U64"
	U32    DType = "U32"
	U16    DType = "U16"
	U8     DType = "U8"
	Bool   DType = "BOOL"
	C64    DType = "C64" // two F32: real, imaginary
	F8E5M2 DType = "F8_E5M2"
	F8E4M3 DType = "F8_E4M3"
	F8E8M0 DType = "F8_E8M0"
)

// dtypes gives each type its size in bytes and its rank in the order of
// storage, highest first. The order is that of the released Python library
// (0.6 and later), so that equal tensors make equal files.
var dtypes = map[DType]struct{ size, rank int }{
	Bool: {1, 0}, U8: {1, 1}, I8: {1, 2}, F8E5M2: {1, 3}, F8E4M3: {1, 4}, F8E8M0: {1, 5},
	I16: {2, 6}, U16: {2, 7}, F16: {2, 8}, BF16: {2, 9},
	I32: {4, 10}, U32: {4, 11}, F32: {4, 12},
	C64: {8, 13}, F64: {8, 14}, I64: {8, 15}, U64: {8, 16},
}

// Size returns the bytes that one element takes, 0 for a type that is not one
// of the constants.
func (d DType) Size() int { return dtypes[d].size }

// Tensor is a block of numbers in host memory.
type Tensor struct {
	DType DType
	Shape []int // slowest axis first; empty for a scalar; extents may be 0
	// Data holds the elements, little-endian, row-major. That of a tensor of a
	// File is the file's own memory: read only, valid until Close, and aligned
	// only as well as the writer cared to.
	Data []byte
}

// Len returns the number of elements, 1 for a scalar.
func (t Tensor) Len() int {
	n := 1
	for _, e := range t.Shape {
		n *= e
	}
	return n
}

// check returns an error unless t.Data has the size that type and shape ask for.
func (t Tensor) check() error {
	want, err := sizeBytes(t.DType, t.Shape)
	if err == nil && len(t.Data) != want {
		err = fmt.Errorf("%d bytes of elements, want %d for %s%v", len(t.Data), want, t.DType, t.Shape)
	}
	return err
}

// Spec is a tensor without its elements, for WriteFunc.
type Spec struct {
	Name  string
	DType DType
	Shape []int
}

// Entry is a tensor with its name, for Write.
type Entry struct {
	Name   string
	Tensor Tensor
}
