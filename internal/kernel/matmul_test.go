package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// extents are the shapes tried: around the sizes of tiles, panels, packing
// groups, chunks and runs of k.
var extents = []int{1, 2, 3, 5, 6, 7, 13, 14, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 257, 513}

// A matMulCase says what a product looks like; matMul makes it.
type matMulCase struct {
	m, n, k        int
	transA, transB bool
	b16, round     bool
	alpha, beta    float32
	bias           bool
	k2             int // of the second pair, or 0
	pad, shift     int // elements between rows, and before the first
	seed           uint64
}

// String returns the fields of c, for messages.
func (c matMulCase) String() string {
	type fields matMulCase // without this method
	return fmt.Sprintf("%+v", fields(c))
}

// randomCase returns a case with the given extents and everything else drawn.
func randomCase(r *rand.Rand, m, n, k int) matMulCase {
	flip := func() bool { return r.IntN(2) == 1 }
	c := matMulCase{
		m: m, n: n, k: k,
		transA: flip(), transB: flip(), b16: flip(), round: flip(), bias: flip(),
		alpha: []float32{1, 1, -0.75, 0}[r.IntN(4)],
		beta:  []float32{0, 0, 1, 0.3}[r.IntN(4)],
		pad:   []int{0, 1, 7}[r.IntN(3)],
		shift: r.IntN(3),
		seed:  r.Uint64(),
	}
	if !c.transA {
		c.k2 = []int{0, 0, 1, 4, 16, 33}[r.IntN(6)]
	}
	return c
}

// matMul returns the product, with operands drawn from -1 to 1.
func (c matMulCase) matMul() *MatMul {
	r := rand.New(rand.NewPCG(c.seed, 1))
	m := &MatMul{
		M: c.m, N: c.n, K: c.k, TransA: c.transA, TransB: c.transB,
		Alpha: c.alpha, Beta: c.beta, RoundA: c.round,
	}
	m.A, m.LDA = c.matrix(r, c.m, c.k, c.transA)
	b, ldb := c.matrix(r, c.k, c.n, c.transB)
	m.LDB = ldb
	if c.b16 {
		m.B16 = make([]uint16, len(b))
		for i, v := range b {
			m.B16[i] = BF16FromF32(v)
		}
	} else {
		m.B32 = b
	}
	if m.K2 = c.k2; c.k2 > 0 {
		m.A2, m.LDA2 = c.matrix(r, c.m, c.k2, false)
		m.B2, m.LDB2 = c.matrix(r, c.k2, c.n, c.transB)
	}
	m.C, m.LDC = c.matrix(r, c.m, c.n, false)
	if c.bias {
		m.Bias, _ = c.matrix(r, 1, c.n, false)
	}
	return m
}

// matrix returns a drawn matrix and its row stride.
func (c matMulCase) matrix(r *rand.Rand, rows, cols int, trans bool) (elems []float32, stride int) {
	if trans {
		rows, cols = cols, rows
	}
	stride = cols + c.pad
	elems = make([]float32, c.shift+(rows-1)*stride+cols)
	for i := range elems {
		elems[i] = r.Float32()*2 - 1
	}
	return elems[c.shift:], stride
}

// copyOf returns m with a C of its own.
func copyOf(m *MatMul) *MatMul {
	c := *m
	c.C = slices.Clone(m.C)
	return &c
}

// eachTier runs a test on every tier. One that the processor claims to have
// and that does not run is a failure, which TestTiersOfProcessor finds.
func eachTier(t *testing.T, f func(t *testing.T, tier Tier)) {
	for _, tier := range Tiers() {
		t.Run(tier.String(), func(t *testing.T) { f(t, tier) })
	}
}

func TestMatMul(t *testing.T) {
	const samples, most = 200, 1e6 // multiplications of a case
	r := rand.New(rand.NewPCG(1, 2))
	var cases []matMulCase
	for len(cases) < samples {
		m, n, k := extents[r.IntN(len(extents))], extents[r.IntN(len(extents))], extents[r.IntN(len(extents))]
		if m*n*k < most {
			cases = append(cases, randomCase(r, m, n, k))
		}
	}
	// Larger ones: several runs of k, and more than one strip either way.
	cases = append(cases, randomCase(r, 513, 513, 257), randomCase(r, 129, 513, 513), randomCase(r, 1500, 33, 17), randomCase(r, 5, 1100, 1030))
	cases = append(cases, narrowCases(r)...)
	eachTier(t, func(t *testing.T, tier Tier) {
		var s Scratch
		for _, c := range cases {
			m := c.matMul()
			got := copyOf(m)
			tier.MatMul(got, &s)
			checkMatMul(t, c, m, got)
		}
	})
}

// narrowCases returns products as narrow as a panel, of several runs of k, with
// rows of A at odd distances and at such that crowd sets of the caches.
func narrowCases(r *rand.Rand) (cases []matMulCase) {
	for _, e := range [][3]int{{37, 16, 1024}, {512, 16, 40}, {1024, 9, 515}, {130, 16, 600}, {75, 31, 1030}} {
		for _, trans := range []bool{false, true} {
			c := randomCase(r, e[0], e[1], e[2])
			c.transA, c.k2, c.round, c.pad = trans, 0, false, 0
			cases = append(cases, c)
			if c.n%8 == 0 { // its transposed, with both operands in rows
				c.m, c.n, c.transA, c.transB, c.b16 = c.n, c.m/8*8, true, false, false
				cases = append(cases, c)
			}
		}
	}
	return cases
}

// checkMatMul compares a sample of C, or all of it, with sums in float64. The
// tolerance is that which the comment of MatMul derives, relative to the sum of
// absolute values.
func checkMatMul(t *testing.T, c matMulCase, m, got *MatMul) {
	t.Helper()
	const limit = 1e5 // multiplications
	step := max(1, m.M*m.N*m.K/limit)
	for at := 0; at < m.M*m.N; at += step {
		i, j := at/m.N, at%m.N
		want, size := exact(m, i, j)
		v := got.C[i*m.LDC+j]
		if d := math.Abs(float64(v) - want); !(d <= (float64(m.K+m.K2)+4)*size/(1<<24)) {
			t.Fatalf("%v: element (%d, %d): got %g, want %g, off by %g of %g", c, i, j, v, want, d, size)
		}
	}
	checkGaps(t, c, m, got)
}

// exact returns element (i, j) of C, and the sum of the absolute values of its
// terms.
func exact(m *MatMul, i, j int) (v, size float64) {
	add := func(p float64) { v, size = v+p, size+math.Abs(p) }
	for k := range m.K {
		add(float64(m.a(i, k)) * float64(m.b(k, j)))
	}
	for k := range m.K2 {
		add(float64(m.A2[i*m.LDA2+k]) * float64(*element(m.B2, k, j, m.LDB2, m.TransB)))
	}
	v *= float64(m.Alpha)
	size *= math.Abs(float64(m.Alpha))
	add(float64(m.Beta) * float64(m.C[i*m.LDC+j]))
	if m.Bias != nil {
		add(float64(m.Bias[j]))
	}
	return v, size
}

// checkGaps checks that nothing between the rows of C was written.
func checkGaps(t *testing.T, c matMulCase, before, after *MatMul) {
	t.Helper()
	for i, v := range after.C {
		if i%before.LDC >= before.N && v != before.C[i] {
			t.Fatalf("%v: element %d behind row %d was written", c, i%before.LDC, i/before.LDC)
		}
	}
}

// TestMatMulSplit checks that the bytes of C are the same however the product
// is cut, wherever it lies and whatever the scratch holds.
func TestMatMulSplit(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	shapes := [][3]int{{64, 96, 300}, {63, 65, 129}, {33, 129, 64}, {129, 31, 513}, {7, 257, 16}, {1, 64, 1030}, {40, 1050, 24}, {20, 40, 512}, {512, 40, 20}}
	eachTier(t, func(t *testing.T, tier Tier) {
		for _, e := range shapes {
			for range 4 {
				c := randomCase(r, e[0], e[1], e[2])
				m := c.matMul()
				whole, parts := copyOf(m), copyOf(m)
				tier.MatMul(whole, new(Scratch))
				split(r, tier, parts)
				if i := firstDifference(whole.C, parts.C); i >= 0 {
					t.Fatalf("%v: element %d of row %d: whole %x, in parts %x", c, i%m.LDC, i/m.LDC, whole.C[i], parts.C[i])
				}
			}
		}
	})
}

// TestMatMulAcross checks that a product with few rows, which vector tiers may
// compute transposed, has the bytes of its columns.
func TestMatMulAcross(t *testing.T) {
	eachTier(t, func(t *testing.T, tier Tier) {
		var s Scratch
		for i, c := range []matMulCase{{m: 16, n: 136, k: 530}, {m: 8, n: 40, k: 33, bias: true}, {m: 32, n: 512, k: 19}} {
			c.transA, c.alpha, c.beta, c.pad, c.shift = true, -0.75, 0.3, i, i
			m := c.matMul()
			whole, parts := copyOf(m), copyOf(m)
			tier.MatMul(whole, &s)
			for j := range m.N {
				tier.MatMul(part(parts, 0, m.M, j, 1), &s)
			}
			if i := firstDifference(whole.C, parts.C); i >= 0 {
				t.Errorf("%v: element %d: whole %x, in columns %x", c, i, whole.C[i], parts.C[i])
			}
		}
	})
}

// split computes m in parts of drawn size.
func split(r *rand.Rand, tier Tier, m *MatMul) {
	var s Scratch
	for i := 0; i < m.M; {
		rows := min(1+r.IntN(20), m.M-i)
		for j := 0; j < m.N; {
			cols := min(1+r.IntN(50), m.N-j)
			part := moved(part(m, i, rows, j, cols), 1+r.IntN(5))
			spoil(&s)
			tier.MatMul(part, &s)
			for q := range rows {
				copy(m.C[(i+q)*m.LDC+j:][:cols], part.C[q*part.LDC:])
			}
			j += cols
		}
		i += rows
	}
}

// part returns the product for some rows and columns of C.
func part(m *MatMul, i, rows, j, cols int) *MatMul {
	p := *m
	p.M, p.N = rows, cols
	p.A = from(m.A, i, m.LDA, !m.TransA)
	p.B32 = from(m.B32, j, m.LDB, m.TransB)
	p.B16 = from(m.B16, j, m.LDB, m.TransB)
	p.A2 = from(m.A2, i, m.LDA2, true)
	p.B2 = from(m.B2, j, m.LDB2, m.TransB)
	p.C = m.C[i*m.LDC+j:]
	if m.Bias != nil {
		p.Bias = m.Bias[j : j+cols]
	}
	return &p
}

// from returns a matrix from row i, or column i, on. A nil matrix stays nil.
func from[T any](s []T, i, stride int, row bool) []T {
	switch {
	case s == nil:
		return nil
	case row:
		return s[i*stride:]
	}
	return s[i:]
}

// moved returns a product on copies of the operands that begin n elements
// further.
func moved(m *MatMul, n int) *MatMul {
	shift := func(s []float32) []float32 { return append(make([]float32, n), s...)[n:] }
	p := *m
	p.A, p.C, p.A2, p.B2 = shift(m.A), shift(m.C), shift(m.A2), shift(m.B2)
	if m.B32 != nil {
		p.B32 = shift(m.B32)
	} else {
		p.B16 = append(make([]uint16, n), m.B16...)[n:]
	}
	return &p
}

// spoil fills scratch with NaN.
func spoil(s *Scratch) {
	list := [][]float32{s.a, s.b, s.sums, s.edge, s.across}
	if s.second != nil {
		list = append(list, s.second.s.a, s.second.s.b)
	}
	for _, p := range list {
		p = p[:cap(p)]
		for i := range p {
			p[i] = float32(math.NaN())
		}
	}
}

// firstDifference returns the first index at which bits differ, or -1.
func firstDifference(a, b []float32) int {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}

// TestMatMulVectorTiersAgree checks that all vector tiers give the same bytes,
// but where one multiplies bfloat16.
func TestMatMulVectorTiersAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		c := randomCase(r, 1+r.IntN(90), 1+r.IntN(90), 1+r.IntN(700))
		var first *MatMul
		for _, tier := range Tiers()[1:] {
			m := c.matMul()
			if m.pairs(tier) {
				continue
			}
			tier.MatMul(m, new(Scratch))
			if first == nil {
				first = m
			}
			if i := firstDifference(first.C, m.C); i >= 0 {
				t.Fatalf("%v: %v: element %d is %x, was %x in the tier before", c, tier, i, m.C[i], first.C[i])
			}
		}
	}
}

// TestMatMulRoundA checks that RoundA does what rounding A beforehand does.
func TestMatMulRoundA(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	eachTier(t, func(t *testing.T, tier Tier) {
		for range 40 {
			c := randomCase(r, 1+r.IntN(40), 1+r.IntN(40), 1+r.IntN(300))
			c.round = true
			got, want := c.matMul(), c.matMul()
			want.RoundA = want.pairs(tier) // twice is once
			for i, v := range want.A {
				want.A[i] = roundBF16(v)
			}
			tier.MatMul(got, new(Scratch))
			tier.MatMul(want, new(Scratch))
			if i := firstDifference(got.C, want.C); i >= 0 {
				t.Fatalf("%v: element %d: got %x, want %x", c, i, got.C[i], want.C[i])
			}
		}
	})
}

// TestMatMulPairsSmall multiplies numbers below the normal range, which count
// as 0 where bfloat16 are multiplied.
func TestMatMulPairsSmall(t *testing.T) {
	const tiny = 0x1p-126
	eachTier(t, func(t *testing.T, tier Tier) {
		for _, c := range []matMulCase{{m: 3, n: 5, k: 7, transB: true}, {m: 17, n: 40, k: 99}} {
			c.b16, c.round, c.alpha = true, true, 1
			m := c.matMul()
			for i := range m.A {
				m.A[i] *= tiny
			}
			got := copyOf(m)
			tier.MatMul(got, new(Scratch))
			for at := range m.M * m.N {
				i, j := at/m.N, at%m.N
				want, _ := exact(m, i, j)
				if d := math.Abs(float64(got.C[i*m.LDC+j]) - want); !(d <= 3*float64(m.K)*tiny) {
					t.Fatalf("%v: element (%d, %d): got %g, want %g", c, i, j, got.C[i*m.LDC+j], want)
				}
			}
		}
	})
}

// TestMatMulOrder checks, where the sum has one term, that operations come in
// the order and with the roundings that the comment of MatMul tells.
func TestMatMulOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	eachTier(t, func(t *testing.T, tier Tier) {
		for range 20 {
			c := randomCase(r, 1+r.IntN(40), 1+r.IntN(40), 1)
			c.alpha, c.beta, c.bias, c.k2 = 0.7, 0.3, true, 0
			m := c.matMul()
			got := copyOf(m)
			tier.MatMul(got, new(Scratch))
			for at := range m.M * m.N {
				i, j := at/m.N, at%m.N
				if g, want := got.C[i*m.LDC+j], oneTerm(tier, m, i, j); g != want {
					t.Fatalf("%v: element (%d, %d): got %x, want %x", c, i, j, g, want)
				}
			}
		}
	})
}

// oneTerm returns element (i, j) of C for K = 1.
func oneTerm(tier Tier, m *MatMul, i, j int) float32 {
	a, b, c, bias := m.a(i, 0), m.b(0, j), m.C[i*m.LDC+j], m.Bias[j]
	if tier != Generic {
		return float32(float32(m.Alpha*float32(a*b))+float32(m.Beta*c)) + bias
	}
	v := float64(float64(m.Alpha) * (float64(a) * float64(b)))
	v += float64(float64(m.Beta) * float64(c))
	return float32(v + float64(bias))
}

// TestMatMulNotFinite checks that a NaN or an infinity in an operand reaches
// its row or column of C and nothing else, and that what C held before does
// not matter if Beta is 0.
func TestMatMulNotFinite(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	eachTier(t, func(t *testing.T, tier Tier) {
		for range 60 {
			c := randomCase(r, 1+r.IntN(40), 1+r.IntN(70), 1+r.IntN(300))
			c.alpha = 1
			c.beta = float32(math.Copysign(0, float64(r.IntN(2)*2-1)))
			m := c.matMul()
			for i := range m.C {
				m.C[i] = float32(math.NaN())
			}
			row, col, k, l := r.IntN(c.m), r.IntN(c.n), r.IntN(c.k), r.IntN(c.k)
			*element(m.A, row, k, m.LDA, m.TransA) = float32(math.NaN())
			if m.B16 != nil {
				*element(m.B16, l, col, m.LDB, m.TransB) = BF16FromF32(float32(math.Inf(1)))
			} else {
				*element(m.B32, l, col, m.LDB, m.TransB) = float32(math.Inf(1))
			}
			tier.MatMul(m, new(Scratch))
			checkNotFinite(t, c, m, row, col)
		}
	})
}

// element returns element (i, j) of a matrix.
func element[T any](s []T, i, j, stride int, trans bool) *T {
	if trans {
		i, j = j, i
	}
	return &s[i*stride+j]
}

// checkNotFinite checks that C is NaN in one row, not finite in the rest of one
// column, and finite elsewhere.
func checkNotFinite(t *testing.T, c matMulCase, m *MatMul, row, col int) {
	t.Helper()
	for at := range m.M * m.N {
		i, j := at/m.N, at%m.N
		v := float64(m.C[i*m.LDC+j])
		ok := math.IsNaN(v)
		if i != row {
			finite := !math.IsNaN(v) && !math.IsInf(v, 0)
			ok = finite == (j != col)
		}
		if !ok {
			t.Fatalf("%v: NaN in row %d, infinity in column %d: got %g in (%d, %d)", c, row, col, v, i, j)
		}
	}
}

// TestMatMulAllocs checks that a product with used scratch allocates nothing.
func TestMatMulAllocs(t *testing.T) {
	eachTier(t, func(t *testing.T, tier Tier) {
		for _, c := range []matMulCase{
			{m: 30, n: 50, k: 300, transB: true, b16: true, alpha: 1, bias: true, k2: 4},
			{m: 30, n: 16, k: 512, alpha: 1},
			{m: 16, n: 80, k: 30, transA: true, alpha: 1},
		} {
			m := c.matMul()
			var s Scratch
			if n := testing.AllocsPerRun(10, func() { tier.MatMul(m, &s) }); n != 0 {
				t.Errorf("%v: got %v allocations, want 0", c, n)
			}
		}
	})
}

func TestMatMulPanics(t *testing.T) {
	one := func() *MatMul { return matMulCase{m: 2, n: 3, k: 4, alpha: 1, bias: true}.matMul() }
	tests := []struct {
		name   string
		change func(m *MatMul)
		tier   Tier
		want   string
	}{
		{"no rows", func(m *MatMul) { m.M = 0 }, Generic, "matmul: M 0, N 3, K 4, want at least 1 of each"},
		{"no B", func(m *MatMul) { m.B32 = nil }, Generic, "matmul: B has 0 float32 and 0 bfloat16, want one of them"},
		{"two B", func(m *MatMul) { m.B16 = make([]uint16, 12) }, Generic, "matmul: B has 12 float32 and 12 bfloat16, want one of them"},
		{"short A", func(m *MatMul) { m.A = m.A[:7] }, Generic, "matmul: A stored as [2, 4] with row stride 4 does not fit into 7 elements"},
		{"stride of B", func(m *MatMul) { m.LDB = 2 }, Generic, "matmul: B stored as [4, 3] with row stride 2 does not fit into 12 elements"},
		{"short C", func(m *MatMul) { m.C = nil }, Generic, "matmul: C stored as [2, 3] with row stride 3 does not fit into 0 elements"},
		{"short bias", func(m *MatMul) { m.Bias = m.Bias[:2] }, Generic, "matmul: bias has 2 elements, want 3"},
		{"second pair", func(m *MatMul) { m.K2, m.TransA, m.A, m.LDA = 1, true, m.A[:8], 2 }, Generic, "matmul: K2 1, A transposed true, want a second pair beside an A that is not"},
		{"short A2", func(m *MatMul) { m.K2, m.LDA2 = 2, 2 }, Generic, "matmul: A2 stored as [2, 2] with row stride 2 does not fit into 0 elements"},
		{"no tier", func(*MatMul) {}, 9, "kernel: Tier(9) is not a tier"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); got != tt.want {
					t.Errorf("got panic %q, want %q", got, tt.want)
				}
			}()
			m := one()
			tt.change(m)
			tt.tier.MatMul(m, new(Scratch))
		})
	}
}
