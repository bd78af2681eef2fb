package kernel

// MatVec computes m, of few rows, with B stored transposed and A not, as fast as B
// can be read: B is not packed, and each of its elements comes from memory once.
//
// What [MatMul] promises holds here too, but for the order of sums on a vector
// tier: those of 16 lanes with AVX-512 or 8 with AVX2, neighbours in k, are
// added up in halves, then what is left of k less than a whole register is added
// in float64, in which the rest is computed as well, to be rounded once; the second
// pair is a product of its own, added to a C that is rounded already. Element
// (i, j) therefore differs from that of Tier.MatMul by rounding. Where Tier.MatMul
// multiplies bfloat16 in pairs, lanes are pairs; elsewhere bfloat16 are widened.
// The generic tier gives the same bytes as Tier.MatMul.
func (t Tier) MatVec(m *MatMul, s *Scratch) {
	m.check()
	if m.TransA || !m.TransB {
		panic("matvec: want A not transposed and B transposed")
	}
	if t != Generic && t != bestTier {
		t.demand()
	}
	if t == Generic {
		mmGeneric(m, s)
		return
	}
	if s.parts == nil {
		s.parts = &[2]MatMul{}
	}
	first, second := &s.parts[0], &s.parts[1]
	*first = *m
	first.K2 = 0
	matVec(t, first, s)
	if m.K2 > 0 {
		*second = MatMul{
			M: m.M, N: m.N, K: m.K2, A: m.A2, LDA: m.LDA2, B32: m.B2, LDB: m.LDB2, TransB: true,
			C: m.C, LDC: m.LDC, Alpha: m.Alpha, Beta: 1,
		}
		matVec(t, second, s)
	}
	*s.parts = [2]MatMul{} // they must keep no memory of others alive
}
