package base

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strings"

	"mole/internal/kernel"
	"mole/model/qwen3vl"
	"mole/safetensors"
)

// Random is a checkpoint of random weights in bfloat16, for measurements and
// tests. A tensor is made when it is asked for: the same for the same name,
// shape and seed. It is safe for concurrent use.
type Random struct {
	names  []string
	shapes map[string][]int
	seed   uint64
	table  [1 << randomBits]uint16 // of normal numbers
}

// randomBits is how many random bits choose a weight.
const randomBits = 12

// NewRandom returns random weights for a network of shape c: matrices of
// standard deviation 0.02, and norms that do nothing, as in a network that has
// not been trained.
func NewRandom(c *qwen3vl.Config, seed uint64) *Random {
	const deviation = 0.02
	n := &Random{shapes: map[string][]int{}, seed: seed}
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range n.table {
		n.table[i] = kernel.BF16FromF32(float32(r.NormFloat64() * deviation))
	}
	for _, t := range c.Tensors() {
		n.names = append(n.names, t.Name)
		n.shapes[t.Name] = t.Shape
	}
	return n
}

// Names implements [qwen3vl.Source].
func (n *Random) Names() []string { return n.names }

// Tensor implements [qwen3vl.Source].
func (n *Random) Tensor(name string) (safetensors.Tensor, error) {
	return n.Make(name, n.shapes[name]), nil
}

// Make returns the tensor that a network with one of that name and shape has.
func (n *Random) Make(name string, shape []int) safetensors.Tensor {
	t := safetensors.Tensor{DType: safetensors.BF16, Shape: shape}
	t.Data = make([]byte, 2*t.Len())
	n.filler(name, shape)(t.Data)
	return t
}

// perTurn is how many weights a turn of the generator gives.
const perTurn = 64 / randomBits

// Write writes the elements of a tensor in pieces, so that it need not be in
// memory.
func (n *Random) Write(w io.Writer, name string, shape []int) error {
	const piece = 2 * perTurn << 16 // bytes, of whole turns
	left := 2 * safetensors.Tensor{Shape: shape}.Len()
	buf := make([]byte, min(left, piece))
	fill := n.filler(name, shape)
	for left > 0 {
		part := buf[:min(left, piece)]
		fill(part)
		if _, err := w.Write(part); err != nil {
			return err
		}
		left -= len(part)
	}
	return nil
}

// filler returns the function that sets pieces of a tensor, one after another.
func (n *Random) filler(name string, shape []int) func(data []byte) {
	if len(shape) > 1 {
		return n.noise(name)
	}
	value := uint16(0) // of a bias
	if strings.HasSuffix(name, ".weight") {
		value = kernel.BF16FromF32(1)
	}
	return func(data []byte) {
		for ; len(data) > 0; data = data[2:] {
			binary.LittleEndian.PutUint16(data, value)
		}
	}
}

// noise returns a filler of random numbers, five for each turn of the
// generator: there are billions to make. A piece but the last is of whole turns.
func (n *Random) noise(name string) func(data []byte) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	source := rand.NewPCG(n.seed, h.Sum64())
	return func(data []byte) {
		for len(data) > 0 {
			bits := source.Uint64()
			for range min(perTurn, len(data)/2) {
				binary.LittleEndian.PutUint16(data, n.table[bits%(1<<randomBits)])
				bits >>= randomBits
				data = data[2:]
			}
		}
	}
}
