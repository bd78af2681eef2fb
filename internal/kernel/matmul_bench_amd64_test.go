package kernel

// peakLoop multiplies and adds in registers for some milliseconds and returns
// the number of operations, 0 for a tier that has no such loop.
func peakLoop(t Tier) float64 {
	const turns = 100_000
	switch t {
	case AVX2:
		gemmPeakAVX2(turns)
		return turns * 48 * 8 * 2
	case AVX512:
		gemmPeakAVX512(turns)
		return turns * 48 * 16 * 2
	}
	return 0
}
