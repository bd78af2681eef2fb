package bench

import (
	"sync"
	"time"

	"mole/device/cpu"
	"mole/internal/kernel"
)

// together runs work on some goroutines at once and returns the sum.
func together(threads int, w func(thread int) float64) float64 {
	amounts := make([]float64, threads)
	var running sync.WaitGroup
	for i := range threads {
		running.Go(func() { amounts[i] = w(i) })
	}
	running.Wait()
	sum := 0.0
	for _, a := range amounts {
		sum += a
	}
	return sum
}

// yardstick returns what something else does per second, in the unit of what is
// held against it. nil is none.
type yardstick func() (rate float64)

// loop is the yardstick of doing work as fast as it goes.
func (s *session) loop(w work) yardstick { return func() float64 { return s.rate(w) } }

// arithmetic is an amount of operations of products and attention.
type arithmetic struct {
	frozen float64 // of products with frozen matrices, in the precision of the device
	other  float64 // always in float32
}

// sum returns all operations.
func (a arithmetic) sum() float64 { return a.frozen + a.other }

// peakRates are what the cores of a device do per second in registers: what
// could be reached if nothing had to be loaded. They are 0 for kernels that have
// no such loop.
type peakRates struct{ f32, bf16 float64 }

// seconds returns how long arithmetic takes at the peak. Where the device does
// not multiply in bfloat16, it rounds, and multiplies in float32.
func (p peakRates) seconds(a arithmetic) float64 {
	switch {
	case p.bf16 == 0:
		return a.sum() / p.f32
	case a.other == 0: // p.f32 was not measured then
		return a.frozen / p.bf16
	}
	return a.frozen/p.bf16 + a.other/p.f32
}

// peakRates measures those that a needs, each for at least some time.
func (s *session) peakRates(d *cpu.Device, a arithmetic, least time.Duration) peakRates {
	var p peakRates
	tier := d.Tier()
	onAll := func(loop func() float64) float64 {
		return s.rateOver(least, func() float64 { return together(d.Workers(), func(int) float64 { return loop() }) })
	}
	if d.Precision() == cpu.BF16 && a.frozen > 0 && tier.PeakLoopBF16() > 0 {
		p.bf16 = onAll(tier.PeakLoopBF16)
	}
	if tier != kernel.Generic && (a.other > 0 || p.bf16 == 0) {
		p.f32 = onAll(tier.PeakLoop)
	}
	return p
}

// peak is the yardstick of doing arithmetic, amount units of it, at the peak. It
// is nil where there is none.
func (s *session) peak(d *cpu.Device, a arithmetic, amount float64) yardstick {
	if d.Tier() == kernel.Generic {
		return nil
	}
	return func() float64 { return amount / s.peakRates(d, a, s.Slice).seconds(a) }
}

// readWords is how much the loop that reads memory reads on each core, in words of 8
// bytes: more than any cache holds.
const readWords = 16 << 20

// reader returns the loop that reads memory on some cores, in bytes.
func reader(threads int) work {
	memory := make([][]uint64, threads)
	together(threads, func(i int) float64 {
		memory[i] = make([]uint64, readWords)
		for k := range memory[i] {
			memory[i][k] = uint64(k)
		}
		return 0
	})
	sums := make([]uint64, threads*8) // a cache line for each
	return func() float64 {
		return together(threads, func(i int) float64 {
			sums[8*i] += sumWords(memory[i])
			return 8 * readWords
		})
	}
}

// sumWords reads all words, eight at a time, which waits for memory only.
func sumWords(v []uint64) uint64 {
	var a, b, c, d uint64
	for ; len(v) >= 8; v = v[8:] {
		w := v[:8:8]
		a += w[0] ^ w[4]
		b += w[1] ^ w[5]
		c += w[2] ^ w[6]
		d += w[3] ^ w[7]
	}
	return a + b + c + d
}
