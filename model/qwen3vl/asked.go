package qwen3vl

import (
	"math"
	"slices"

	"mole/batch"
	"mole/device"
	"mole/tensor"
)

// queries are the rows at which a layer is computed to its end. Keys and values
// it has of all rows.
type queries struct {
	rows      tensor.Tensor // [R] I32, ascending; none stands for all
	cos, sin  tensor.Tensor // [R, D/2]
	attention device.Attention
	mix       *mixture // of an engine, else nil
}

// count returns R, 0 for none.
func (q *queries) count() int { return q.cos.Shape[0] }

// of returns the first R rows of x, none for none.
func (q *queries) of(x tensor.Tensor) tensor.Tensor {
	if q.count() == 0 {
		return tensor.Tensor{}
	}
	return x.Rows(0, q.count())
}

// turned returns queries at the given positions, without segments.
func (n *Net) turned(pos [][3]int32) queries {
	t := &n.config.Text
	cos, sin := textAngles(t, pos)
	half := t.HeadDim / 2
	return queries{
		cos: n.floats(cos, len(pos), half), sin: n.floats(sin, len(pos), half),
		attention: device.Attention{Scale: float32(1 / math.Sqrt(float64(t.HeadDim)))},
	}
}

// asked returns the rows that the last layer must compute so that somebody may
// ask for the given ones, ascending; nil stands for all. It is all where a trace
// is taken, and where the last layer still takes features of the deep stack.
func (n *Net) asked(b *batch.Batch, rows []int32) []int32 {
	if rows == nil || n.Trace != nil || len(b.Visual) > 0 && len(n.deep) >= len(n.layers) {
		return nil
	}
	asked := slices.Compact(slices.Sorted(slices.Values(rows)))
	if len(asked) == len(b.Tokens) {
		return nil
	}
	return asked
}

// askedQueries returns the queries at those rows of b.
func (n *Net) askedQueries(b *batch.Batch, asked []int32) queries {
	pos := make([][3]int32, len(asked))
	for i, r := range asked {
		pos[i] = b.Pos[r]
	}
	q := n.turned(pos)
	q.rows = n.ints(asked)
	q.attention.Segments = askedSegments(segments(b), asked)
	return q
}

// askedSegments returns what each asked row sees, given the segments of all
// rows. Rows that follow one another in a segment are one segment again; what
// comes before them in theirs is their past.
func askedSegments(whole []device.Segment, asked []int32) []device.Segment {
	var out []device.Segment
	at := 0
	for i, r := range asked {
		q := int32(i)
		begins := i == 0 || asked[i-1] != r-1
		for ; r >= whole[at].End; at++ {
			begins = true
		}
		if !begins {
			out[len(out)-1].End = q + 1
			continue
		}
		past := extend(slices.Clone(whole[at].Past), device.Span{Start: whole[at].Start, End: r})
		out = append(out, device.Segment{Start: q, End: q + 1, Key: r, Causal: true, Past: past})
	}
	return out
}

// pick returns the rows of x [T, C] that q stands for, [R, C].
func (n *Net) pick(x tensor.Tensor, q *queries) tensor.Tensor {
	if q.rows.IsZero() {
		return x
	}
	rows := n.arena.F32(q.rows.Shape[0], x.Shape[1])
	n.dev.Gather(rows, x, q.rows, tensor.Tensor{})
	return rows
}

// at returns where the given rows of the batch are in p.out.
func (p *pass) at(rows []int32) []int32 {
	if p.asked == nil {
		return rows
	}
	out := make([]int32, len(rows))
	for i, r := range rows {
		at, _ := slices.BinarySearch(p.asked, r) // it is there: see run
		out[i] = int32(at)
	}
	return out
}
