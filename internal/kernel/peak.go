package kernel

// peakTurns is the length of a peak loop: some milliseconds.
const peakTurns = 100_000

// PeakLoop multiplies and adds in registers for some milliseconds and returns
// the number of operations, two for each fused one: what a tier could do if it
// never waited, to hold other speeds against. It returns 0 for a tier that has no
// such loop.
func (t Tier) PeakLoop() (flops float64) {
	if t == Generic || t.Supported() != nil {
		return 0
	}
	return peakLoop(t)
}

// PeakLoopBF16 is PeakLoop in products of bfloat16, for a tier that has them.
func (t Tier) PeakLoopBF16() (flops float64) {
	if t != AVX512BF16 || t.Supported() != nil {
		return 0
	}
	return peakLoopBF16()
}

// ReadLoop reads w once and returns the number of bytes: what a product could do
// whose matrix is not in the cache and which has nothing else to do. It returns 0
// on a processor without vector tiers.
func ReadLoop(w []uint16) (bytes int) {
	if AVX2.Supported() != nil {
		return 0
	}
	return readLoop(w)
}
