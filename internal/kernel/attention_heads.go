package kernel

import "math"

// One query leaves most lanes of a tile empty. Its heads that share a key head go
// over the keys together, with keys, and then the elements of values, side by side
// in the lanes. Every number is the result of the same operations in the same order
// as in a tile, so the bytes are the same.

// HeadsTogether reports whether n heads of width d can be computed by
// [AttentionTile.BeginHeads] on tier t, not the generic one.
func (t Tier) HeadsTogether(n, d int) bool {
	lanes := tileTiers[t].lanes
	return n <= lanes && d%lanes == 0
}

// BeginHeads makes the tile ready for one query of n heads on tier t. Scores are q·k
// times scale.
func (a *AttentionTile) BeginHeads(t Tier, n int, scale float32) {
	a.Begin(t, n, scale)
	head := &a.heads[0]
	clear(head.sum[:n*a.d])
	clear(a.scores[:AttentionKeys*tileRows]) // lanes without head
	for i := range tileTiers[t].lanes {
		head.state[stateTop][i], head.state[stateTotal][i] = -math.MaxFloat32, 0
	}
}

// AttendHeads lets the heads q [n, d] attend to a block of n keys and values, whose
// rows begin stride elements apart.
func (a *AttentionTile) AttendHeads(q, k, v []float32, n, stride int) {
	t, head := &tileTiers[a.tier], &a.heads[0]
	vecs := mmPieces(n, t.lanes)
	tileColumns(a.keys, k, v, stride, a.d, n, vecs*t.lanes)
	t.product(a.rows, vecs, a.d, matrix{q, a.d, 1}, a.keys, tileRows, a.slopes, tileRows, false)
	for h := range a.rows {
		for j, s := range a.slopes[h*tileRows:][:n] {
			a.scores[j*tileRows+h] = s
		}
	}
	attendSoftmaxOn(a.tier, &a.scores[0], uintptr(n), 0, &a.sees[0], &head.state[0][0], a.scale)
	for h := range a.rows {
		for j := range a.slopes[h*tileRows:][:n] {
			a.slopes[h*tileRows+j] = a.scores[j*tileRows+h]
		}
		a.scaleHead(h, head.state[stateShrink][h])
	}
	t.product(a.rows, a.d/t.lanes, n, matrix{a.slopes, tileRows, 1}, v, stride, head.sum, a.d, true)
}

// scaleHead multiplies the sum of head h by f.
func (a *AttentionTile) scaleHead(h int, f float32) {
	if f == 1 {
		return
	}
	sum := a.heads[0].sum[h*a.d:][:a.d]
	for i := range sum {
		sum[i] *= f
	}
}

// ResultHeads sets y [n, d] to the result, and lse [n] to the natural logs of
// Σ exp(score).
func (a *AttentionTile) ResultHeads(y, lse []float32) {
	head := &a.heads[0]
	for h := range a.rows {
		total := head.state[stateTotal][h]
		a.scaleHead(h, 1/total)
		lse[h] = float32(float64(head.state[stateTop][h]) + math.Log(float64(total)))
	}
	copy(y[:a.rows*a.d], head.sum)
}
