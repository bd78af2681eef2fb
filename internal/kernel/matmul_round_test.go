//go:build amd64 || arm64

package kernel

import (
	"math"
	"testing"
)

// TestGemmRound checks that packers round to bfloat16 as BF16FromF32 does.
func TestGemmRound(t *testing.T) {
	if Best() == Generic {
		return // TestTiersOfProcessor finds one that is left out
	}
	in := bitPatterns()
	in = in[:len(in)/gemmLanes*gemmLanes]
	got := append([]float32(nil), in...)
	gemmRound(&got[0], uintptr(len(got)/gemmLanes))
	for i, v := range in {
		g, want := math.Float32bits(got[i]), math.Float32bits(roundBF16(v))
		if g != want {
			t.Errorf("%08x: got %08x, want %08x", math.Float32bits(v), g, want)
		}
	}
}
