package kernel

import (
	"math/rand/v2"
	"testing"
)

// TestVectorStaysInside runs the kernels on slices that end, or begin, where
// memory that must not be touched begins, or ends.
func TestVectorStaysInside(t *testing.T) {
	r := rand.New(rand.NewPCG(61, 62))
	eachVector(t, func(t *testing.T, tier Tier) {
		for _, n := range vectorLengths[1:] {
			for _, atEnd := range []bool{false, true} {
				for _, k := range pointwises {
					k.run(tier, guardedAll(t, draw(r, k.slices, n), atEnd))
				}
				for _, k := range rowKernels {
					s := guardedAll(t, draw(r, 4, n), atEnd)
					k.run(tier, s[0], s[1], s[2], s[3])
				}
			}
		}
	})
}

// guardedAll is guarded for each of s.
func guardedAll(t *testing.T, s [][]float32, atEnd bool) [][]float32 {
	for i := range s {
		s[i] = guarded(t, s[i], atEnd)
	}
	return s
}

// TestAttentionTileStaysInside does the same for attention and its scratch, and
// checks that what was in the scratch has no influence.
func TestAttentionTileStaysInside(t *testing.T) {
	r := rand.New(rand.NewPCG(63, 64))
	eachVector(t, func(t *testing.T, tier Tier) {
		for i, c := range tileCases {
			atEnd := i%2 == 0
			o := c.operands(r)
			want := o
			want.y, want.dq, want.lse = make([]float32, len(o.y)), make([]float32, len(o.dq)), make([]float32, len(o.lse))
			want.dk, want.dv = make([]float32, len(o.dk)), make([]float32, len(o.dv))
			var fresh, a AttentionTile
			c.run(tier, &fresh, &want)
			a.Reserve(tileHeads, c.d, true)
			for _, s := range a.scratch() {
				*s = guarded(t, *s, atEnd)
				Fill(*s, 3e30)
			}
			for _, s := range []*[]float32{&o.q, &o.y, &o.dy, &o.dq, &o.lse, &o.k, &o.v, &o.dk, &o.dv} {
				*s = guarded(t, *s, atEnd)
			}
			c.run(tier, &a, &o)
			if firstDifference(o.y, want.y) >= 0 || firstDifference(o.dq, want.dq) >= 0 {
				t.Errorf("%+v: y or dq differ from those with fresh scratch", c)
			}
			near(t, "dk", o.dk, want.dk, c.d, TileWidth(c.d))
		}
	})
}

// scratch returns the memory of a tile.
func (a *AttentionTile) scratch() []*[]float32 {
	list := []*[]float32{&a.keys, &a.values, &a.scores, &a.slopes}
	for i := range a.heads {
		h := &a.heads[i]
		list = append(list, &h.q, &h.dy, &h.qRows, &h.dyRows, &h.sum)
	}
	return list
}
