package bench

import (
	"sync"

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

// peak is the yardstick of doing arithmetic, amount units of it, in the registers of
// as many cores as d has: what could be reached if nothing had to be loaded. It
// is nil for kernels that have no such loop.
func (s *session) peak(d *cpu.Device, a arithmetic, amount float64) yardstick {
	tier := d.Tier()
	if tier == kernel.Generic {
		return nil
	}
	onAll := func(loop func() float64) float64 {
		return s.rate(func() float64 { return together(d.Workers(), func(int) float64 { return loop() }) })
	}
	narrow, ok := any(tier).(bf16Tier)
	if !ok || d.Precision() != cpu.BF16 || narrow.PeakLoopBF16() == 0 {
		return func() float64 { return amount * onAll(tier.PeakLoop) / a.sum() }
	}
	return func() float64 {
		seconds := 0.0
		if a.frozen > 0 {
			seconds += a.frozen / onAll(narrow.PeakLoopBF16)
		}
		if a.other > 0 {
			seconds += a.other / onAll(tier.PeakLoop)
		}
		return amount / seconds
	}
}

// bf16Tier is a tier that may multiply in bfloat16. One that cannot has a loop
// of no operations; it rounds, and multiplies in float32.
type bf16Tier interface{ PeakLoopBF16() (flops float64) }

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
