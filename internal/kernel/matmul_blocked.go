//go:build amd64 || arm64

package kernel

// The vector product, after Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", 2008. C is computed in strips of
// some rows and columns. For each run of k, the block of B that belongs to the
// strip is packed into panels as wide as a tile, 2 MiB at most, which stay in
// the caches; then, a few at a time, the tiles of A are packed, and each meets
// every panel in a micro-kernel. The sums of the strip stay in the scratch until
// the last run, after which each tile goes to C.
//
// Tiles and panels at the edges are filled up with copies or with whatever lies
// beyond them in memory: a column of sums depends on its own column of B alone,
// so what is computed there is thrown away.

const (
	// gemmDepth is the length of a run of k, in packed elements. It decides how
	// sums are rounded, so all tiers that shall agree to the bit have the same.
	gemmDepth = 512
	// gemmStrip is the largest number of rows of a strip; it bounds the scratch.
	gemmStrip = 1344
	// gemmLanes is the number of columns that gemmTranspose works on at once;
	// gemmRowLanes is that of gemmCopy.
	gemmLanes = 8
	// gemmChunk is the number of packed rows of B that are packed into all panels
	// before the next: so many streams the processor fetches ahead.
	gemmChunk = 16
	// gemmSlack is what packers may write, and micro-kernels read, behind the
	// last tile of A.
	gemmSlack = gemmRowLanes
)

// A gemmMicro is a micro-kernel. It sets tile to a · b, with the tile of A
// packed as [depth, height], the panel of B as [depth, width] and the result as
// [height, width], or adds the product to tile.
type gemmMicro func(depth uintptr, a, b, tile *float32, add bool)

// A gemmTier is what a tier brings to the vector product.
type gemmTier struct {
	each      int         // elements of k in a packed one: 1, or 2 in bfloat16
	width     int         // columns of a tile
	wide      []gemmMicro // by height less one
	narrow    []gemmMicro // for panels of at most half the width, or nil
	packTiles int         // tiles of A that are packed together
	stripCols int         // columns of a strip, a multiple of width

	place, placeNarrow []tileMicro // like wide and narrow, for an A that is not packed, or nil
}

// A gemm is a product at work on one strip and one run of k.
type gemm struct {
	*MatMul
	*gemmTier
	s         *Scratch
	row, rows int // of the strip
	col, cols int // of the strip
	panels    int // of the strip, side by side
	height    int // of its tiles
	taller    int // of its tiles, the first, have a row more
	k, depth  int // the run: where it begins, and its length in packed elements

	left   matrix // A from the first of the tiles that are ready on, where it is not packed
	second *gemm  // the product of the second pair, on the same strip; nil for none
}

// A gemmPanel is a panel of B.
type gemmPanel struct {
	col, cols int         // columns of C that it gives
	width     int         // columns of its tiles, cols or more
	micro     []gemmMicro // of that width
	place     []tileMicro // of that width, or nil
	b         []float32   // packed
}

// product computes m.
func (t *gemmTier) product(m *MatMul, s *Scratch) {
	if t.flips(m) {
		t.flipped(m, s)
		return
	}
	t.multiply(m, s)
}

// multiply computes m as it is.
func (t *gemmTier) multiply(m *MatMul, s *Scratch) {
	g := gemm{MatMul: m, gemmTier: t, s: s, second: t.pairOf(m, s)}
	cols := t.stripCols
	if m.TransB && m.M <= len(t.wide) {
		cols = t.width // a panel meets one tile only: leave it in the first-level cache
	}
	strips := mmPieces(m.M, gemmStrip)
	for i := range strips {
		g.row = m.M * i / strips
		g.rows = m.M*(i+1)/strips - g.row
		for g.col = 0; g.col < m.N; g.col += cols {
			g.cols = min(cols, m.N-g.col)
			g.strip()
		}
	}
	if g.second != nil {
		*g.second.MatMul = MatMul{} // it must keep no memory of others alive
	}
}

// strip computes one strip.
func (g *gemm) strip() {
	g.panels = mmPieces(g.cols, g.width)
	tiles := mmPieces(g.rows, len(g.wide))
	g.height, g.taller = g.rows/tiles, g.rows%tiles
	g.reserve()
	g.beginSecond()
	for g.k = 0; g.k < g.K; g.k += gemmDepth * g.each {
		g.depth = min(gemmDepth, mmPieces(g.K-g.k, g.each))
		g.packB()
		for t := 0; t < tiles; t += g.together() {
			g.tiles(t, min(t+g.together(), tiles))
		}
	}
}

// reserve makes the scratch large enough for the strip.
func (g *gemm) reserve() {
	high, depth, padded := len(g.wide), min(gemmDepth, mmPieces(g.K, g.each)), g.panels*g.width
	g.s.a = mmGrow(g.s.a, g.together()*high*(depth+placePad)+gemmSlack)
	g.s.b = mmGrow(g.s.b, depth*padded)
	g.s.sums = mmGrow(g.s.sums, g.rows*padded)
	g.s.edge = mmGrow(g.s.edge, (high+1)*g.width)
}

// panel returns panel p of the strip.
func (g *gemm) panel(p int) gemmPanel {
	at := p * g.width
	q := gemmPanel{col: g.col + at, cols: min(g.width, g.cols-at), width: g.width, micro: g.wide, place: g.place}
	if g.narrow != nil && q.cols <= g.width/2 {
		q.width, q.micro, q.place = g.width/2, g.narrow, g.placeNarrow
	}
	q.b = g.s.b[at*g.depth:][:q.width*g.depth]
	return q
}

// top returns the first row of tile t, counted from that of the strip.
func (g *gemm) top(t int) int { return t*g.height + min(t, g.taller) }

// tiles makes tiles first to last-1 of A ready and multiplies them with all
// panels.
func (g *gemm) tiles(first, last int) {
	start := g.top(first)
	g.takeA(first, last)
	if g.second != nil && g.last() {
		g.second.packTilesOf(first, last)
	}
	for p := range g.panels {
		q := g.panel(p)
		for t := first; t < last; t++ {
			top := g.top(t)
			g.ahead(&q, top, g.top(t+1)-top)
			sums := g.tile(&q, start, top, g.top(t+1)-top)
			if g.last() {
				g.complete(&q, sums, start, top)
			}
		}
	}
}

// packTilesOf packs tiles first to last-1 of A.
func (g *gemm) packTilesOf(first, last int) {
	start := g.top(first)
	for t := first; t < last; t++ {
		g.packA(g.s.a[(g.top(t)-start)*g.depth:], g.row+g.top(t), g.top(t+1)-g.top(t))
	}
}

// last reports whether no run follows this one.
func (g *gemm) last() bool { return g.k+g.depth*g.each >= g.K }

// tile adds the run to one tile of sums and returns it. start is the top of the
// first tile that is ready. The tiles of a strip follow each other, so that none
// shares a cache set with its neighbours.
func (g *gemm) tile(q *gemmPanel, start, top, height int) (sums []float32) {
	at := top*g.panels*g.width + (q.col-g.col)*height
	if g.K <= gemmDepth*g.each {
		at = 0 // only one run: one tile serves for all
	}
	sums = g.s.sums[at:][:height*q.width]
	if g.inPlace() {
		g.placeTile(q, sums, top-start)
		return sums
	}
	q.micro[height-1](uintptr(g.depth), &g.s.a[(top-start)*g.depth], &q.b[0], &sums[0], g.k > 0)
	return sums
}

// complete adds the second pair to a tile of sums, whose top row is that of the
// strip plus top, and writes it to C. start is the top of the first packed tile.
func (g *gemm) complete(q *gemmPanel, sums []float32, start, top int) {
	height := len(sums) / q.width
	if g.second != nil {
		g.second.addTile(q, sums, start, top)
	}
	if q.cols < q.width {
		g.finishEdge(q, sums, g.row+top, height)
		return
	}
	g.finish(q, sums, g.C[(g.row+top)*g.LDC+q.col:], g.LDC, g.bias(q))
}

// ahead fetches the rows of C that a tile will be written to, while it is computed.
func (g *gemm) ahead(q *gemmPanel, top, height int) {
	if g.last() && q.cols == q.width {
		gemmAhead(&g.C[(g.row+top)*g.LDC+q.col], uintptr(4*g.LDC), uintptr(height), uintptr(q.width/gemmRowLanes))
	}
}

// bias returns the part of Bias that belongs to a panel, or nil.
func (g *gemm) bias(q *gemmPanel) []float32 {
	if g.Bias == nil {
		return nil
	}
	return g.Bias[q.col:][:q.cols]
}

// finish writes a tile of sums to c.
func (g *gemm) finish(q *gemmPanel, sums, c []float32, stride int, bias []float32) {
	rows := uintptr(len(sums) / q.width)
	var first *float32
	if bias != nil {
		first = &bias[0]
	}
	gemmFinish(&c[0], uintptr(4*stride), &sums[0], rows, uintptr(q.width/gemmLanes), first, g.Alpha, g.Beta)
}

// finishEdge writes the columns of a tile of sums that C has, by way of a whole
// tile: vector and scalar code may treat a NaN differently.
func (g *gemm) finishEdge(q *gemmPanel, sums []float32, row, height int) {
	edge := g.s.edge[:(height+1)*q.width]
	clear(edge)
	if g.Beta != 0 {
		for i := range height {
			copy(edge[i*q.width:], g.C[(row+i)*g.LDC+q.col:][:q.cols])
		}
	}
	bias := g.bias(q)
	if bias != nil {
		padded := edge[height*q.width:]
		copy(padded, bias)
		bias = padded
	}
	g.finish(q, sums, edge, q.width, bias)
	for i := range height {
		copy(g.C[(row+i)*g.LDC+q.col:][:q.cols], edge[i*q.width:])
	}
}
