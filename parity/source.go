package parity

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"sync"

	"mole/internal/kernel"
	"mole/model/qwen3vl"
	"mole/safetensors"
)

// maxNetwork is the largest network that is filled, in bytes. A case names a
// network of any size in a few hundred bytes, so there must be a limit.
const maxNetwork = 16 << 30

// source makes the weights of a network when they are asked for. It
// implements [qwen3vl.Source].
type source struct {
	ctx     context.Context // its end stops the filling of a large network
	fill    filling
	bf16    bool // every weight is rounded to BF16
	names   []string
	shape   map[string][]int
	digests map[string]digest // of the tensors made so far
}

// newSource returns the weights of a network of shape c.
func newSource(ctx context.Context, c *qwen3vl.Config, f filling, bf16 bool) (*source, error) {
	s := &source{ctx: ctx, fill: f, bf16: bf16, shape: map[string][]int{}, digests: map[string]digest{}}
	left := maxNetwork / s.dtype().Size()
	for _, t := range c.Tensors() {
		s.names = append(s.names, t.Name)
		s.shape[t.Name] = t.Shape
		if left -= product(t.Shape); left < 0 {
			return nil, fmt.Errorf("%s: the network takes more than %d GiB", configFile, maxNetwork>>30)
		}
		if f.weight(t.Name, t.Shape) == nil {
			return nil, fmt.Errorf("%s: the rule that fills this case has no values for %q", configFile, t.Name)
		}
	}
	return s, nil
}

// Names implements [qwen3vl.Source].
func (s *source) Names() []string { return s.names }

// dtype returns BF16 if the weights of the case are, F32 otherwise.
func (s *source) dtype() safetensors.DType {
	if s.bf16 {
		return safetensors.BF16
	}
	return safetensors.F32
}

// Tensor implements [qwen3vl.Source].
func (s *source) Tensor(name string) (safetensors.Tensor, error) {
	if err := s.ctx.Err(); err != nil {
		return safetensors.Tensor{}, err
	}
	shape, ok := s.shape[name]
	if !ok {
		return safetensors.Tensor{}, fmt.Errorf("the network has no tensor %q", name)
	}
	t := safetensors.Tensor{DType: s.dtype(), Shape: shape}
	put := putF32
	if s.bf16 {
		put = putBF16
	}
	t.Data = make([]byte, product(shape)*t.DType.Size())
	s.digests[name] = fillParallel(t.Data, product(shape), s.fill.weight(name, shape), put)
	return t, nil
}

// digest sums up the values of a tensor before they were rounded to F32, or
// after they were rounded to BF16.
type digest struct {
	first []float64 // at most two
	last  float64
	sum   float64
	size  float64 // Σ |x|, the scale of an error of sum
}

// digest returns that of a tensor, which is made for it if need be.
func (s *source) digest(name string) (digest, error) {
	if _, ok := s.digests[name]; !ok {
		if _, err := s.Tensor(name); err != nil {
			return digest{}, err
		}
	}
	return s.digests[name], nil
}

// put writes x as element i of dst and returns the value that counts as x.
type put func(dst []byte, i int, x float64) float64

func putF32(dst []byte, i int, x float64) float64 {
	binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(float32(x)))
	return x
}

// putBF16 rounds to F32 and then to BF16, both to nearest even.
func putBF16(dst []byte, i int, x float64) float64 {
	h := kernel.BF16FromF32(float32(x))
	binary.LittleEndian.PutUint16(dst[2*i:], h)
	return float64(kernel.F32FromBF16(h))
}

// fillBlock is the number of elements that one worker fills at a time.
const fillBlock = 1 << 18

// fillParallel sets the n elements of dst by f, on all cores. The sums are
// added block by block, so they do not depend on the number of cores.
func fillParallel(dst []byte, n int, f formula, p put) digest {
	blocks := make([]digest, (n+fillBlock-1)/fillBlock)
	next := make(chan int)
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(blocks)) {
		group.Go(func() {
			for b := range next {
				blocks[b] = fillRange(dst, b*fillBlock, min((b+1)*fillBlock, n), f, p)
			}
		})
	}
	for b := range blocks {
		next <- b
	}
	close(next)
	group.Wait()
	total := blocks[0]
	total.last = blocks[len(blocks)-1].last
	for _, d := range blocks[1:] {
		total.sum += d.sum
		total.size += d.size
	}
	return total
}

// fillRange sets elements lo to hi, at least one.
func fillRange(dst []byte, lo, hi int, f formula, p put) digest {
	var d digest
	for i := lo; i < hi; i++ {
		x := p(dst, i, f(i))
		if i < lo+2 {
			d.first = append(d.first, x)
		}
		d.last = x
		d.sum += x
		d.size += math.Abs(x)
	}
	return d
}
