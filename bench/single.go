package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"mole/device"
	"mole/device/cpu"
	"mole/model/qwen3vl"
	"mole/tensor"
)

// Targets of single operations, as parts of the peak.
const (
	gemmLeast      = 0.85
	linearLeast    = 0.75
	attentionLeast = 0.60
	threadsLeast   = 1.85 // speed on two cores over that on one
)

// peakName is the yardstick of arithmetic.
const peakName = "peak loop"

// giga is the multiple in which rates of arithmetic and memory are printed.
const giga = 1e9

// tokens returns the numbers of rows of an operation.
func (s *session) tokens(standard ...int) []int {
	if s.Tokens != nil {
		return s.Tokens
	}
	return standard
}

// normal returns a matrix of random numbers on d.
func normal(d *cpu.Device, seed uint64, extents ...int) tensor.Tensor {
	var shape tensor.Shape
	copy(shape[:], extents)
	t := d.Alloc(tensor.F32, shape)
	raw, err := binary.Append(nil, binary.LittleEndian, uniform(shape.Len(), seed))
	if err != nil {
		panic(err) // float32 has a fixed size
	}
	d.Write(t, raw)
	return t
}

// gemm measures products with frozen matrices of the widths, packing included:
// forward, where the matrix is stored transposed, and the gradient of the
// input, where it is not.
func (s *session) gemm(ctx context.Context) error {
	c, err := shape(s.Widths)
	if err != nil {
		return err
	}
	d, err := s.open(s.single())
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // all work is done by then
	for _, rows := range s.tokens(1024) {
		for _, l := range layers(&c.Text) {
			if err := s.product(ctx, d, rows, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// layer is the shape of a linear layer.
type layer struct {
	site    string // in the first layer of the text model
	in, out int
}

// layers returns the shapes of the linear layers of a text model, each once.
func layers(t *qwen3vl.TextConfig) []layer {
	return []layer{
		{"self_attn.q_proj", t.Hidden, t.Heads * t.HeadDim}, {"self_attn.k_proj", t.Hidden, t.KVHeads * t.HeadDim},
		{"mlp.gate_proj", t.Hidden, t.Intermediate}, {"mlp.down_proj", t.Intermediate, t.Hidden},
	}
}

// product measures both ways of one product.
func (s *session) product(ctx context.Context, d *cpu.Device, rows int, l layer) error {
	raw := newNoise(&qwen3vl.Config{}).Make("w", []int{l.out, l.in})
	w := d.Import(tensor.BF16, tensor.Shape{l.out, l.in}, raw.Data)
	x, y := normal(d, 1, rows, l.in), normal(d, 2, rows, l.out)
	defer free(d, w, x, y)
	flops := 2 * float64(rows) * float64(l.in) * float64(l.out)
	ways := []struct {
		name string
		run  func()
	}{
		{"forward", func() { d.MatMul(y, x, w, device.MatMul{TransB: true, Alpha: 1}) }},
		{"gradient", func() { d.MatMul(x, y, w, device.MatMul{Alpha: 1e-3}) }}, // keeps x from growing
	}
	for _, way := range ways {
		o, err := s.beside(ctx, func() float64 { way.run(); return flops }, s.peak(d, arithmetic{frozen: flops}, flops))
		if err != nil {
			return err
		}
		s.report.add(fmt.Sprintf("gemm %s %dx%dx%d", way.name, rows, l.out, l.in), d.Workers(), o, "Gflop/s", giga, peakName, atLeast(gemmLeast))
	}
	return nil
}

func free(d *cpu.Device, ts ...tensor.Tensor) {
	for _, t := range ts {
		d.Free(t)
	}
}

// lora measures linear layers with an adapter, forward and backward, as the
// network runs them: beside the peak, and on two cores beside one.
func (s *session) lora(ctx context.Context) error {
	one, err := s.openLinear(1)
	if err != nil {
		return err
	}
	defer one.close()
	two, err := s.openLinear(2)
	if err != nil {
		return err
	}
	defer two.close()
	c, err := shape(s.Widths)
	if err != nil {
		return err
	}
	for _, rows := range s.tokens(1024) {
		for _, l := range layers(&c.Text) {
			if err := s.linear(ctx, rows, l, one, two); err != nil {
				return err
			}
		}
	}
	return nil
}

// linearBench is a network of one layer on a device of its own.
type linearBench struct {
	device *cpu.Device
	net    *qwen3vl.Net
}

func (s *session) openLinear(threads int) (*linearBench, error) {
	c, err := config(s.Widths, 1, 1, tokenEnd)
	if err != nil {
		return nil, err
	}
	d, err := s.open(threads)
	if err != nil {
		return nil, err
	}
	b := &linearBench{device: d}
	m, err := qwen3vl.New(d, c, newNoise(c))
	if err == nil {
		b.net, err = s.adapted(m, "text")
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return b, nil
}

func (b *linearBench) close() {
	b.net.Close()
	b.net.Model.Close()
	_ = b.device.Close() // all work is done by then
}

// linearArithmetic returns what a layer takes: two products with the frozen matrix, six
// with the adapter's.
func linearArithmetic(rows, rank int, l layer) arithmetic {
	return arithmetic{frozen: 4 * float64(rows) * float64(l.in) * float64(l.out), other: 6 * float64(rows) * float64(rank) * float64(l.in+l.out)}
}

// work returns the layer on some rows, in operations.
func (b *linearBench) work(rows int, l layer, flops float64) (work, func(), error) {
	d := b.device
	x, y, dy, dx := normal(d, 1, rows, l.in), normal(d, 2, rows, l.out), normal(d, 3, rows, l.out), normal(d, 4, rows, l.in)
	site := "model.language_model.layers.0." + l.site
	err := b.net.Linear(site, x, y, dy, dx)
	return func() float64 {
		_ = b.net.Linear(site, x, y, dy, dx) // it did work before
		return flops
	}, func() { free(d, x, y, dy, dx) }, err
}

// linear measures one layer.
func (s *session) linear(ctx context.Context, rows int, l layer, one, two *linearBench) error {
	a := linearArithmetic(rows, s.Rank, l)
	single, free1, err := one.work(rows, l, a.sum())
	if err != nil {
		return err
	}
	defer free1()
	double, free2, err := two.work(rows, l, a.sum())
	if err != nil {
		return err
	}
	defer free2()
	name := fmt.Sprintf("lora forward+backward %dx%dx%d, rank %d", rows, l.out, l.in, s.Rank)
	o, err := s.beside(ctx, single, s.peak(one.device, a, a.sum()))
	if err != nil {
		return err
	}
	s.report.add(name, 1, o, "Gflop/s", giga, peakName, atLeast(linearLeast))
	if s.CPUTime { // which counts both cores
		return nil
	}
	if o, err = s.beside(ctx, double, s.loop(single)); err != nil {
		return err
	}
	s.report.add(name, 2, o, "Gflop/s", giga, "1 thread", atLeast(threadsLeast))
	return nil
}

// attention measures causal attention of the text model, forward and backward.
func (s *session) attention(ctx context.Context) error {
	c, err := shape(s.Widths)
	if err != nil {
		return err
	}
	d, err := s.open(s.single())
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // all work is done by then
	for _, rows := range s.tokens(1024, 4096) {
		run, flops, done := attentionWork(d, rows, &c.Text)
		o, err := s.beside(ctx, run, s.peak(d, arithmetic{other: flops}, flops))
		done()
		if err != nil {
			return err
		}
		name := fmt.Sprintf("attention forward+backward %d tokens, %d+%d heads of %d", rows, c.Text.Heads, c.Text.KVHeads, c.Text.HeadDim)
		s.report.add(name, d.Workers(), o, "Gflop/s", giga, peakName, atLeast(attentionLeast))
	}
	return nil
}

// attentionWork returns attention on some rows, and how many operations it takes: for
// a pair two products of the width of a head on the way forward and five back.
func attentionWork(d *cpu.Device, rows int, t *qwen3vl.TextConfig) (run work, flops float64, done func()) {
	q, k, v := normal(d, 1, rows, t.Heads, t.HeadDim), normal(d, 2, rows, t.KVHeads, t.HeadDim), normal(d, 3, rows, t.KVHeads, t.HeadDim)
	y, dy := normal(d, 4, rows, t.Heads, t.HeadDim), normal(d, 5, rows, t.Heads, t.HeadDim)
	dq, dk, dv := normal(d, 6, rows, t.Heads, t.HeadDim), normal(d, 7, rows, t.KVHeads, t.HeadDim), normal(d, 8, rows, t.KVHeads, t.HeadDim)
	lse := normal(d, 9, rows, t.Heads)
	o := device.Attention{
		Scale: float32(1 / math.Sqrt(float64(t.HeadDim))), Segments: []device.Segment{{End: int32(rows), Causal: true}},
	}
	flops = (forwardProducts + backwardProducts) * pairFlops(q, o)
	return func() float64 {
		d.Attention(y, lse, q, k, v, o)
		d.AttentionGrad(dq, dk, dv, dy, y, lse, q, k, v, o)
		return flops
	}, flops, func() { free(d, q, k, v, y, dy, dq, dk, dv, lse) }
}
