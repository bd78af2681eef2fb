package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// tileCase is attention of rows queries of two heads over blocks of keys, the
// last of them causal if step is 1.
type tileCase struct {
	d, rows int
	blocks  []int // keys
	step    int
}

var tileCases = []tileCase{
	{8, 1, []int{1}, 0},
	{32, 64, []int{64, 64}, 1},
	{32, 2, []int{64, 2}, 1},
	{72, 33, []int{64, 40}, 0},
	{128, 64, []int{64, 13, 64}, 1},
	{12, 17, []int{17}, 1},
	{100, 48, []int{5, 64}, 1},
	{3, 9, []int{30}, 0},
}

// tileOperands are what a case reads and writes, [rows, heads, d] and
// [keys, d].
type tileOperands struct {
	q, y, dy, dq, lse []float32
	k, v, dk, dv      []float32 // dk and dv [keys, width]
}

const tileHeads = 2

func (c tileCase) keys() (n int) {
	for _, b := range c.blocks {
		n += b
	}
	return n
}

func (c tileCase) operands(r *rand.Rand) tileOperands {
	queries, keys := c.rows*tileHeads*c.d, c.keys()
	s := draw(r, 2, queries)
	kv := draw(r, 2, keys*c.d)
	return tileOperands{
		q: s[0], dy: s[1], y: make([]float32, queries), dq: make([]float32, queries), lse: make([]float32, c.rows*tileHeads),
		k: kv[0], v: kv[1], dk: make([]float32, keys*TileWidth(c.d)), dv: make([]float32, keys*TileWidth(c.d)),
	}
}

// each calls f for each block; the causal one lets row i see i + 1 keys more
// than it has rows left over.
func (c tileCase) each(a *AttentionTile, o *tileOperands, f func(h, at int)) {
	at := 0
	for i, n := range c.blocks {
		seen, step := n, 0
		if i == len(c.blocks)-1 && c.step == 1 {
			seen, step = n-c.rows+1, 1
		}
		a.Keys(o.k[at*c.d:], o.v[at*c.d:], n, c.d, seen, step)
		for h := range tileHeads {
			f(h, at)
		}
		at += n
	}
}

// scale returns the usual one.
func (c tileCase) scale() float32 { return float32(1 / math.Sqrt(float64(c.d))) }

// forward computes y and lse in a tile that is ready.
func (c tileCase) forward(a *AttentionTile, o *tileOperands) {
	stride := tileHeads * c.d
	for h := range tileHeads {
		a.Query(h, o.q[h*c.d:], stride)
	}
	c.each(a, o, func(h, _ int) { a.Attend(h) })
	for h := range tileHeads {
		a.Result(h, o.y[h*c.d:], stride, o.lse[h:], tileHeads)
	}
}

// run does both ways on a tier.
func (c tileCase) run(t Tier, a *AttentionTile, o *tileOperands) {
	stride := tileHeads * c.d
	a.Reserve(tileHeads, c.d, true)
	a.Begin(t, c.rows, c.scale())
	c.forward(a, o)
	for h := range tileHeads {
		a.QueryGrad(h, o.q[h*c.d:], o.y[h*c.d:], o.dy[h*c.d:], stride, o.lse[h:], tileHeads)
	}
	width := TileWidth(c.d)
	c.each(a, o, func(h, at int) { a.Grad(h, o.dk[at*width:], o.dv[at*width:]) })
	for h := range tileHeads {
		a.ResultGrad(h, o.dq[h*c.d:], stride)
	}
}

// TestAttentionHeads checks that the heads of one query give the same bytes
// together as each in a tile.
func TestAttentionHeads(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	eachTier(t, func(t *testing.T, tier Tier) {
		if tier == Generic {
			return
		}
		for _, c := range []tileCase{{16, 1, []int{1}, 0}, {32, 1, []int{64, 64, 3}, 0}, {128, 1, []int{64, 17, 64, 40}, 0}, {64, 1, []int{33}, 0}} {
			o := c.operands(r)
			var a AttentionTile
			c.run(tier, &a, &o)
			y, lse := make([]float32, len(o.y)), make([]float32, tileHeads)
			if !tier.HeadsTogether(tileHeads, c.d) {
				t.Fatalf("%v: heads of width %d cannot be together", tier, c.d)
			}
			a.BeginHeads(tier, tileHeads, float32(1/math.Sqrt(float64(c.d))))
			at := 0
			for _, n := range c.blocks {
				a.AttendHeads(o.q, o.k[at*c.d:], o.v[at*c.d:], n, c.d)
				at += n
			}
			a.ResultHeads(y, lse)
			if i := firstDifference(y, o.y); i >= 0 {
				t.Errorf("%v: y[%d]: got %x, want %x", c, i, y[i], o.y[i])
			}
			if i := firstDifference(lse, o.lse); i >= 0 {
				t.Errorf("%v: lse[%d]: got %x, want %x", c, i, lse[i], o.lse[i])
			}
		}
	})
}

// want does both ways on the generic tier.
func (c tileCase) want(o *tileOperands) {
	scale, width := 1/math.Sqrt(float64(c.d)), TileWidth(c.d)
	dk, dv := make([]float64, c.keys()*c.d), make([]float64, c.keys()*c.d)
	for row := range c.rows * tileHeads {
		n := c.keys()
		if c.step == 1 {
			n -= c.rows - 1 - row/tileHeads
		}
		q, y, dy := o.q[row*c.d:][:c.d], o.y[row*c.d:][:c.d], o.dy[row*c.d:][:c.d]
		a := AttentionRow{Q: make([]float64, c.d), Sum: make([]float64, c.d)}
		a.Begin(q)
		a.Add(make([]float64, n), o.k, o.v, c.d, scale)
		lse := a.End(y)
		o.lse[row] = float32(lse)
		g := AttentionQuery{Q: a.Q, DY: make([]float64, c.d), LSE: lse, Scale: scale}
		Widen(g.DY, dy)
		g.Delta = Dot64(g.DY, y)
		dq := make([]float64, c.d)
		g.GradQ(dq, o.k, o.v, n, c.d)
		g.GradKV(dk, dv, o.k, o.v, n, c.d)
		Narrow(o.dq[row*c.d:][:c.d], dq)
	}
	for j := range c.keys() {
		Narrow(o.dk[j*width:][:c.d], dk[j*c.d:])
		Narrow(o.dv[j*width:][:c.d], dv[j*c.d:])
	}
}

// near fails unless rows of n elements, width apart, agree but for rounding: the
// norm of the difference is small against the larger norm, or 1.
func near(t *testing.T, name string, got, want []float32, n, width int) {
	t.Helper()
	var diff, size float64
	for i, w := range want {
		if i%width >= n {
			continue
		}
		d := float64(got[i] - w)
		diff += d * d
		size += float64(w) * float64(w)
	}
	if !(math.Sqrt(diff) <= 1e-5*max(1, math.Sqrt(size))) {
		t.Errorf("%s: differs by %.1e, norm %.1e", name, math.Sqrt(diff), math.Sqrt(size))
	}
}

// TestAttentionTile compares the vector tiers with the generic one.
func TestAttentionTile(t *testing.T) {
	eachVector(t, func(t *testing.T, tier Tier) {
		var a AttentionTile
		r := rand.New(rand.NewPCG(51, 52))
		for _, c := range tileCases {
			t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
				got := c.operands(r)
				want := got
				want.y, want.dq, want.lse = make([]float32, len(got.y)), make([]float32, len(got.dq)), make([]float32, len(got.lse))
				want.dk, want.dv = make([]float32, len(got.dk)), make([]float32, len(got.dv))
				c.run(tier, &a, &got)
				c.want(&want)
				near(t, "y", got.y, want.y, c.d, c.d)
				near(t, "lse", got.lse, want.lse, 1, 1)
				near(t, "dq", got.dq, want.dq, c.d, c.d)
				near(t, "dk", got.dk, want.dk, c.d, TileWidth(c.d))
				near(t, "dv", got.dv, want.dv, c.d, TileWidth(c.d))
			})
		}
	})
}

// TestAttentionTileFar checks scores whose exponentials float32 cannot hold, and
// that a NaN in a key reaches all rows that see it and no other.
func TestAttentionTileFar(t *testing.T) {
	nan := float32(math.NaN())
	eachVector(t, func(t *testing.T, tier Tier) {
		var a AttentionTile
		a.Reserve(1, 1, false)
		y, lse := make([]float32, 3), make([]float32, 3)
		attend := func(k, v []float32, step int) {
			a.Begin(tier, 3, 1)
			a.Query(0, []float32{100, 100, 100}, 1)
			a.Keys(k, v, len(k), 1, 1+(1-step)*len(k), step)
			a.Attend(0)
			a.Result(0, y, 1, lse, 1)
		}
		attend([]float32{-100, 100, 100}, []float32{7, 1, 2}, 0)
		if want := float32(1e4 + math.Ln2); y[0] != 1.5 || lse[0] != want {
			t.Errorf("got %v and lse %v, want 1.5 and %v", y[0], lse[0], want)
		}
		attend([]float32{1, nan, 1}, []float32{7, 1, 2}, 1)
		if y[0] != 7 || y[1] == y[1] || y[2] == y[2] {
			t.Errorf("a NaN in key 1: got %v, want 7 and NaN twice", y)
		}
	})
}
