//go:build !amd64

package kernel

// mmRun computes m. There is only the generic tier.
func mmRun(_ Tier, m *MatMul, s *Scratch) { mmGeneric(m, s) }
