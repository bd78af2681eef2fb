package qwen3vl

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"mole/device"
	"mole/device/cpu"
	"mole/internal/kernel"
	"mole/tensor"
)

// BenchmarkLinear runs the linear layers of the 2B network with an adapter of
// rank 16, forward and backward, on one worker and on two in turn. It reports the
// part of the peak loop's rate that one worker reaches, how many times as fast two
// are, and how many times as fast two peak loops are, which need no memory and no
// partner. All are the best of their turns, and all multiplications count, those
// of the adapter too.
func BenchmarkLinear(b *testing.B) {
	const tokens, rank = 1024, 16
	layers := []struct {
		name    string
		in, out int
	}{{"q", 2048, 2048}, {"k", 2048, 1024}, {"gate", 2048, 6144}, {"down", 6144, 2048}}
	for _, precision := range []cpu.Precision{cpu.F32, cpu.BF16} {
		for _, l := range layers {
			b.Run(fmt.Sprintf("%s/%v", l.name, precision), func(b *testing.B) {
				one := newLinearCall(b, cpu.Options{Workers: 1, Precision: precision}, l.in, l.out, tokens, rank)
				two := newLinearCall(b, cpu.Options{Workers: 2, Precision: precision}, l.in, l.out, tokens, rank)
				benchmarkLinear(b, one, two)
			})
		}
	}
}

func benchmarkLinear(b *testing.B, one, two *linearCall) {
	var alone, both, peak, peaks bestRate
	for b.Loop() {
		alone.time(one.run)
		b.StopTimer()
		both.time(two.run)
		peak.time(one.peak)
		peaks.time(one.peaks)
		b.StartTimer()
	}
	b.ReportMetric(float64(alone)/1e9, "Gflop/s")
	b.ReportMetric(float64(both/alone), "x2")
	if peak > 0 {
		b.ReportMetric(100*float64(alone/peak), "%peak")
		b.ReportMetric(float64(peaks/peak), "x2-peak")
	}
}

// A bestRate is the highest rate that was measured, in units a second: what
// else runs on the machine only ever lowers it.
type bestRate float64

// time runs f, which returns how many units of work it did.
func (r *bestRate) time(f func() float64) {
	start := time.Now()
	units := f()
	*r = max(*r, bestRate(units/time.Since(start).Seconds()))
}

// A linearCall is a linear layer with its operands on a device.
type linearCall struct {
	dev          *cpu.Device
	net          *Net
	layer        linear
	x, y, dy, dx tensor.Tensor
	flops        float64
}

func newLinearCall(b *testing.B, o cpu.Options, in, out, tokens, rank int) *linearCall {
	d, err := cpu.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := d.Close(); err != nil {
			b.Error(err)
		}
	})
	r := rand.New(rand.NewPCG(1, 1))
	f32 := func(rows, cols int) tensor.Tensor {
		t := d.Alloc(tensor.F32, tensor.Shape{rows, cols})
		v := make([]float32, t.Len())
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		d.Write(t, elementBytes(v))
		return t
	}
	w := make([]byte, 2*in*out)
	for i := range in * out {
		w[2*i], w[2*i+1] = byte(r.Uint32()), 0x3f // from 0.5 to 2
	}
	c := &linearCall{dev: d, x: f32(tokens, in), y: f32(tokens, out), dy: f32(tokens, out), dx: f32(tokens, in)}
	c.layer.w = d.Import(tensor.BF16, tensor.Shape{out, in}, w)
	p := &pair{a: f32(rank, in), b: f32(out, rank), da: f32(rank, in), db: f32(out, rank), scale: 2}
	c.net = &Net{Model: &Model{dev: d}, pairs: []*pair{p}, arena: device.NewArena(d)}
	c.flops = 2 * float64(tokens) * float64(2*in*out+3*rank*(in+out))
	return c
}

// run is a step of the layer; it returns how much was multiplied and added.
func (c *linearCall) run() float64 {
	c.net.arena.Reset()
	tape := c.net.linear(&c.layer, c.x, nil, c.y)
	c.net.linearGrad(&c.layer, tape, c.dx, 0, c.dy)
	return c.flops
}

// peaks runs the loop of peak on two cores.
func (c *linearCall) peaks() float64 {
	other := make(chan float64)
	go func() { other <- c.peak() }()
	return c.peak() + <-other
}

// peak runs the loop that bounds the base's products.
func (c *linearCall) peak() float64 {
	if t := c.dev.Tier(); c.dev.Precision() == cpu.F32 || t != kernel.AVX512BF16 {
		return t.PeakLoop()
	}
	return c.dev.Tier().PeakLoopBF16()
}
