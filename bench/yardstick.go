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

// peak returns the loop that multiplies and adds in the registers of as many
// cores as d has, in operations: what products could reach if nothing had to be
// loaded. It is nil for kernels that have none.
func peak(d *cpu.Device) work {
	if d.Tier() == kernel.Generic {
		return nil
	}
	return func() float64 {
		return together(d.Workers(), func(int) float64 { return d.Tier().PeakLoop() })
	}
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
