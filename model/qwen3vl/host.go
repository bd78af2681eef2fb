package qwen3vl

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// littleEndian reports whether the host's numbers lie as those of a tensor do.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// hostBytes returns the memory of v.
func hostBytes[T float32 | int32](v []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// elementBytes returns v in the element layout of an F32 or I32 tensor: the memory
// of v where numbers lie in that order, so that to change one is to change the
// other, and else a copy.
func elementBytes[T float32 | int32](v []T) []byte {
	b := hostBytes(v)
	if !littleEndian {
		b = append([]byte(nil), b...)
		swap(b)
	}
	return b
}

// swap reverses the bytes of each element of four.
func swap(b []byte) {
	for ; len(b) >= 4; b = b[4:] {
		binary.NativeEndian.PutUint32(b, bits.ReverseBytes32(binary.NativeEndian.Uint32(b)))
	}
}
