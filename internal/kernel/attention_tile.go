package kernel

import "math"

// The kernels of attention on vector tiers work on a tile: some query rows of
// one head, side by side in the lanes of registers, and a block of keys. The
// scores of a tile are a product, [keys, rows]; the softmax runs down its
// columns, one query a lane; the sum over values is another product,
// [D, rows], and so are all gradients. All of it is float32, unless the two products
// on the way forward are asked for in pairs of bfloat16.

const (
	// AttentionRows is the number of query rows of a tile.
	AttentionRows = 64
	// AttentionKeys is the number of keys of a block.
	AttentionKeys = 64

	tileRows = AttentionRows
)

// A tileMicro is a micro-kernel: it sets rows of c to a · b, or adds that to
// them. Element (i, k) of a lies i·aRow + k·aStep bytes behind a; rows of b
// and of c are bStep and cRow bytes apart.
type tileMicro func(depth uintptr, a, b, c *float32, aStep, bStep, aRow, cRow uintptr, add bool)

// A tileTier is what a tier brings to the products of tiles.
type tileTier struct {
	lanes        int // of a register
	wide, narrow []tileMicro
}

// A matrix is an operand of a product: element (i, k) is at[i·row + k·step].
type matrix struct {
	at        []float32
	row, step int
}

// A tileHead is the part of a tile that belongs to one head.
type tileHead struct {
	q, dy         []float32 // [D, rows]
	qRows, dyRows []float32 // [rows, width]
	sum           []float32 // [D, rows]: Σ p·v, or the gradient of q
	state         [3][tileRows]float32
}

// The states of a row on the way forward, and on the way back.
const (
	stateTop, stateTotal, stateShrink = 0, 1, 2
	stateLSE, stateDelta              = 0, 1
)

// An AttentionTile computes attention, and its gradient, of up to
// [AttentionRows] query rows of the heads that share a key head, block of keys
// by block of keys. Each row depends, to the bit, on the tier, the row and the
// blocks it sees alone. A key of a block that a row does not see has no
// influence on it, unless a value of that key is infinite or not a number.
//
// The zero value is ready. It is not safe for concurrent use.
type AttentionTile struct {
	tier           Tier
	paired         bool // the products are of pairs of bfloat16
	d, width       int  // of a head, and filled up to whole registers
	scale          float32
	rows           int // of queries
	heads          []tileHead
	keys, values   []float32 // [AttentionKeys, width]
	count          int       // of keys in the block
	sees           [tileRows]int32
	scores, slopes []float32 // [keys or D, rows]
}

// Reserve makes room for that many heads of width d, and for gradients if grad
// is set. No other method takes memory.
func (a *AttentionTile) Reserve(heads, d int, grad bool) {
	a.d, a.width = d, TileWidth(d)
	if len(a.heads) < heads {
		a.heads = append(a.heads, make([]tileHead, heads-len(a.heads))...)
	}
	for i := range a.heads[:heads] {
		a.heads[i].reserve(d, a.width, grad)
	}
	a.keys, a.values = mmGrow(a.keys, AttentionKeys*a.width), mmGrow(a.values, AttentionKeys*a.width)
	a.scores = mmGrow(a.scores, max(AttentionKeys, d)*tileRows)
	a.slopes = mmGrow(a.slopes, max(AttentionKeys, d)*tileRows)
}

// reserve is Reserve for one head.
func (h *tileHead) reserve(d, width int, grad bool) {
	h.q, h.sum = mmGrow(h.q, d*tileRows), mmGrow(h.sum, d*tileRows)
	if grad {
		h.dy = mmGrow(h.dy, d*tileRows)
		h.qRows, h.dyRows = mmGrow(h.qRows, tileRows*width), mmGrow(h.dyRows, tileRows*width)
	}
}

// Begin makes the tile ready for rows query rows on tier t, not the generic
// one. Scores are q·k times scale.
func (a *AttentionTile) Begin(t Tier, rows int, scale float32) {
	a.tier, a.paired, a.rows, a.scale = t, false, rows, scale
}

// BeginPairs is Begin for attention whose queries, keys, probabilities and values are
// rounded to bfloat16, where [Tier.AttentionPairs] says so. No gradient is.
func (a *AttentionTile) BeginPairs(t Tier, rows int, scale float32) {
	a.Begin(t, rows, scale)
	a.paired = true
}

// TileWidth returns the elements of a row of gradients of keys and values of
// heads of width d: d, filled up.
func TileWidth(d int) int { return (d + 15) &^ 15 }

// Query sets the query rows of head h, which begin stride elements apart.
func (a *AttentionTile) Query(h int, q []float32, stride int) {
	head := &a.heads[h]
	a.columns(head.q, q, stride, a.paired)
	clear(head.sum)
	for i := range tileRows {
		head.state[stateTop][i], head.state[stateTotal][i] = -math.MaxFloat32, 0
	}
}

// Keys takes in a block of n keys and values, whose rows begin stride elements
// apart. Query row i sees the first seen + i·step of them, or all.
func (a *AttentionTile) Keys(k, v []float32, n, stride, seen, step int) {
	a.count = n
	if a.paired {
		pairKeys(a.keys, k, n, stride, a.d, a.width)
		pairValues(a.values, v, n, stride, a.d, a.width)
	} else {
		tileCopy(a.keys, k, n, stride, a.d, a.width)
		tileCopy(a.values, v, n, stride, a.d, a.width)
	}
	for i := range a.sees {
		a.sees[i] = int32(seen + i*step)
	}
}

// Attend lets the rows of head h attend to the block.
func (a *AttentionTile) Attend(h int) {
	head := &a.heads[h]
	t := &tileTiers[a.tier]
	for lane := 0; lane < a.rows; lane += 2 * t.lanes {
		vecs, n := a.panel(lane)
		if n == 0 {
			continue
		}
		a.score(head, lane, vecs, n)
		for i := lane; i < lane+vecs*t.lanes; i += t.lanes {
			free := a.free(i, n)
			attendSoftmaxOn(a.tier, &a.scores[i], uintptr(free), uintptr(n-free), &a.sees[i], &head.state[0][i], a.scale)
			attendScaleOn(a.tier, &head.sum[i], uintptr(a.d), &head.state[stateShrink][i])
		}
		a.gather(head, lane, vecs, n)
	}
}

// score sets the scores of n keys and the rows in vecs registers from lane on.
func (a *AttentionTile) score(head *tileHead, lane, vecs, n int) {
	t, depth := &tileTiers[a.tier], a.d
	if a.paired {
		t, depth = &tilePairs, a.d/2
	}
	t.product(n, vecs, depth, matrix{a.keys, a.width, 1}, head.q[lane:], tileRows, a.scores[lane:], tileRows, false)
}

// gather adds n values, times the scores that the softmax has turned into
// probabilities, to the sums of these rows.
func (a *AttentionTile) gather(head *tileHead, lane, vecs, n int) {
	t, depth := &tileTiers[a.tier], n
	if a.paired {
		t, depth = &tilePairs, (n+1)/2
		pairScores(a.scores[lane:], vecs, n)
	}
	t.product(a.d, vecs, depth, matrix{a.values, 1, a.width}, a.scores[lane:], tileRows, head.sum[lane:], tileRows, true)
}

// panel returns the number of registers that the rows from lane on take, two
// at the most, and the number of keys of the block that any of them sees.
func (a *AttentionTile) panel(lane int) (vecs, keys int) {
	n := tileTiers[a.tier].lanes
	end := min(lane+2*n, a.rows)
	return (end - lane + n - 1) / n, max(0, min(int(a.sees[end-1]), a.count))
}

// free returns how many of n keys all lanes of the register from lane on see.
func (a *AttentionTile) free(lane, n int) int { return max(0, min(int(a.sees[lane]), n)) }

// Result sets the rows of y, stride elements apart, to the result of head h, and
// lse, one in lseStride, to the natural logs of Σ exp(score).
func (a *AttentionTile) Result(h int, y []float32, stride int, lse []float32, lseStride int) {
	head := &a.heads[h]
	top, total, factor := &head.state[stateTop], &head.state[stateTotal], &head.state[stateShrink]
	for i := range tileRows {
		factor[i] = 1 / total[i]
	}
	for i := range a.rows {
		lse[i*lseStride] = float32(float64(top[i]) + math.Log(float64(total[i])))
	}
	for i := 0; i < a.rows; i += tileTiers[a.tier].lanes {
		attendScaleOn(a.tier, &head.sum[i], uintptr(a.d), &factor[i])
	}
	tileRowsOf(y, stride, head.sum, a.d, a.rows)
}

// columns sets dst [D, rows] to the rows of src, or [D/2, rows] to pairs of their
// elements.
func (a *AttentionTile) columns(dst, src []float32, stride int, pairs bool) {
	n := tileTiers[a.tier].lanes
	padded := (a.rows + n - 1) / n * n
	if pairs {
		pairColumns(dst, src, stride, a.d, a.rows, padded)
		return
	}
	tileColumns(dst, src, nil, stride, a.d, a.rows, padded)
}
