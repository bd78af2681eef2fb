// Package tensor names blocks of numbers: their element type, their shape and
// the device memory they live in. It computes nothing; package device does.
//
// Every tensor is dense and row-major, the last axis fastest. There are no
// strides: a transposed operand is an option of the operation that reads it.
package tensor

import (
	"fmt"
	"strings"
)

// DType is the type of one element.
type DType uint8

// The element types that devices compute with.
const (
	F32  DType = iota // IEEE 754 binary32
	BF16              // the upper half of an F32
	I32               // two's complement, for token ids and row numbers
)

// Size returns the bytes one element takes.
func (d DType) Size() int {
	if d == BF16 {
		return 2
	}
	return 4
}

// String returns the name of d as the safetensors format spells it.
func (d DType) String() string {
	switch d {
	case F32:
		return "F32"
	case BF16:
		return "BF16"
	case I32:
		return "I32"
	}
	return fmt.Sprintf("DType(%d)", uint8(d))
}

// maxRank is the largest number of axes of a shape.
const maxRank = 4

// Shape lists extents, slowest axis first: [token, head, channel]. Axes that a
// shape does not have are 0, so that Shape{T, C} is a matrix; extents of a
// tensor are therefore at least 1. A Shape is a value: compare it with ==.
type Shape [maxRank]int

// Rank returns the number of axes.
func (s Shape) Rank() int {
	n := maxRank
	for n > 0 && s[n-1] == 0 {
		n--
	}
	return n
}

// Len returns the number of elements, 1 for a scalar.
func (s Shape) Len() int {
	n := 1
	for _, e := range s[:s.Rank()] {
		n *= e
	}
	return n
}

// String returns s as [2 3].
func (s Shape) String() string {
	return strings.ReplaceAll(fmt.Sprint(s[:s.Rank()]), ",", "")
}

// Buffer is memory on one device. Only the device that made it looks inside.
type Buffer interface {
	// Bytes returns the size of the buffer.
	Bytes() int
}

// Tensor is a view of a buffer. It is a small value: copy it freely, and free
// its memory through the device or the arena that allocated it. The zero
// Tensor stands for "none" where an operation has optional operands.
type Tensor struct {
	DType  DType
	Shape  Shape
	Buffer Buffer
	Offset int // first element, counted in elements
}

// IsZero reports whether t is the zero Tensor, which has no memory.
func (t Tensor) IsZero() bool { return t.Buffer == nil }

// Len returns the number of elements.
func (t Tensor) Len() int { return t.Shape.Len() }

// Rows returns the view [hi-lo, rest...] of rows lo to hi of the first axis.
// It panics if the range is empty or not inside t.
func (t Tensor) Rows(lo, hi int) Tensor {
	if t.Shape.Rank() == 0 || lo < 0 || hi <= lo || hi > t.Shape[0] {
		panic(fmt.Sprintf("tensor: rows %d:%d of shape %v", lo, hi, t.Shape))
	}
	t.Offset += lo * (t.Len() / t.Shape[0])
	t.Shape[0] = hi - lo
	return t
}

// Reshape returns a view of the same elements in another shape of the same
// length. It panics if the lengths differ.
func (t Tensor) Reshape(s Shape) Tensor {
	if s.Len() != t.Len() {
		panic(fmt.Sprintf("tensor: reshape %v to %v", t.Shape, s))
	}
	t.Shape = s
	return t
}

// String returns element type and shape, for messages.
func (t Tensor) String() string {
	if t.IsZero() {
		return "none"
	}
	return fmt.Sprintf("%v%v", t.DType, t.Shape)
}
