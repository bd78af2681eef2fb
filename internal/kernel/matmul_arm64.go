package kernel

// gemmRowLanes is the number of columns that gemmCopy works on at once.
const gemmRowLanes = 8

// gemmNEON is the vector tier. The micro-kernels fill the registers. A panel,
// 16 KiB, stays in the first-level cache and some tiles of A, 24 KiB each, pass
// by from the second; no machine was at hand to measure other sizes, which have
// no influence on results.
var gemmNEON = gemmTier{
	each:      1,
	width:     8,
	wide:      gemm8ColumnsNEON,
	packTiles: 8,
	stripCols: 1024,
}

// gemmNEONFew is the tier for few rows: a row alone has four sums at work, not
// two, so that each multiplication waits less for the one before.
var gemmNEONFew = gemmTier{
	each:      1,
	width:     16,
	wide:      gemm16ColumnsNEON,
	packTiles: 1,
	stripCols: 1024,
}

// mmRun computes m on a tier that the processor supports.
func mmRun(t Tier, m *MatMul, s *Scratch) {
	switch {
	case t == Generic:
		mmGeneric(m, s)
	case m.M <= len(gemmNEONFew.wide):
		gemmNEONFew.product(m, s)
	default:
		gemmNEON.product(m, s)
	}
}

// matVec is MatVec on a vector tier: a packed product.
func matVec(t Tier, m *MatMul, s *Scratch) { mmRun(t, m, s) }
