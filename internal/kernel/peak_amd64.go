package kernel

import "unsafe"

// peakLoop is PeakLoop on a vector tier.
func peakLoop(t Tier) (flops float64) {
	if t >= AVX512 {
		gemmPeakAVX512(peakTurns)
		return peakTurns * 48 * 16 * 2
	}
	gemmPeakAVX2(peakTurns)
	return peakTurns * 48 * 8 * 2
}

// peakLoopBF16 is PeakLoopBF16 where the processor can.
func peakLoopBF16() (flops float64) {
	gemmPeakAVX512BF16(peakTurns)
	return peakTurns * 48 * 32 * 2
}

// readLoop is ReadLoop, to the last 512 bytes.
func readLoop(w []uint16) (bytes int) {
	const block = 512
	n := 2 * len(w) / block
	if n > 0 {
		readLines((*byte)(unsafe.Pointer(&w[0])), uintptr(n))
	}
	return n * block
}
