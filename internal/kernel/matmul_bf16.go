package kernel

import "math"

// F32FromBF16 returns the value of b, which has the bits of the upper half of
// a float32. It is exact.
func F32FromBF16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// BF16FromF32 returns the bfloat16 nearest to f, the even one of two that are
// equally near. A value beyond the range becomes an infinity; a NaN stays one,
// made quiet, with its sign and the upper bits of its payload.
func BF16FromF32(f float32) uint16 {
	u := math.Float32bits(f)
	if f != f {
		return uint16(u>>16) | bf16Quiet
	}
	odd := u >> 16 & 1
	return uint16((u + 0x7fff + odd) >> 16)
}

// bf16Quiet is the bit that makes a NaN quiet; without it one whose payload
// lies in the lower half would become an infinity.
const bf16Quiet = 0x40

// roundBF16 returns f rounded to bfloat16.
func roundBF16(f float32) float32 { return F32FromBF16(BF16FromF32(f)) }
