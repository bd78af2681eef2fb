//go:build amd64 || arm64

package kernel

// packA packs a tile of A, some rows of the run of k, as [depth, height].
// Packers write 8 or 16 elements for each k, more than the tile is high; what
// is too much is overwritten by the next k or the next tile.
func (g *gemm) packA(dst []float32, row, height int) {
	if g.each == 2 {
		g.pairA(dst, row, height)
		return
	}
	var done int
	if g.TransA {
		done = g.copyA(dst, row, height)
	} else {
		done = g.transposeA(dst, row, height)
	}
	for k := done; k < g.depth; k++ {
		for i := range height {
			dst[k*height+i] = g.a(row+i, g.k+k)
		}
	}
	if g.RoundA {
		gemmRound(&dst[0], uintptr(mmPieces(height*g.depth, gemmLanes)))
	}
}

// transposeA packs rows of A that are stored with k fastest, and returns how
// much of the run it did. The upper rows go last: they overwrite what the lower
// ones wrote beyond the tile.
func (g *gemm) transposeA(dst []float32, row, height int) (done int) {
	groups := g.depth / gemmLanes
	if groups == 0 {
		return 0
	}
	for i := (height - 1) / gemmLanes * gemmLanes; i >= 0; i -= gemmLanes {
		at := gemmOffsets(i, height, 4*g.LDA)
		gemmTransposeF32(&g.A[row*g.LDA+g.k], &at, uintptr(groups), &dst[i], uintptr(4*height), uintptr(4*height*g.LDA))
	}
	return groups * gemmLanes
}

// gemmOffsets returns where rows i to i+7 of a matrix begin, with the given
// stride, the last of n rows in place of those it does not have.
func gemmOffsets(i, n, stride int) (at [gemmLanes]uintptr) {
	for r := range at {
		at[r] = uintptr(min(i+r, n-1) * stride)
	}
	return at
}

// copyA packs rows of A that are stored with k slowest, and returns how much
// of the run it did.
func (g *gemm) copyA(dst []float32, row, height int) (done int) {
	groups := mmPieces(height, gemmRowLanes)
	start := g.k*g.LDA + row
	n := gemmInside(g.depth, g.LDA, (g.K-1)*g.LDA+g.M-start, groups*gemmRowLanes)
	if n > 0 {
		gemmCopyF32(&g.A[start], uintptr(4*g.LDA), uintptr(n), &dst[0], uintptr(4*height), uintptr(groups), uintptr(4*height))
	}
	return n
}

// gemmInside returns how many of n rows have width elements before the end of
// the matrix, which lies size elements behind the start of the first.
func gemmInside(n, stride, size, width int) int {
	if size < width {
		return 0
	}
	return min(n, (size-width)/stride+1)
}

// packB packs the part of B that belongs to the strip and the run of k, each
// panel as [depth, width].
func (g *gemm) packB() {
	if g.TransB {
		for p := range g.panels {
			q := g.panel(p)
			g.fillB(&q, g.transposeB(&q), g.depth)
		}
		return
	}
	for k := 0; k < g.depth; k += gemmChunk {
		n := min(gemmChunk, g.depth-k)
		for p := range g.panels {
			q := g.panel(p)
			g.fillB(&q, k+g.copyB(&q, k, n), k+n)
		}
	}
}

// fillB packs rows k to end-1 of a panel, one element at a time.
func (g *gemm) fillB(q *gemmPanel, k, end int) {
	for ; k < end; k++ {
		row := q.b[k*q.width:][:q.width]
		clear(row[q.cols:])
		for c := range q.cols {
			row[c] = g.elementB(k, q.col+c)
		}
	}
}

// transposeB packs a panel of B that is stored with k fastest, and returns how
// much of the run it did.
func (g *gemm) transposeB(q *gemmPanel) (done int) {
	if g.each == 2 {
		return g.pairRowsB(q)
	}
	size, group := 4, gemmLanes
	if g.B16 != nil {
		size, group = 2, 2*gemmLanes
	}
	groups := g.depth / group
	if groups == 0 {
		return 0
	}
	for c := 0; c < q.width; c += gemmLanes {
		at := gemmOffsets(q.col+c, g.N, size*g.LDB)
		if g.B16 != nil {
			gemmTransposeBF16(&g.B16[g.k], &at, uintptr(groups), &q.b[c], uintptr(4*q.width), uintptr(8*size*g.LDB))
		} else {
			gemmTransposeF32(&g.B32[g.k], &at, uintptr(groups), &q.b[c], uintptr(4*q.width), uintptr(8*size*g.LDB))
		}
	}
	return groups * group
}

// copyB packs n rows from row k of a panel of B that is stored with k slowest,
// and returns how many it did.
func (g *gemm) copyB(q *gemmPanel, k, n int) (done int) {
	if g.each == 2 {
		return g.joinB(q, k, n)
	}
	start := (g.k+k)*g.LDB + q.col
	n = gemmInside(n, g.LDB, (g.K-1)*g.LDB+g.N-start, q.width)
	if n == 0 {
		return 0
	}
	dst, width, groups := &q.b[k*q.width], uintptr(4*q.width), uintptr(q.width/gemmRowLanes)
	if g.B16 != nil {
		gemmCopyBF16(&g.B16[start], uintptr(2*g.LDB), uintptr(n), dst, width, groups, uintptr(2*gemmChunk*g.LDB))
	} else {
		gemmCopyF32(&g.B32[start], uintptr(4*g.LDB), uintptr(n), dst, width, groups, uintptr(4*gemmChunk*g.LDB))
	}
	return n
}
