//go:build amd64

package kernel

import "math"

// Packing for products of bfloat16: what is one element of a packed operand
// elsewhere is here the elements of k and k+1, the first in the lower half; 0
// stands beside the last of an odd number. Scratch holds such pairs in place of
// float32.

// gemmPairLanes is the number of rows that gemmTransposePairs works on at once,
// and that of the pairs it takes from each.
const gemmPairLanes = 16

// pair returns two bfloat16 as an element of scratch.
func pair(low, high uint16) float32 {
	return math.Float32frombits(uint32(low) | uint32(high)<<16)
}

// pairA is packA for pairs: A is rounded, and never transposed.
func (g *gemm) pairA(dst []float32, row, height int) {
	groups := g.wholePairs()
	if groups > 0 {
		at := gemmPairOffsets(0, height, 4*g.LDA)
		gemmTransposePairsF32(&g.A[row*g.LDA+g.k], &at, uintptr(groups), &dst[0], uintptr(4*height), uintptr(4*height*g.LDA))
	}
	for k := groups * gemmPairLanes; k < g.depth; k++ {
		for i := range height {
			dst[k*height+i] = g.pairOfA(row+i, g.k+2*k)
		}
	}
}

// wholePairs returns how many groups of pairs the run has.
func (g *gemm) wholePairs() int {
	return min(g.depth, (g.K-g.k)/2) / gemmPairLanes
}

// gemmPairOffsets returns where rows i to i+15 of a matrix begin, with the given
// stride, the last of n rows in place of those it does not have.
func gemmPairOffsets(i, n, stride int) (at [gemmPairLanes]uintptr) {
	for r := range at {
		at[r] = uintptr(min(i+r, n-1) * stride)
	}
	return at
}

// pairOfA returns elements (i, k) and (i, k+1) of A, rounded.
func (g *gemm) pairOfA(i, k int) float32 {
	var high uint16
	if k+1 < g.K {
		high = BF16FromF32(g.A[i*g.LDA+k+1])
	}
	return pair(BF16FromF32(g.A[i*g.LDA+k]), high)
}

// elementB returns packed element k of the run, in column j.
func (g *gemm) elementB(k, j int) float32 {
	if g.each == 1 {
		return g.b(g.k+k, j)
	}
	at, next := g.k+2*k, g.k+2*k+1
	low, high := at*g.LDB+j, next*g.LDB+j
	if g.TransB {
		low, high = j*g.LDB+at, j*g.LDB+next
	}
	if next == g.K {
		return pair(g.B16[low], 0)
	}
	return pair(g.B16[low], g.B16[high])
}

// pairRowsB is transposeB for pairs.
func (g *gemm) pairRowsB(q *gemmPanel) (done int) {
	groups := g.wholePairs()
	if groups == 0 {
		return 0
	}
	for c := 0; c < q.width; c += gemmPairLanes {
		at := gemmPairOffsets(q.col+c, g.N, 2*g.LDB)
		gemmTransposePairsBF16(&g.B16[g.k], &at, uintptr(groups), &q.b[c], uintptr(4*q.width), uintptr(2*gemmPairLanes*g.LDB))
	}
	return groups * gemmPairLanes
}

// joinB is copyB for pairs.
func (g *gemm) joinB(q *gemmPanel, k, n int) (done int) {
	first := g.k + 2*k
	start := first*g.LDB + q.col
	rows := min(2*n, g.K-first)
	n = gemmInside(rows, g.LDB, (g.K-1)*g.LDB+g.N-start, q.width) / 2
	if n == 0 {
		return 0
	}
	gemmJoinBF16(&g.B16[start], uintptr(2*g.LDB), uintptr(n), &q.b[k*q.width], uintptr(4*q.width),
		uintptr(q.width/gemmRowLanes), uintptr(4*gemmChunk*g.LDB))
	return n
}

// whole returns the tier that multiplies float32 in tiles like those of t.
func (t *gemmTier) whole() *gemmTier {
	if t.each == 1 {
		return t
	}
	return &gemmTiers[AVX512]
}
