//go:build !amd64

package kernel

// peakLoop is never called: there is no vector tier.
func peakLoop(Tier) (flops float64) { return 0 }
