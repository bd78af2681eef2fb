package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestAttentionPairs compares attention in pairs with the generic tier on operands
// that are rounded beforehand: what is left is that probabilities are rounded too.
func TestAttentionPairs(t *testing.T) {
	eachVector(t, func(t *testing.T, tier Tier) {
		var a AttentionTile
		r := rand.New(rand.NewPCG(53, 54))
		for _, c := range tileCases {
			if !tier.AttentionPairs(c.d) {
				continue
			}
			t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
				got := c.operands(r)
				want := got
				want.q, want.k, want.v = roundedBF16(got.q), roundedBF16(got.k), roundedBF16(got.v)
				want.y, want.dq, want.lse = make([]float32, len(got.y)), make([]float32, len(got.dq)), make([]float32, len(got.lse))
				want.dk, want.dv = make([]float32, len(got.dk)), make([]float32, len(got.dv))
				a.Reserve(tileHeads, c.d, false)
				a.BeginPairs(tier, c.rows, c.scale())
				c.forward(&a, &got)
				c.want(&want)
				near(t, "lse", got.lse, want.lse, 1, 1)
				nearProbable(t, got.y, want.y, want.v)
			})
		}
	})
}

// nearProbable fails unless y is what is wanted but for the rounding of
// probabilities, by half a unit in the eighth place each, times values v.
func nearProbable(t *testing.T, y, want, v []float32) {
	t.Helper()
	largest := float32(0)
	for _, x := range v {
		largest = max(largest, x, -x)
	}
	for i, w := range want {
		if d := math.Abs(float64(y[i] - w)); !(d <= float64(largest)/(1<<9)+1e-5) {
			t.Fatalf("y[%d]: got %v, want %v, values up to %v", i, y[i], w, largest)
		}
	}
}

// roundedBF16 returns x, each element rounded to bfloat16.
func roundedBF16(x []float32) []float32 {
	r := make([]float32, len(x))
	for i, v := range x {
		r[i] = roundBF16(v)
	}
	return r
}
