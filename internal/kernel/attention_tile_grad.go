package kernel

// QueryGrad sets what is known of the query rows of head h: q, the result y and
// its gradient dy, with rows stride elements apart, and lse, one in lseStride.
func (a *AttentionTile) QueryGrad(h int, q, y, dy []float32, stride int, lse []float32, lseStride int) {
	head := &a.heads[h]
	clear(head.sum)
	a.columns(head.q, q, stride, false)
	a.columns(head.dy, dy, stride, false)
	a.columns(a.slopes, y, stride, false)
	tileCopy(head.qRows, q, a.rows, stride, a.d, a.width)
	tileCopy(head.dyRows, dy, a.rows, stride, a.d, a.width)
	for i := range head.state[stateLSE] {
		head.state[stateLSE][i] = lse[min(i, a.rows-1)*lseStride]
	}
	for i := 0; i < a.rows; i += tileTiers[a.tier].lanes {
		attendDotOn(a.tier, &head.dy[i], &a.slopes[i], uintptr(a.d), &head.state[stateDelta][i])
	}
}

// Grad adds the part of the block to the gradients of the rows of head h, and
// that of these rows to those of the keys and values, dk and dv [keys, width],
// with the width of [TileWidth].
func (a *AttentionTile) Grad(h int, dk, dv []float32) {
	head := &a.heads[h]
	t := &tileTiers[a.tier]
	for lane := 0; lane < a.rows; lane += 2 * t.lanes {
		if vecs, n := a.panel(lane); n > 0 {
			a.gradPanel(head, lane, vecs, n)
		}
	}
	if _, n := a.panel(0); n == a.count {
		a.gradKeys(head, 0, a.rows, n, dk, dv)
		return
	}
	for lane := 0; lane < a.rows; lane += 2 * t.lanes {
		if _, n := a.panel(lane); n > 0 {
			a.gradKeys(head, lane, min(lane+2*t.lanes, a.rows), n, dk, dv)
		}
	}
}

// gradPanel computes the probabilities and the gradients of the scores of n keys
// and the rows in vecs registers from lane on, and from them those of the rows.
func (a *AttentionTile) gradPanel(head *tileHead, lane, vecs, n int) {
	t := &tileTiers[a.tier]
	t.product(n, vecs, a.d, matrix{a.keys, a.width, 1}, head.q[lane:], tileRows, a.scores[lane:], tileRows, false)
	t.product(n, vecs, a.d, matrix{a.values, a.width, 1}, head.dy[lane:], tileRows, a.slopes[lane:], tileRows, false)
	for i := lane; i < lane+vecs*t.lanes; i += t.lanes {
		free := a.free(i, n)
		attendGradOn(a.tier, &a.scores[i], uintptr(free), uintptr(n-free), &a.sees[i], &a.slopes[i],
			&head.state[stateLSE][i], &head.state[stateDelta][i], a.scale)
	}
	t.product(a.d, vecs, n, matrix{a.keys, 1, a.width}, a.slopes[lane:], tileRows, head.sum[lane:], tileRows, true)
}

// gradKeys adds the part of rows from to end-1 to the gradients of n keys and
// values.
func (a *AttentionTile) gradKeys(head *tileHead, from, end, n int, dk, dv []float32) {
	t := &tileTiers[a.tier]
	vecs, depth := a.width/t.lanes, end-from
	t.product(n, vecs, depth, matrix{a.slopes[from:], tileRows, 1}, head.qRows[from*a.width:], a.width, dk, a.width, true)
	t.product(n, vecs, depth, matrix{a.scores[from:], tileRows, 1}, head.dyRows[from*a.width:], a.width, dv, a.width, true)
}

// ResultGrad sets the rows of dq, stride elements apart, to the gradient of the
// rows of head h.
func (a *AttentionTile) ResultGrad(h int, dq []float32, stride int) {
	tileRowsOf(dq, stride, a.heads[h].sum, a.d, a.rows)
}
