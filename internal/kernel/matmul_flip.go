//go:build amd64 || arm64

package kernel

// A product with few rows and both operands stored with k slowest, such as the
// gradient of the first matrix of an adapter, is a narrow product, Cᵀ = Bᵀ · A,
// whose result lies across: it reads the wide operand in place.

// flips reports whether the transposed product is computed in place of m. The
// extents are such that whole registers take the result to C.
func (t *gemmTier) flips(m *MatMul) bool {
	switch {
	case t.place == nil, m.B32 == nil, m.RoundA, m.K2 > 0, !m.TransA, m.TransB:
		return false
	}
	return m.M <= t.width && m.N > t.width && m.M%gemmLanes == 0 && m.N%gemmLanes == 0
}

// flipped computes m by way of its transposed.
func (t *gemmTier) flipped(m *MatMul, s *Scratch) {
	n := m.M * m.N
	s.across = mmGrow(s.across, 2*n)
	across, c := s.across[:n], s.across[n:][:n]
	if s.flipped == nil {
		s.flipped = &MatMul{}
	}
	*s.flipped = MatMul{
		M: m.N, N: m.M, K: m.K, A: m.B32, LDA: m.LDB, TransA: true, B32: m.A, LDB: m.LDA, C: across, LDC: m.M, Alpha: 1,
	}
	t.multiply(s.flipped, s)
	*s.flipped = MatMul{} // it must keep no memory of others alive
	for i := 0; i < m.N; i += gemmLanes {
		at := gemmOffsets(0, gemmLanes, 4*m.M)
		gemmTransposeF32(&across[i*m.M], &at, uintptr(m.M/gemmLanes), &c[i], uintptr(4*m.N), 0)
	}
	var bias *float32
	if m.Bias != nil {
		bias = &m.Bias[0]
	}
	gemmFinish(&m.C[0], uintptr(4*m.LDC), &c[0], uintptr(m.M), uintptr(m.N/gemmLanes), bias, m.Alpha, m.Beta)
}
