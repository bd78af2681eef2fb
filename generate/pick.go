package generate

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// ranked is a token with its logit or its weight.
type ranked struct {
	value float64
	id    int32
}

// before orders tokens by falling value, ties by rising id.
func (r ranked) before(other ranked) bool {
	return r.value > other.value || r.value == other.value && r.id < other.id
}

// scratch is what choosing a token needs, to be used again.
type scratch struct {
	logits []float64 // [V]
	tokens []ranked
}

// load copies logits, minus infinity for tokens that mask does not allow and
// for logits that are not a number.
func (s *scratch) load(logits []float32, mask []uint64) []float64 {
	z := slices.Grow(s.logits[:0], len(logits))[:len(logits)]
	s.logits = z
	if mask == nil {
		for i, v := range logits {
			z[i] = number(v)
		}
		return z
	}
	for i := range z {
		z[i] = math.Inf(-1)
	}
	for w, word := range mask {
		for ; word != 0; word &= word - 1 {
			if i := w*64 + bits.TrailingZeros64(word); i < len(z) {
				z[i] = number(logits[i])
			}
		}
	}
	return z
}

// number returns v, or minus infinity if it is not one.
func number(v float32) float64 {
	if v != v {
		return math.Inf(-1)
	}
	return float64(v)
}

// all returns the tokens that can be chosen, in the order of ids.
func (s *scratch) all(z []float64) []ranked {
	s.tokens = s.tokens[:0]
	for i, v := range z {
		if !math.IsInf(v, -1) {
			s.tokens = append(s.tokens, ranked{v, int32(i)})
		}
	}
	return s.tokens
}

// largest returns the lowest id of the largest logit, -1 if none is above minus
// infinity.
func largest(z []float64) int32 {
	best, at := math.Inf(-1), -1
	for i, v := range z {
		if v > best {
			best, at = v, i
		}
	}
	return int32(at)
}

// logSum returns log Σ exp z; top is the largest of z.
func logSum(z []float64, top float64) float64 {
	sum := 0.0
	for _, v := range z {
		if !math.IsInf(v, -1) {
			sum += math.Exp(v - top)
		}
	}
	return top + math.Log(sum)
}

// highest returns the first n of z, best first. n is small.
func highest(z []float64, n int) []ranked {
	out := make([]ranked, 0, n+1)
	for i, v := range z {
		r := ranked{v, int32(i)}
		if math.IsInf(v, -1) || n == 0 || len(out) == n && !r.before(out[n-1]) {
			continue
		}
		at, _ := slices.BinarySearchFunc(out, r, compare)
		out = slices.Insert(out, at, r)
		out = out[:min(n, len(out))]
	}
	return out
}

// compare is before for package slices.
func compare(a, b ranked) int {
	switch {
	case a.before(b):
		return -1
	case b.before(a):
		return 1
	}
	return 0
}

// byID puts tokens in the order of their ids.
func byID(r []ranked) {
	slices.SortFunc(r, func(a, b ranked) int { return cmp.Compare(a.id, b.id) })
}

// weigh turns logits into exp((z - best)/temperature), in place. Those that
// come to 0 can never be drawn and go.
func weigh(r []ranked, best, temperature float64) []ranked {
	out := r[:0]
	for _, t := range r {
		if t.value = math.Exp((t.value - best) / temperature); t.value > 0 {
			out = append(out, t)
		}
	}
	return out
}

// atLeast keeps the tokens that weigh at least so much, in place.
func atLeast(r []ranked, least float64) []ranked {
	out := r[:0]
	for _, t := range r {
		if t.value >= least {
			out = append(out, t)
		}
	}
	return out
}

// firstCount returns the first n of r, 0 < n < len(r), in any order. It changes
// the order of r.
func firstCount(r []ranked, n int) []ranked {
	lo, hi := 0, len(r) // the border lies between
	for hi-lo > 1 {
		at := lo + partition(r[lo:hi])
		if n <= at {
			hi = at
		} else {
			lo = at
		}
	}
	return r[:n]
}

// firstMass returns the fewest of the first of r that weigh the share p of all,
// in any order. r comes in the order of ids, which it changes.
func firstMass(r []ranked, p float64) []ranked {
	total := 0.0
	for _, t := range r {
		total += t.value
	}
	// Those below the floor weigh less than half of 1-p together, so the others
	// are enough, and of a trained network they are few.
	r = atLeast(r, (1-p)*total/float64(2*len(r)))
	want := p * total
	lo, hi := 0, len(r) // the last token that is needed lies in r[lo:hi]
	for hi-lo > 1 {
		at := lo + partition(r[lo:hi])
		sum := 0.0
		for _, t := range r[lo:at] {
			sum += t.value
		}
		if sum >= want {
			hi = at
		} else {
			lo, want = at, want-sum
		}
	}
	return r[:hi]
}

// partition splits r, of two or more, into those before and those behind a
// token from its middle, and returns where the second part begins; neither is
// empty (Hoare, "Algorithm 65: Find", 1961). The median of three keeps sorted
// input from being the worst case.
func partition(r []ranked) int {
	pivot := median(r[0], r[len(r)/2], r[len(r)-1])
	for i, j := 0, len(r)-1; ; i, j = i+1, j-1 {
		for r[i].before(pivot) {
			i++
		}
		for pivot.before(r[j]) {
			j--
		}
		if i >= j {
			return max(i, 1)
		}
		r[i], r[j] = r[j], r[i]
	}
}

// median returns the middle one of three.
func median(a, b, c ranked) ranked {
	if b.before(a) {
		a, b = b, a
	}
	if c.before(b) {
		b = c
		if b.before(a) {
			b = a
		}
	}
	return b
}
