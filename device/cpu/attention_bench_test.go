package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"mole/device"
	"mole/internal/kernel"
	"mole/tensor"
)

// attentionShape is one call of attention: a sequence, or an image.
type attentionShape struct {
	name     string
	t        int // tokens
	h, k, d  int
	causal   bool
	tooLarge bool // for the generic tier
}

// attentionShapes are a layer of the 2B network, of its tower, and of the text
// and the tower of a small one.
var attentionShapes = []attentionShape{
	{"2b", 1024, 16, 8, 128, true, true},
	{"2b", 4096, 16, 8, 128, true, true},
	{"2b tower", 1024, 16, 16, 64, false, true},
	{"tower of 72", 576, 16, 16, 72, false, true},
	{"tiny", 130, 6, 6, 32, true, false},
	{"tiny", 1000, 6, 6, 32, true, false},
	{"tiny tower", 252, 4, 4, 32, false, false},
}

// pairs returns the number of pairs of a query of one head and a key that it
// sees.
func (s *attentionShape) pairs() float64 {
	if s.causal {
		return float64(s.t) * float64(s.t+1) / 2 * float64(s.h)
	}
	return float64(s.t) * float64(s.t) * float64(s.h)
}

// attentionCall is a shape with operands on a device.
type attentionCall struct {
	d                               *Device
	q, k, v, y, dy, lse, dq, dk, dv tensor.Tensor
	o                               device.Attention
}

func newAttentionCall(d *Device, s attentionShape) *attentionCall {
	a := &attentionCall{d: d}
	r := rand.New(rand.NewPCG(1, 1))
	normal := func(heads int) tensor.Tensor {
		x := d.Alloc(tensor.F32, tensor.Shape{s.t, heads, s.d})
		for i, e := 0, f32(x); i < len(e); i++ {
			e[i] = float32(r.NormFloat64())
		}
		return x
	}
	a.q, a.dy, a.y, a.dq = normal(s.h), normal(s.h), normal(s.h), normal(s.h)
	a.k, a.v, a.dk, a.dv = normal(s.k), normal(s.k), normal(s.k), normal(s.k)
	a.lse = d.Alloc(tensor.F32, tensor.Shape{s.t, s.h})
	scale := float32(1 / math.Sqrt(float64(s.d)))
	a.o = device.Attention{Scale: scale, Segments: []device.Segment{{End: int32(s.t), Causal: s.causal}}}
	return a
}

func (a *attentionCall) forward() { a.d.Attention(a.y, a.lse, a.q, a.k, a.v, a.o) }

func (a *attentionCall) backward() {
	a.d.AttentionGrad(a.dq, a.dk, a.dv, a.dy, a.y, a.lse, a.q, a.k, a.v, a.o)
}

// BenchmarkAttention measures one layer on one core. A pair takes two products
// of width D on the way forward and five on the way back; beside their speed
// stands the part of the peak loop's, which runs in turn with it.
func BenchmarkAttention(b *testing.B) {
	for _, s := range attentionShapes {
		for _, tier := range kernel.Tiers() {
			if tier == kernel.Generic && s.tooLarge {
				continue
			}
			d, err := Open(Options{Workers: 1, Tier: tier.String()})
			if err != nil {
				b.Fatal(err)
			}
			a := newAttentionCall(d, s)
			name := fmt.Sprintf("%s/T=%d/H=%d/D=%d/%v", s.name, s.t, s.h, s.d, tier)
			flops := 2 * float64(s.d) * s.pairs()
			b.Run(name+"/forward", func(b *testing.B) { besidePeak(b, tier, 2*flops, a.forward) })
			b.Run(name+"/backward", func(b *testing.B) { besidePeak(b, tier, 5*flops, a.backward) })
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// besidePeak measures run, which does so many operations, and the peak loop.
func besidePeak(b *testing.B, tier kernel.Tier, flops float64, run func()) {
	var peak time.Duration
	var done float64
	run()
	for b.Loop() {
		run()
		b.StopTimer()
		start := time.Now()
		done += tier.PeakLoop()
		peak += time.Since(start)
		b.StartTimer()
	}
	rate := flops * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate/1e9, "Gflop/s")
	if done > 0 {
		b.ReportMetric(100*rate/(done/peak.Seconds()), "%peak")
	}
}
