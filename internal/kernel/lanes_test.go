package kernel

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"
)

// TestSixteenLanes checks that the tiers with sums in 16 lanes give the same
// bytes, which a processor with AVX-512 recorded: what is true of one of them
// on its machine is true of the other.
func TestSixteenLanes(t *testing.T) {
	want := map[string]uint64{
		"pointwise": 0x8a9ea0aab33e9f6d, "rows": 0x852100a3ae899171,
		"matmul": 0x824e0424d9685ad3, "attention": 0x676af639fd673f1e,
	}
	for _, tier := range []Tier{AVX512, NEON} {
		if tier.Supported() != nil {
			continue
		}
		for name, results := range allResults(tier) {
			if got := digest(results); got != want[name] {
				t.Errorf("%v, %s: got digest %#x, want %#x", tier, name, got, want[name])
			}
		}
	}
}

// allResults returns those of kernels of every kind, on lengths and shapes that
// registers divide and that they do not.
func allResults(tier Tier) map[string][][]float32 {
	r := rand.New(rand.NewPCG(71, 72))
	list := map[string][][]float32{}
	for _, n := range vectorLengths[1:] {
		for _, k := range pointwises {
			s := draw(r, k.slices, n)
			k.run(tier, s)
			list["pointwise"] = append(list["pointwise"], s[:k.results]...)
		}
		for _, k := range rowKernels {
			s := draw(r, 4, n)
			list["rows"] = append(list["rows"], k.run(tier, s[0], s[1], s[2], s[3]))
		}
	}
	r = rand.New(rand.NewPCG(73, 74))
	var s Scratch
	for range 50 {
		m := randomCase(r, 1+r.IntN(40), 1+r.IntN(40), 1+r.IntN(80)).matMul()
		tier.MatMul(m, &s)
		list["matmul"] = append(list["matmul"], m.C)
	}
	r = rand.New(rand.NewPCG(75, 76))
	var a AttentionTile
	for _, c := range tileCases {
		o := c.operands(r)
		c.run(tier, &a, &o)
		list["attention"] = append(list["attention"], o.y, o.lse, o.dq)
	}
	return list
}

// digest returns a hash of the bits of all numbers.
func digest(list [][]float32) uint64 {
	h := fnv.New64a()
	for _, s := range list {
		for _, v := range s {
			h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		}
	}
	return h.Sum64()
}
