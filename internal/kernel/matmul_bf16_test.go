package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// awkward are float32 around every border of the rounding to bfloat16.
var awkward = []uint32{
	0, 1, 0x7fff, 0x8000, 0x8001, 0x17fff, 0x18000, 0x18001, // the smallest numbers
	0x3f800000, 0x3f807fff, 0x3f808000, 0x3f808001, 0x3f818000, // halfway, even and odd
	0x7f7f7fff, 0x7f7f8000, 0x7f7fffff, // the largest numbers
	0x7f800000, 0x7f800001, 0x7f80ffff, 0x7fbfffff, 0x7fc00000, 0x7fffffff, // infinity and NaN
}

// bitPatterns returns awkward float32 of both signs, and drawn ones.
func bitPatterns() []float32 {
	var s []float32
	for _, u := range awkward {
		s = append(s, math.Float32frombits(u), math.Float32frombits(u|1<<31))
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		s = append(s, math.Float32frombits(r.Uint32()))
	}
	return s
}

func TestBF16FromF32(t *testing.T) {
	for _, f := range bitPatterns() {
		got := BF16FromF32(f)
		if f != f {
			if g := F32FromBF16(got); g == g || math.Signbit(float64(g)) != math.Signbit(float64(f)) {
				t.Errorf("NaN %08x: got %04x, want a NaN of that sign", math.Float32bits(f), got)
			}
			continue
		}
		if want := nearestBF16(f); got != want {
			t.Errorf("%08x: got %04x, want %04x", math.Float32bits(f), got, want)
		}
	}
}

// nearestBF16 returns the bfloat16 nearest to f by trying the two around it. An
// infinity counts as the number that would come next.
func nearestBF16(f float32) uint16 {
	low := uint16(math.Float32bits(f) >> 16)
	value := func(b uint16) float64 {
		if b&0x7fff == 0x7f80 {
			return math.Copysign(0x1p128, float64(F32FromBF16(b)))
		}
		return float64(F32FromBF16(b))
	}
	if math.IsInf(float64(f), 0) {
		return low
	}
	down, up := math.Abs(float64(f)-value(low)), math.Abs(value(low+1)-float64(f))
	if up < down || up == down && low&1 == 1 {
		return low + 1
	}
	return low
}

// TestF32FromBF16 checks that widening and rounding give every bfloat16 back.
func TestF32FromBF16(t *testing.T) {
	for b := range 1 << 16 {
		f := F32FromBF16(uint16(b))
		want := uint16(b)
		if f != f {
			want |= bf16Quiet
		}
		if got := BF16FromF32(f); got != want {
			t.Errorf("%04x: got %04x back, want %04x", b, got, want)
		}
	}
}
