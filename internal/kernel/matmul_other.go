//go:build !amd64 && !arm64

package kernel

// mmRun computes m. There is only the generic tier.
func mmRun(_ Tier, m *MatMul, s *Scratch) { mmGeneric(m, s) }

// A secondPair is memory that only vector tiers need.
type secondPair struct{ s Scratch }
