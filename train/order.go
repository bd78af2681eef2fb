package train

import (
	"math/bits"
	"math/rand/v2"
)

// order is the sequence of examples of a run: a permutation of all of them for
// each epoch, one after the other. Where the sequence is at is the caller's
// number alone.
type order struct {
	seed  uint64
	n     int   // examples
	epoch int   // of perm
	perm  []int // nil until the first call of at
}

// at returns the example at a position, counted from 0 over all epochs.
func (o *order) at(position int) int {
	epoch := position / o.n
	if o.perm == nil || o.epoch != epoch {
		o.epoch, o.perm = epoch, permutation(o.n, o.seed, uint64(epoch))
	}
	return o.perm[position%o.n]
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
