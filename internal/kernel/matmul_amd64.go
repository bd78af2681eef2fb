package kernel

//go:generate go run ./gen

// gemmRowLanes is the number of columns that gemmCopy works on at once.
const gemmRowLanes = 16

// gemmTiers holds the vector tiers. The micro-kernels fill the registers. With
// AVX-512 one tile of A, 28 KiB, stays in the first-level cache and panels of B
// pass by; with AVX2 a panel stays and some tiles pass. The sizes were the best
// of a few on Zen 4, for 1024 rows; they have no influence on results.
var gemmTiers = [...]gemmTier{
	AVX2: {
		each:      1,
		width:     16,
		wide:      gemm16ColumnsAVX2,
		packTiles: 12,
		stripCols: 1024,
		place:     tile16ColumnsAVX2,
	},
	AVX512: {
		each:      1,
		width:     32,
		wide:      gemm32ColumnsAVX512,
		narrow:    gemm16ColumnsAVX512,
		packTiles: 1,
		stripCols: 1024,

		place:       tile32ColumnsAVX512,
		placeNarrow: tile16ColumnsAVX512,
	},
	AVX512BF16: { // only for operands that can be paired
		each:      2,
		width:     32,
		wide:      gemm32ColumnsAVX512BF16,
		narrow:    gemm16ColumnsAVX512BF16,
		packTiles: 1,
		stripCols: 1024,
	},
}

// mmRun computes m on a tier that the processor supports.
func mmRun(t Tier, m *MatMul, s *Scratch) {
	switch {
	case t == Generic:
		mmGeneric(m, s)
	case t == AVX512BF16 && !m.pairs(t):
		gemmTiers[AVX512].product(m, s)
	default:
		gemmTiers[t].product(m, s)
	}
}
