//go:build amd64 || arm64

package kernel

// A product as narrow as a panel meets each element of A in one tile only, so
// that packing A costs much of what multiplying does. Its micro-kernels are those
// of attention, which read A where it is. Where the rows of A lie so far apart
// that they crowd a few sets of the caches, A is copied first, in whole pieces of
// rows, which is still less than packing. The sums are the same.

const (
	// placeCrowd is the number of elements between rows, or a divisor of it, from
	// which on the rows of a tile and of a run do not fit in the sets they share.
	placeCrowd = 512
	// placePad keeps copied rows out of each other's sets.
	placePad = 16
	// placeTiles is the number of tiles that are copied together where k is the
	// slowest: so much of each row.
	placeTiles = 8
)

// inPlace reports whether A need not be packed. A tier that packs many tiles
// together copies rows that crowd no faster than it packs them.
func (g *gemm) inPlace() bool {
	if g.place == nil || g.N > g.width || g.RoundA {
		return false
	}
	return g.TransA || g.packTiles == 1 || !g.crowded()
}

// together returns the number of tiles that A is made ready for at once.
func (g *gemm) together() int {
	if g.TransA && g.inPlace() {
		return placeTiles
	}
	return g.packTiles
}

// crowded reports whether rows of A compete for sets of the caches.
func (g *gemm) crowded() bool { return g.LDA%placeCrowd == 0 }

// takeA makes tiles first to last-1 of A ready.
func (g *gemm) takeA(first, last int) {
	if !g.inPlace() {
		g.packTilesOf(first, last)
		return
	}
	row, rows := g.row+g.top(first), g.top(last)-g.top(first)
	switch {
	case g.TransA && g.crowded():
		placeCopy(g.s.a, rows, g.A[g.k*g.LDA+row:], g.LDA, g.depth, rows, gemmChunk)
		g.left = matrix{g.s.a, 1, rows}
	case g.TransA:
		g.left = matrix{g.A[g.k*g.LDA+row:], 1, g.LDA}
	case g.crowded():
		stride := g.depth + placePad
		placeCopy(g.s.a, stride, g.A[row*g.LDA+g.k:], g.LDA, rows, g.depth, rows)
		g.left = matrix{g.s.a, stride, 1}
	default:
		g.left = matrix{g.A[row*g.LDA+g.k:], g.LDA, 1}
	}
}

// placeTile adds the run to a tile of sums. row is its first, counted from that
// of the tiles that were made ready.
func (g *gemm) placeTile(q *gemmPanel, sums []float32, row int) {
	width, a := uintptr(4*q.width), &g.left
	q.place[len(sums)/q.width-1](uintptr(g.depth), &a.at[row*a.row], &q.b[0], &sums[0],
		uintptr(4*a.step), width, uintptr(4*a.row), width, g.k > 0)
}

// placeCopy sets n rows of dst to those of src, of so many columns; rows are
// their strides apart. It fetches what lies ahead rows further.
func placeCopy(dst []float32, dstStride int, src []float32, stride, n, columns, ahead int) {
	groups := columns / gemmRowLanes
	if groups > 0 {
		gemmCopyF32(&src[0], uintptr(4*stride), uintptr(n), &dst[0], uintptr(4*dstStride), uintptr(groups), uintptr(4*ahead*stride))
	}
	for i := range n {
		for j := groups * gemmRowLanes; j < columns; j++ {
			dst[i*dstStride+j] = src[i*stride+j]
		}
	}
}
