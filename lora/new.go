package lora

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// New returns an adapter of the sites that c selects, which does not change the
// network yet: B is zero, and A is uniform in ±1/√In (He et al., "Delving Deep
// into Rectifiers", 2015, with a = √5). The values of a site depend on its name
// and the seed alone.
func New(c Config, sites []Site, seed uint64) (*Adapter, error) {
	r, err := c.rules()
	if err != nil {
		return nil, err
	}
	hit, err := Select(c, sites)
	if err != nil {
		return nil, err
	}
	a := &Adapter{Config: r.Config}
	a.Config.InitWeights = true
	for _, s := range hit {
		rank := r.rank(s.Name)
		a.Pairs = append(a.Pairs, &Pair{
			Site:  s,
			Rank:  rank,
			Scale: r.scale(s.Name, rank),
			A:     uniform(KeyA(s.Name), seed, rank*s.In, 1/math.Sqrt(float64(s.In))),
			B:     make([]float32, s.Out*rank),
		})
	}
	return a, nil
}

// uniform returns n numbers in ±bound. They are drawn from a generator of their
// own, seeded with the key.
func uniform(key string, seed uint64, n int, bound float64) []float32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // never fails
	source := rand.NewPCG(seed, h.Sum64())
	out := make([]float32, n)
	for i := range out {
		u := float64(source.Uint64()>>11)*0x1p-52 - 1 // 53 bits, in [-1, 1)
		out[i] = float32(u * bound)
	}
	return out
}
