package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
)

var le = binary.LittleEndian

// FromFloat32s returns an F32 tensor of the given shape with a copy of v, which
// must have as many elements as the shape.
func FromFloat32s(shape []int, v []float32) Tensor {
	t := Tensor{DType: F32, Shape: shape, Data: make([]byte, 4*len(v))}
	if t.Len() != len(v) {
		panic(fmt.Sprintf("safetensors: %d values for shape %v", len(v), shape))
	}
	for i, x := range v {
		le.PutUint32(t.Data[4*i:], math.Float32bits(x))
	}
	return t
}

// Float32s returns the elements of t as float32: F32, F16, BF16 and small
// integers exactly, F64 and larger integers rounded once, to nearest even. The
// other types (BOOL, C64, the 8-bit floats) are an error.
func (t Tensor) Float32s() ([]float32, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	out := make([]float32, t.Len())
	switch t.DType {
	case F32:
		for i := range out {
			out[i] = math.Float32frombits(le.Uint32(t.Data[4*i:]))
		}
	case BF16:
		for i := range out {
			out[i] = math.Float32frombits(uint32(le.Uint16(t.Data[2*i:])) << 16)
		}
	case I64, U64: // not through float64, which would round twice
		for i := range out {
			bits := le.Uint64(t.Data[8*i:])
			if out[i] = float32(int64(bits)); t.DType == U64 {
				out[i] = float32(bits)
			}
		}
	default:
		return out, convert(out, t)
	}
	return out, nil
}

// Float64s returns the elements of t as float64: I64 and U64 rounded to
// nearest even, every other type of Float32s exactly.
func (t Tensor) Float64s() ([]float64, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	out := make([]float64, t.Len())
	return out, convert(out, t)
}

// convert sets out to the elements of t by way of float64.
func convert[T float32 | float64](out []T, t Tensor) error {
	at, size := float64At[t.DType], t.DType.Size()
	if at == nil {
		return fmt.Errorf("elements are %s, want floating-point numbers or integers", t.DType)
	}
	for i := range out {
		out[i] = T(at(t.Data[i*size:]))
	}
	return nil
}

// float64At decodes the first element of b.
var float64At = map[DType]func(b []byte) float64{
	F64:  func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) },
	F32:  func(b []byte) float64 { return float64(math.Float32frombits(le.Uint32(b))) },
	F16:  func(b []byte) float64 { return float64(float16(le.Uint16(b))) },
	BF16: func(b []byte) float64 { return float64(math.Float32frombits(uint32(le.Uint16(b)) << 16)) },
	U64:  func(b []byte) float64 { return float64(le.Uint64(b)) },
	I64:  func(b []byte) float64 { return float64(int64At[I64](b)) },
	I32:  func(b []byte) float64 { return float64(int64At[I32](b)) },
	I16:  func(b []byte) float64 { return float64(int64At[I16](b)) },
	I8:   func(b []byte) float64 { return float64(int64At[I8](b)) },
	U32:  func(b []byte) float64 { return float64(int64At[U32](b)) },
	U16:  func(b []byte) float64 { return float64(int64At[U16](b)) },
	U8:   func(b []byte) float64 { return float64(int64At[U8](b)) },
}

// Int64s returns the elements of t, which must be integers that fit.
func (t Tensor) Int64s() ([]int64, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	at, size := int64At[t.DType], t.DType.Size()
	if at == nil {
		return nil, fmt.Errorf("elements are %s, want integers", t.DType)
	}
	out := make([]int64, t.Len())
	for i := range out {
		out[i] = at(t.Data[i*size:])
		if t.DType == U64 && out[i] < 0 {
			return nil, fmt.Errorf("element %d is %d, want at most %d", i, uint64(out[i]), int64(math.MaxInt64))
		}
	}
	return out, nil
}

// int64At decodes the first element of b; a U64 beyond the range wraps.
var int64At = map[DType]func(b []byte) int64{
	I64: func(b []byte) int64 { return int64(le.Uint64(b)) },
	I32: func(b []byte) int64 { return int64(int32(le.Uint32(b))) },
	I16: func(b []byte) int64 { return int64(int16(le.Uint16(b))) },
	I8:  func(b []byte) int64 { return int64(int8(b[0])) },
	U64: func(b []byte) int64 { return int64(le.Uint64(b)) },
	U32: func(b []byte) int64 { return int64(le.Uint32(b)) },
	U16: func(b []byte) int64 { return int64(le.Uint16(b)) },
	U8:  func(b []byte) int64 { return int64(b[0]) },
}

// float16 widens an IEEE 754 binary16, which is exact.
func float16(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10&31), uint32(h&1023)
	switch exponent {
	case 0: // zero or subnormal: fraction · 2⁻²⁴
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)/(1<<24)))
	case 31: // infinity or NaN
		return math.Float32frombits(sign | 255<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
