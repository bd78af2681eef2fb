package safetensors

import (
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// of returns a tensor of the low bytes of the given words.
func of(d DType, words ...uint64) Tensor {
	t := Tensor{DType: d, Shape: []int{len(words)}}
	for _, w := range words {
		t.Data = append(t.Data, le.AppendUint64(nil, w)[:d.Size()]...)
	}
	return t
}

func TestConvert(t *testing.T) {
	bits := math.Float64bits
	minus := uint64(math.MaxUint64) // −1 in every width
	tests := []struct {
		name string
		in   Tensor
		f32  []float32
		f64  []float64
		i64  []int64 // nil: an error
	}{
		{"F32", of(F32, 0x3f800000, 0x80000000, 0x00000001), []float32{1, float32(math.Copysign(0, -1)), 0x1p-149}, []float64{1, math.Copysign(0, -1), 0x1p-149}, nil},
		{"BF16", of(BF16, 0x3f80, 0xc040, 0x0001), []float32{1, -3, 0x1p-133}, []float64{1, -3, 0x1p-133}, nil},
		{"F16", of(F16, 0x3c00, 0xfbff, 0x0001, 0x0400), []float32{1, -65504, 0x1p-24, 0x1p-14}, []float64{1, -65504, 0x1p-24, 0x1p-14}, nil},
		{"F64, ties to even", of(F64, bits(1+0x1p-24), bits(1+0x3p-24), bits(1e300)), []float32{1, 1 + 0x1p-22, float32(math.Inf(1))}, []float64{1 + 0x1p-24, 1 + 0x3p-24, 1e300}, nil},
		{"I64, ties to even", of(I64, 1<<24+1, 1<<24+3, minus), []float32{1 << 24, 1<<24 + 4, -1}, []float64{1<<24 + 1, 1<<24 + 3, -1}, []int64{1<<24 + 1, 1<<24 + 3, -1}},
		// Through float64 the first would become a tie and round down.
		{"I64, rounded once", of(I64, 1<<60+1<<36+1), []float32{0x1p60 + 0x1p37}, []float64{0x1p60 + 0x1p36}, []int64{1<<60 + 1<<36 + 1}},
		{"U64, rounded once", of(U64, 1<<60+1<<36+1), []float32{0x1p60 + 0x1p37}, []float64{0x1p60 + 0x1p36}, []int64{1<<60 + 1<<36 + 1}},
		{"U64, large", of(U64, minus), []float32{0x1p64}, []float64{0x1p64}, nil},
		{"I32", of(I32, minus, 7), []float32{-1, 7}, []float64{-1, 7}, []int64{-1, 7}},
		{"I16", of(I16, minus, 7), []float32{-1, 7}, []float64{-1, 7}, []int64{-1, 7}},
		{"I8", of(I8, minus, 7), []float32{-1, 7}, []float64{-1, 7}, []int64{-1, 7}},
		{"U32", of(U32, minus), []float32{0x1p32}, []float64{1<<32 - 1}, []int64{1<<32 - 1}},
		{"U16", of(U16, minus), []float32{65535}, []float64{65535}, []int64{65535}},
		{"U8", of(U8, minus), []float32{255}, []float64{255}, []int64{255}},
		{"BOOL", of(Bool, 1), nil, nil, nil},
		{"F8_E4M3", of(F8E4M3, 1), nil, nil, nil},
		{"C64", of(C64, 1), nil, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f32, err32 := tt.in.Float32s()
			compare(t, f32, tt.f32, err32)
			f64, err64 := tt.in.Float64s()
			compare(t, f64, tt.f64, err64)
			i64, errInt := tt.in.Int64s()
			compare(t, i64, tt.i64, errInt)
		})
	}
}

// compare reports values that are not as wanted, or no error where want is nil.
func compare[T any](t *testing.T, got, want []T, err error) {
	t.Helper()
	if (err != nil) != (want == nil) {
		t.Errorf("%T: got error %v, want %v", want, err, want)
	}
	if diff := cmp.Diff(want, got); err == nil && diff != "" {
		t.Errorf("%T (-want +got):\n%s", want, diff)
	}
}

func TestConvertRefuses(t *testing.T) {
	_, err := of(Bool, 1).Float32s()
	checkErr(t, err, "elements are BOOL, want floating-point numbers or integers")
	_, err = of(F32, 1).Int64s()
	checkErr(t, err, "elements are F32, want integers")
	_, err = of(U64, 1, 1<<63).Int64s()
	checkErr(t, err, "element 1 is 9223372036854775808, want at most 9223372036854775807")
	_, err = Tensor{F32, []int{2}, make([]byte, 4)}.Float64s()
	checkErr(t, err, "4 bytes of elements, want 8 for F32[2]")
}

// TestFloat16 compares every finite value with the definition, in exact
// arithmetic.
func TestFloat16(t *testing.T) {
	for h := range 1 << 16 {
		exponent, fraction := h>>10&31, int64(h&1023)
		got := float16(uint16(h))
		if exponent == 31 {
			if isNaN := got != got; isNaN != (fraction != 0) {
				t.Errorf("%#04x: got %v", h, got)
			}
			continue
		}
		want := new(big.Float).SetInt64(fraction)
		if exponent > 0 {
			want.SetInt64(fraction + 1024)
		}
		want.SetMantExp(want, max(exponent, 1)-25)
		w, _ := want.Float32()
		if h>>15 == 1 {
			w = -w
		}
		if math.Float32bits(got) != math.Float32bits(w) {
			t.Errorf("%#04x: got %v, want %v", h, got, w)
		}
	}
}

func TestFromFloat32s(t *testing.T) {
	want := []float32{1, -2, float32(math.Inf(1)), 0x1p-149}
	got, err := FromFloat32s([]int{2, 2}, want).Float32s()
	compare(t, got, want, err)
	defer func() {
		if recover() == nil {
			t.Error("no panic for 4 values of shape [3]")
		}
	}()
	FromFloat32s([]int{3}, want)
}
