package train

import (
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// order is the sequence of examples of a run: a permutation of all of them for
// each epoch, one after the other. Where the sequence is at is the caller's
// number alone.
type order struct {
	seed  uint64
	n     int   // examples
	epoch int   // of perm
	perm  []int // nil until the first call of at

	group func(i int) int // of example i; nil where each stands for itself
}

// at returns the example at a position, counted from 0 over all epochs.
func (o *order) at(position int) int {
	epoch := position / o.n
	if o.perm == nil || o.epoch != epoch {
		o.epoch, o.perm = epoch, permutation(o.n, o.seed, uint64(epoch))
		if o.group != nil {
			o.perm = o.together(o.perm)
		}
	}
	return o.perm[position%o.n]
}

// together returns the examples of a permutation group by group, the groups in an
// order of their own: otherwise large ones would tend to come first.
func (o *order) together(perm []int) []int {
	members := map[int][]int{}
	for _, i := range perm {
		members[o.group(i)] = append(members[o.group(i)], i)
	}
	groups := slices.Sorted(maps.Keys(members))
	out := make([]int, 0, len(perm))
	for _, g := range permutation(len(groups), o.seed, ^uint64(o.epoch)) {
		out = append(out, members[groups[g]]...)
	}
	return out
}

// permutation returns the numbers 0 to n-1 in an order given by seed and epoch:
// a Fisher-Yates shuffle that depends on nothing but the generator's words, so
// that it stays the same with every release of Go.
func permutation(n int, seed, epoch uint64) []int {
	perm := make([]int, n)
	source := rand.NewPCG(seed, epoch)
	for i := range perm {
		// The upper word of the product is uniform in 0..i, up to n·2⁻⁶⁴.
		j, _ := bits.Mul64(source.Uint64(), uint64(i+1))
		perm[i] = perm[j]
		perm[j] = i
	}
	return perm
}
