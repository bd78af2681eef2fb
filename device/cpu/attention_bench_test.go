package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

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

// BenchmarkAttentionCached measures one layer of the 2B network on one core where
// some sequences have a query each and many keys in pages. It reports how much of
// keys and values is read in a second, and which part that is of the rate of a loop
// that only reads them.
func BenchmarkAttentionCached(b *testing.B) {
	const keys, page = 1024, 64
	s := attentionShape{h: 16, k: 8, d: 128}
	for _, rows := range []int{1, 8} {
		for _, tier := range kernel.Tiers()[1:] {
			d, err := Open(Options{Workers: 1, Tier: tier.String()})
			if err != nil {
				b.Fatal(err)
			}
			s.t = rows * keys
			a := newAttentionCall(d, s)
			a.q, a.y, a.lse = a.q.Rows(0, rows), a.y.Rows(0, rows), a.lse.Rows(0, rows)
			a.o.Segments = cachedSegments(rows, keys, page)
			b.Run(fmt.Sprintf("%d/%v", rows, tier), func(b *testing.B) { besideReading(b, a) })
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// cachedSegments returns one query for each of some sequences, whose pages lie
// among one another.
func cachedSegments(rows, keys, page int) []device.Segment {
	var list []device.Segment
	for i := range rows {
		s := device.Segment{Start: int32(i), End: int32(i + 1), Causal: true, Before: int32(page - 1)}
		for p := range keys / page {
			at := int32((p*rows + i) * page)
			s.Key = at + int32(page-1)
			s.Past = append(s.Past, device.Span{Start: at, End: at + int32(page)})
		}
		s.Past = s.Past[:len(s.Past)-1]
		list = append(list, s)
	}
	return list
}

// besideReading measures a and the loop that reads its keys and values.
func besideReading(b *testing.B, a *attentionCall) {
	var reading time.Duration
	bytes := 2 * float64(a.k.Len()*a.k.DType.Size())
	read := 0.0
	memory := unsafe.Slice((*uint16)(unsafe.Pointer(&f32(a.k)[0])), 2*a.k.Len())
	a.forward()
	for b.Loop() {
		a.forward()
		b.StopTimer()
		start := time.Now()
		read += float64(kernel.ReadLoop(memory))
		reading += time.Since(start)
		b.StartTimer()
	}
	rate := bytes * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate/1e9, "GB/s")
	if read > 0 {
		b.ReportMetric(100*rate/(read/reading.Seconds()), "%read")
	}
}
