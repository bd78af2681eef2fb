package kernel

// The generic product widens both operands to float64, in which the product of
// two float32 is exact, and keeps sums of two rows by four columns at a time.

const (
	mmPanel = 4           // columns of B side by side
	mmBlock = 4 * mmPanel // columns of B that are widened together
)

// mmGeneric computes m.
func mmGeneric(m *MatMul, s *Scratch) {
	s.a64 = mmGrow(s.a64, 2*m.K)
	s.b64 = mmGrow(s.b64, mmBlock*m.K)
	for j := 0; j < m.N; j += mmBlock {
		cols := min(mmBlock, m.N-j)
		m.widenB(s.b64, j, cols)
		for i := 0; i < m.M; i += 2 {
			m.genericRows(s, i, j, cols)
		}
	}
}

// widenB sets dst to cols columns of B from column j on, as panels of mmPanel
// columns, k slowest, and zeros beyond them.
func (m *MatMul) widenB(dst []float64, j, cols int) {
	clear(dst)
	for c := range cols {
		panel := dst[c/mmPanel*mmPanel*m.K:]
		for k := range m.K {
			panel[k*mmPanel+c%mmPanel] = float64(m.b(k, j+c))
		}
	}
}

// genericRows computes rows i and i+1, if there is one, of the columns of C
// whose part of B is in the scratch.
func (m *MatMul) genericRows(s *Scratch, i, j, cols int) {
	a0, a1 := s.a64[:m.K], s.a64[m.K:2*m.K]
	last := min(i+1, m.M-1)
	for k := range m.K {
		a0[k], a1[k] = float64(m.a(i, k)), float64(m.a(last, k))
	}
	for p := 0; p < cols; p += mmPanel {
		sums := mmDot2x4(a0, a1, s.b64[p*m.K:])
		for c := range min(mmPanel, cols-p) {
			m.setGeneric(i, j+p+c, sums[0][c])
			if last > i {
				m.setGeneric(last, j+p+c, sums[1][c])
			}
		}
	}
}

// setGeneric sets element (i, j) of C, given its sum. The conversions keep the
// compiler from fusing operations, so that all processors give the same bytes.
func (m *MatMul) setGeneric(i, j int, sum float64) {
	c := &m.C[i*m.LDC+j]
	v := float64(float64(m.Alpha) * (sum + m.sum2(i, j)))
	if m.Beta != 0 {
		v += float64(float64(m.Beta) * float64(*c))
	}
	if m.Bias != nil {
		v += float64(m.Bias[j])
	}
	*c = float32(v)
}

// mmDot2x4 returns Σ_k of the products of two rows with four columns; element
// (k, c) of the columns is b[4k+c]. Products are exact, so it does not matter
// whether the compiler fuses them with the sums.
func mmDot2x4(a0, a1, b []float64) (sums [2][mmPanel]float64) {
	var s00, s01, s02, s03, s10, s11, s12, s13 float64
	for k, x := range a0 {
		y, r := a1[k], b[mmPanel*k:][:mmPanel:mmPanel]
		s00 += x * r[0]
		s01 += x * r[1]
		s02 += x * r[2]
		s03 += x * r[3]
		s10 += y * r[0]
		s11 += y * r[1]
		s12 += y * r[2]
		s13 += y * r[3]
	}
	return [2][mmPanel]float64{{s00, s01, s02, s03}, {s10, s11, s12, s13}}
}

// mmGrow returns s with n elements, which are undefined.
func mmGrow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
