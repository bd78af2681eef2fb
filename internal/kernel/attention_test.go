package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"mole/internal/kernel"
)

// TestAttentionRow takes one query over seven keys, in blocks of different
// lengths, against the definition. The keys grow, so that each block brings a
// new largest score, or shrink.
func TestAttentionRow(t *testing.T) {
	const keys, stride = 7, 70
	r := rand.New(rand.NewPCG(17, 18))
	for _, d := range []int{1, 2, 3, 4, 5, 16, 33, 64} {
		for _, growth := range []float32{1, 2, 0.5} {
			q, k, v := normals(r, d), normals(r, keys*stride), normals(r, keys*stride)
			for i := range k {
				k[i] *= float32(math.Pow(float64(growth), float64(i/stride)))
			}
			a := kernel.AttentionRow{Q: make([]float64, d), Sum: make([]float64, d)}
			scale := 1 / math.Sqrt(float64(d))
			a.Begin(q)
			want, lse := attend(a.Q, k, v, stride, scale)
			scores := make([]float64, keys)
			for _, block := range [][2]int{{0, 2}, {2, 3}, {3, 7}} {
				from, end := block[0], block[1]
				a.Add(scores[:end-from], k[from*stride:], v[from*stride:], stride, scale)
			}
			got := make([]float32, d)
			if end := a.End(got); !close64(end, lse, 1e-14) {
				t.Errorf("D=%d growth %v: lse: got %v, want %v", d, growth, end, lse)
			}
			once(t, "result", got, want)
		}
	}
}

// attend returns the result of attention of q over all of k and v, and the log
// of the softmax denominator.
func attend(q []float64, k, v []float32, stride int, scale float64) (y []float64, lse float64) {
	y = make([]float64, len(q))
	var total float64
	for j := 0; j < len(k); j += stride {
		p := math.Exp(scale * dot64(k[j:][:len(q)], q))
		total += p
		for c := range y {
			y[c] += p * float64(v[j+c])
		}
	}
	for c := range y {
		y[c] /= total
	}
	return y, math.Log(total)
}

// loss is Σ dy · attention for one query of width 2 over keys and values of
// stride 3.
func loss(q, k, v, dy []float64, scale float64) (sum, lse float64) {
	var total float64
	for j := 0; j < len(k); j += 3 {
		p := math.Exp(scale * (q[0]*k[j] + q[1]*k[j+1]))
		total += p
		sum += p * (dy[0]*v[j] + dy[1]*v[j+1])
	}
	return sum / total, math.Log(total)
}

// TestAttentionGrad compares the gradients of one query and four keys with
// differences.
func TestAttentionGrad(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	q, k, v, dy := normals(r, 2), normals(r, 12), normals(r, 12), normals(r, 2)
	at := func(of []float32, j int, h float64) float64 { // the loss with h added to element j
		var wide [4][]float64
		for i, s := range [][]float32{q, k, v, dy} {
			wide[i] = widened(s, 0, 0)
			if &s[0] == &of[0] {
				wide[i][j] += h
			}
		}
		sum, _ := loss(wide[0], wide[1], wide[2], wide[3], 0.7)
		return sum
	}
	value, lse := loss(widened(q, 0, 0), widened(k, 0, 0), widened(v, 0, 0), widened(dy, 0, 0), 0.7)
	a := kernel.AttentionQuery{Q: widened(q, 0, 0), DY: widened(dy, 0, 0), LSE: lse, Delta: value, Scale: 0.7}
	dq, dk, dv := make([]float64, 2), make([]float64, 8), make([]float64, 8)
	a.GradQ(dq, k, v, 1, 3)
	a.GradQ(dq, k[3:], v[3:], 3, 3)
	a.GradKV(dk, dv, k, v, 4, 3)
	for i := range dq {
		if want := slope(func(h float64) float64 { return at(q, i, h) }); !close64(dq[i], want, 1e-10) {
			t.Errorf("dq[%d]: got %v, want %v", i, dq[i], want)
		}
	}
	for i := range dk {
		j := i/2*3 + i%2
		if want := slope(func(h float64) float64 { return at(k, j, h) }); !close64(dk[i], want, 1e-10) {
			t.Errorf("dk[%d]: got %v, want %v", i, dk[i], want)
		}
		if want := slope(func(h float64) float64 { return at(v, j, h) }); !close64(dv[i], want, 1e-10) {
			t.Errorf("dv[%d]: got %v, want %v", i, dv[i], want)
		}
	}
}

// TestAttentionRowFar checks scores whose exponentials float64 cannot hold.
func TestAttentionRowFar(t *testing.T) {
	a := kernel.AttentionRow{Q: make([]float64, 1), Sum: make([]float64, 1)}
	a.Begin([]float32{100})
	a.Add(make([]float64, 1), []float32{-100}, []float32{7}, 1, 1)
	a.Add(make([]float64, 2), []float32{100, 100}, []float32{1, 2}, 1, 1)
	y := make([]float32, 1)
	if lse, want := a.End(y), 1e4+math.Ln2; !close64(lse, want, 1e-15) || y[0] != 1.5 {
		t.Errorf("got %v and lse %v, want 1.5 and %v", y[0], lse, want)
	}
}

func TestNarrow(t *testing.T) {
	got := make([]float32, 2)
	kernel.Narrow(got, []float64{1 + 0x1p-24, 3, 99})
	if got[0] != 1 || got[1] != 3 {
		t.Errorf("got %v, want [1 3]", got)
	}
}
