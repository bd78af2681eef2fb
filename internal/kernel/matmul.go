package kernel

import "fmt"

// MatMul holds one matrix product,
//
//	C = Alpha · (A · B + A2 · B2) + Beta · C + Bias,
//
// with A [M, K], B [K, N] and C [M, N], all of them at least 1. C must not
// overlap the others. The second pair, A2 [M, K2] and B2 [K2, N], is there if K2
// is not 0: an inner dimension that is small beside K, such as the rank of an
// adapter, whose product needs no pass over C of its own.
//
// Element (i, j) of C depends, to the bit, only on the tier, on row i of A and A2,
// column j of B and B2, its own value before, Alpha, Beta and Bias[j]: not on M, N,
// the place in memory or the scratch. A product may therefore be split by rows
// and columns at will. (The payload of a NaN is not part of this promise.) C is
// not read if Beta is 0.
//
// The sum over k is computed first, with that of the second pair added to it,
// then multiplied by Alpha, then Beta · C is added, then Bias. The generic tier does all of it in float64, in the order of
// k, and rounds once to float32: its bytes are the same on every processor. The
// vector tiers work in float32: fused multiplications and additions in the
// order of k within runs of 512, the runs added up in order, of which the second
// pair is the last; each of the operations that follow rounds. Their bytes agree
// with each other. The error of the sum is at most (K + K2)·2⁻²⁴ relative to
// Σ |a·b|, to first order.
//
// The exception is tier AVX512BF16 where RoundA is set, B is in bfloat16 and A
// not transposed: there the processor multiplies bfloat16, two neighbours in k
// in one instruction and runs of 1024. Each product is exact and each addition
// rounds once, so the bound on the error is the same; but the order within two
// neighbours is the processor's, and numbers below the normal range, of operands
// and of sums, count as 0, which takes an absolute 2⁻¹²⁶ for each. The second
// pair is multiplied in float32 there too, and never rounded.
type MatMul struct {
	M, N, K int

	A      []float32 // rows begin LDA elements apart
	LDA    int
	TransA bool // A is stored as [K, M]

	B32    []float32 // B in float32, or nil
	B16    []uint16  // B in bfloat16, or nil
	LDB    int
	TransB bool // B is stored as [N, K]

	K2   int       // 0 for no second pair; if there is one, A is not transposed
	A2   []float32 // rows begin LDA2 elements apart
	LDA2 int
	B2   []float32 // stored as [N, K2] if TransB
	LDB2 int

	C   []float32
	LDC int

	Alpha, Beta float32
	Bias        []float32 // [N], or nil for none

	// RoundA rounds A to bfloat16 first, to the nearest even. A processor with
	// bfloat16 products can then use them, see above.
	RoundA bool
}

// pairs reports whether tier t computes m in products of bfloat16.
func (m *MatMul) pairs(t Tier) bool {
	return t == AVX512BF16 && m.RoundA && m.B16 != nil && !m.TransA
}

// Scratch is the packing memory of one worker. The zero value is ready; it
// grows to what the largest product needs, 8 MiB or so, and is reused. What is in
// it has no influence on any result. It is not safe for concurrent use.
type Scratch struct {
	a, b, sums, edge []float32 // of the vector tiers
	across           []float32 // of the vector tiers: a result that lies across, and transposed
	a64, b64         []float64 // of the generic tier
	second           *secondPair
	flipped          *MatMul
	parts            *[2]MatMul // of MatVec
	a16              []uint16   // of MatVec
}

// bestTier is the result of Best, which does not change.
var bestTier = Best()

// MatMul computes m in the calling goroutine. A matrix that is too small for
// what m says, and a tier that is not supported, panic.
func (t Tier) MatMul(m *MatMul, s *Scratch) {
	m.check()
	if t != Generic && t != bestTier {
		t.demand()
	}
	mmRun(t, m, s)
}

// check panics if m is not a product.
func (m *MatMul) check() {
	if m.M < 1 || m.N < 1 || m.K < 1 {
		panic(fmt.Sprintf("matmul: M %d, N %d, K %d, want at least 1 of each", m.M, m.N, m.K))
	}
	if (m.B32 == nil) == (m.B16 == nil) {
		panic(fmt.Sprintf("matmul: B has %d float32 and %d bfloat16, want one of them", len(m.B32), len(m.B16)))
	}
	mmCheckOperand("A", m.M, m.K, m.TransA, m.LDA, len(m.A))
	mmCheckOperand("B", m.K, m.N, m.TransB, m.LDB, len(m.B32)+len(m.B16))
	mmCheckOperand("C", m.M, m.N, false, m.LDC, len(m.C))
	m.checkSecond()
	if m.Bias != nil && len(m.Bias) < m.N {
		panic(fmt.Sprintf("matmul: bias has %d elements, want %d", len(m.Bias), m.N))
	}
}

// checkSecond panics if the second pair does not fit the first.
func (m *MatMul) checkSecond() {
	if m.K2 == 0 {
		return
	}
	if m.K2 < 0 || m.TransA {
		panic(fmt.Sprintf("matmul: K2 %d, A transposed %t, want a second pair beside an A that is not", m.K2, m.TransA))
	}
	mmCheckOperand("A2", m.M, m.K2, false, m.LDA2, len(m.A2))
	mmCheckOperand("B2", m.K2, m.N, m.TransB, m.LDB2, len(m.B2))
}

// mmCheckOperand panics if a matrix does not fit into n elements.
func mmCheckOperand(name string, rows, cols int, trans bool, stride, n int) {
	if trans {
		rows, cols = cols, rows
	}
	if stride < cols || n < (rows-1)*stride+cols {
		panic(fmt.Sprintf("matmul: %s stored as [%d, %d] with row stride %d does not fit into %d elements",
			name, rows, cols, stride, n))
	}
}

// a returns element (i, k) of A, rounded if m says so.
func (m *MatMul) a(i, k int) float32 {
	if m.TransA {
		i, k = k, i
	}
	v := m.A[i*m.LDA+k]
	if m.RoundA {
		v = roundBF16(v)
	}
	return v
}

// b returns element (k, j) of B.
func (m *MatMul) b(k, j int) float32 {
	if m.TransB {
		k, j = j, k
	}
	if m.B16 != nil {
		return F32FromBF16(m.B16[k*m.LDB+j])
	}
	return m.B32[k*m.LDB+j]
}

// sum2 returns the sum of the second pair for element (i, j), in the order of k.
func (m *MatMul) sum2(i, j int) (sum float64) {
	for k := range m.K2 {
		b := k*m.LDB2 + j
		if m.TransB {
			b = j*m.LDB2 + k
		}
		sum += float64(m.A2[i*m.LDA2+k]) * float64(m.B2[b])
	}
	return sum
}

// mmPieces returns the number of pieces of at most size that n is cut into.
func mmPieces(n, size int) int { return (n + size - 1) / size }
