//go:build !amd64 && !arm64

package kernel

// matVec is never called: there is no vector tier.
func matVec(Tier, *MatMul, *Scratch) {}
