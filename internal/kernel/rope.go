package kernel

// RoPE turns, in place, each pair (i, i+D/2) of one head x [D] by the angle
// whose cosine and sine are cos[i] and sin[i], both [D/2]. A sign of −1 turns
// it back.
//
// Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position
// Embedding", 2021, in the half-split form.
func RoPE(x, cos, sin []float32, sign float32) {
	n := len(cos)
	lo, hi := x[:n], x[n:2*n]
	sin = sin[:n]
	for i, c := range cos {
		c, s := float64(c), float64(sign*sin[i])
		a, b := float64(lo[i]), float64(hi[i])
		lo[i] = float32(a*c - b*s)
		hi[i] = float32(b*c + a*s)
	}
}
