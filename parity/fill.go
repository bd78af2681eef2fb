package parity

import (
	"hash/fnv"
	"math"
	"strings"
)

// stream is the sequence of 64-bit words that belongs to a name: splitmix64
// (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
// 2014), started at the FNV-1a hash of the name plus a seed.
type stream uint64

// gamma is the step of splitmix64's state.
const gamma = 0x9E3779B97F4A7C15

func newStream(name string, seed uint64) stream {
	h := fnv.New64a()
	h.Write([]byte(name)) // never fails
	return stream(h.Sum64() + seed)
}

// word returns element i.
func (s stream) word(i int) uint64 {
	z := uint64(s) + (uint64(i)+1)*gamma
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// uniform returns element i as a number in [-1, 1): its upper 53 bits, exactly.
func (s stream) uniform(i int) float64 { return float64(s.word(i)>>11)*0x1p-52 - 1 }

// formula gives element i, row-major, of one tensor. It is safe for
// concurrent use.
type formula func(i int) float64

// filling is the rule by which a case makes its weights.
type filling interface {
	// weight returns the formula of a tensor of the checkpoint, nil if the rule
	// has none for it.
	weight(name string, shape []int) formula
	// adapter returns the formula of a tensor of the adapter, by its key in
	// adapter_model.safetensors; nil if the rule has none for it.
	adapter(key string, shape []int) formula
}

// kind is the part that a tensor of a checkpoint plays.
type kind uint8

const (
	matrix kind = iota
	bias
	norm // a scale of a normalisation
)

// kindOf tells by the name alone, as the rule does.
func kindOf(name string) kind {
	if strings.HasSuffix(name, ".bias") {
		return bias
	}
	parts := strings.Split(name, ".")
	if len(parts) > 1 && strings.Contains(parts[len(parts)-2], "norm") {
		return norm
	}
	return matrix
}

// fanIn is the number of inputs of one output: the product of all extents
// after the first.
func fanIn(shape []int) float64 { return float64(product(shape[1:])) }

func product(shape []int) int {
	n := 1
	for _, e := range shape {
		n *= e
	}
	return n
}

// hashFill takes every value from the stream of the tensor's name.
type hashFill struct {
	seed uint64
	gain float64 // multiplies every matrix
}

func (f hashFill) weight(name string, shape []int) formula {
	s := newStream(name, f.seed)
	switch kindOf(name) {
	case norm:
		return func(i int) float64 { return s.uniform(i)*0.25 + 1 } // the product is exact
	case bias:
		return func(i int) float64 { return s.uniform(i) * 0.125 }
	}
	scale := math.Sqrt(3/fanIn(shape)) * f.gain
	return func(i int) float64 { return s.uniform(i) * scale }
}

func (f hashFill) adapter(key string, shape []int) formula {
	s := newStream(key, f.seed)
	scale := math.Sqrt(1 / fanIn(shape))
	if !strings.Contains(key, ".lora_A.") {
		scale = 0.5 * math.Sqrt(1/float64(shape[1]))
	}
	return func(i int) float64 { return s.uniform(i) * scale }
}
