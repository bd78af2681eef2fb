//go:build !amd64 && !arm64

package kernel

// peakLoop, peakLoopBF16 and readLoop are never called: there is no vector tier.
func peakLoop(Tier) (flops float64) { return 0 }

func peakLoopBF16() (flops float64) { return 0 }

func readLoop([]uint16) (bytes int) { return 0 }
