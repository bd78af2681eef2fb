//go:build !amd64

package kernel

// peakLoop returns 0: there is no vector tier.
func peakLoop(Tier) float64 { return 0 }
