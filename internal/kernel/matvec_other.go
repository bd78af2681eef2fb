//go:build !amd64

package kernel

// matVec is never called: there is no vector tier.
func matVec(Tier, *MatMul, *Scratch) {}
