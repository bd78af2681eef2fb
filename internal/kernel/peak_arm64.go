package kernel

// peakLoop is PeakLoop on a vector tier.
func peakLoop(Tier) (flops float64) {
	gemmPeakNEON(peakTurns)
	return peakTurns * 48 * 4 * 2
}

// peakLoopBF16 and readLoop are never called: no tier has such loops.
func peakLoopBF16() (flops float64) { return 0 }

func readLoop([]uint16) (bytes int) { return 0 }
