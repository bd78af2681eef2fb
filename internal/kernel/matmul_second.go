//go:build amd64 || arm64

package kernel

// The second pair of a product is one more run of k, from operands of their own
// and always in float32: tiles of sums look the same in all tiers of one
// width. It is added to a tile after the last run, while the tile is in the
// first-level cache, and before it goes to C.

// A secondPair is the memory of the product of a second pair.
type secondPair struct {
	m MatMul
	g gemm
	s Scratch
}

// pairOf returns the product of the second pair of m, or nil. It lives in s.
func (t *gemmTier) pairOf(m *MatMul, s *Scratch) *gemm {
	if m.K2 == 0 {
		return nil
	}
	if s.second == nil {
		s.second = &secondPair{}
	}
	p := s.second
	p.m = MatMul{
		M: m.M, N: m.N, K: m.K2,
		A: m.A2, LDA: m.LDA2, B32: m.B2, LDB: m.LDB2, TransB: m.TransB,
	}
	p.g = gemm{MatMul: &p.m, gemmTier: t.whole(), s: &p.s}
	return &p.g
}

// beginSecond packs the part of B2 that belongs to the strip, if there is a
// second pair.
func (g *gemm) beginSecond() {
	p := g.second
	if p == nil {
		return
	}
	p.row, p.rows, p.col, p.cols = g.row, g.rows, g.col, g.cols
	p.panels, p.height, p.taller, p.depth = g.panels, g.height, g.taller, p.K
	p.s.a = mmGrow(p.s.a, g.together()*len(g.wide)*p.depth+gemmSlack)
	p.s.b = mmGrow(p.s.b, p.depth*p.panels*p.width)
	p.packB()
}

// addTile adds the product of the second pair to the tile of sums of panel q of
// the first pair; see complete.
func (g *gemm) addTile(q *gemmPanel, sums []float32, start, top int) {
	p := g.panel((q.col - g.col) / g.width)
	a := g.s.a[(top-start)*g.depth:]
	p.micro[len(sums)/p.width-1](uintptr(g.depth), &a[0], &p.b[0], &sums[0], true)
}
