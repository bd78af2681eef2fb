package kernel

// A vecF32, a vecBF16 and a vecPairs are kernels that set sums [rows of x, rows of
// w] to x · wᵀ. Rows of x and of w begin their stride of bytes apart. A step is a
// register of w; for a matrix in bfloat16 that is widened each step of x has the
// elements with even numbers first. The rows of w after these are fetched into the
// cache.
type (
	vecF32   func(steps uintptr, x *float32, xStride uintptr, w *float32, wStride uintptr, sums *float32)
	vecBF16  func(steps uintptr, x *float32, xStride uintptr, w *uint16, wStride uintptr, sums *float32)
	vecPairs func(steps uintptr, x *uint16, xStride uintptr, w *uint16, wStride uintptr, sums *float32)
)

const (
	// vecBlock is how many rows of w meet all rows of x, some at a time, before the
	// next: they stay in the second-level cache. It is a multiple of what kernels
	// take.
	vecBlock = 48
	// vecSums is the largest number of sums of a kernel.
	vecSums = 24
)

// A vecTier is what a tier brings to products of few rows: kernels by rows of x
// less one, and the rows of w that they take.
type vecTier struct {
	lanes             int // of a register
	f32               []vecF32
	bf16              []vecBF16
	paired            []vecPairs // or nil
	colsF32, colsBF16 []int
	colsPaired        []int
}

var vecTiers = [...]vecTier{
	AVX2: {
		lanes: 8,
		f32:   vecF32AVX2, colsF32: []int{4, 4, 2, 3},
		bf16: vecBF16AVX2, colsBF16: []int{4, 4, 2, 3},
	},
	AVX512: {
		lanes: 16,
		f32:   vecF32AVX512, colsF32: []int{4, 4, 4, 4},
		bf16: vecBF16AVX512, colsBF16: []int{4, 4, 4, 4},
	},
	AVX512BF16: {
		lanes: 16,
		f32:   vecF32AVX512, colsF32: []int{4, 4, 4, 4},
		bf16: vecBF16AVX512, colsBF16: []int{4, 4, 4, 4},
		paired: vecPairsAVX512BF16, colsPaired: []int{4, 4, 4, 4, 3, 3, 3, 3},
	},
}

// A vecProduct is a product of few rows at work.
type vecProduct struct {
	MatMul // a copy, which need not be on the heap
	*vecTier
	cols        []int     // rows of w that a kernel takes, by rows of x less one
	x           []float32 // A as the kernels take it
	x16         []uint16  // the same in pairs, or nil
	stride      int       // of x
	done        int       // elements of k that the kernels take
	plain       bool      // the kernels take all of k, and sums are set or added
	first, rows int       // of A, at work
	sums        []float32 // of the columns at work, [rows, columns]
}

// matVec is MatVec on a vector tier.
func matVec(t Tier, m *MatMul, s *Scratch) {
	v := vecProduct{MatMul: *m, vecTier: &vecTiers[t], x: m.A, stride: m.LDA}
	v.layOut(s, m.pairs(t))
	groups := mmPieces(m.M, len(v.cols))
	for j := 0; j < m.N; j += vecBlock {
		for g := range groups {
			v.first = m.M * g / groups
			v.rows = m.M*(g+1)/groups - v.first
			v.block(j, min(j+vecBlock, m.N))
		}
	}
}

// block computes columns j to end-1 of the rows at work.
func (v *vecProduct) block(j, end int) {
	cols := v.cols[v.rows-1]
	for ; j+cols <= end; j += cols {
		v.columns(j, cols, v.LDB)
	}
	for ; j < end; j++ {
		v.columns(j, 1, 0)
	}
}

// layOut sets x: A itself if that will do.
func (v *vecProduct) layOut(s *Scratch, pairs bool) {
	step := v.lanes
	v.cols = v.colsF32
	if v.B16 != nil {
		step *= 2
		v.cols = v.colsBF16
	}
	v.done = v.K / step * step
	v.plain = v.done == v.K && v.Alpha == 1 && v.Bias == nil && (v.Beta == 0 || v.Beta == 1)
	s.sums = mmGrow(s.sums, vecSums)
	v.sums = s.sums
	if pairs {
		v.cols = v.colsPaired
		v.layOutPairs(s)
		return
	}
	if v.B16 == nil && !v.RoundA {
		return
	}
	s.a = mmGrow(s.a, v.M*v.done)
	v.x, v.stride = s.a, v.done
	for i := range v.M {
		v.layOutRow(v.x[i*v.done:][:v.done], i)
	}
}

// layOutPairs sets x16 to A, rounded.
func (v *vecProduct) layOutPairs(s *Scratch) {
	s.a16 = mmGrow(s.a16, v.M*v.done)
	v.x16, v.stride = s.a16, v.done
	for i := range v.M {
		if v.done > 0 {
			vecRoundPairs(&v.A[i*v.LDA], uintptr(v.done/(2*v.lanes)), &v.x16[i*v.done])
		}
	}
}

// layOutRow sets x to row i of A, rounded if m says so, and in the order that
// suits the type of B.
func (v *vecProduct) layOutRow(x []float32, i int) {
	row := v.A[i*v.LDA:][:v.done]
	switch {
	case v.done == 0:
		return
	case v.B16 == nil:
		copy(x, row)
	case v.lanes == 8:
		vecSplit8(&row[0], uintptr(v.done/16), &x[0])
	default:
		vecSplit16(&row[0], uintptr(v.done/32), &x[0])
	}
	if v.RoundA {
		gemmRound(&x[0], uintptr(v.done/gemmLanes))
	}
}

// columns computes columns j to j+n-1 of the rows at work. stride is that of rows
// of B, or 0 for n = 1, where the kernel does the same row a few times.
func (v *vecProduct) columns(j, n, stride int) {
	v.sum(j, stride)
	cols := v.cols[v.rows-1]
	for r := range v.rows {
		i := v.first + r
		v.finish(i, j, v.sums[r*cols:][:n])
	}
}

// finish sets elements (i, j) and on of C, given the sums of what the kernels take.
// What needs one operation at most is the same in float32.
func (v *vecProduct) finish(i, j int, sums []float32) {
	if v.plain {
		to := v.C[i*v.LDC+j:][:len(sums)]
		for c, sum := range sums {
			if v.Beta != 0 {
				sum += to[c]
			}
			to[c] = sum
		}
		return
	}
	for c, s := range sums {
		sum := float64(s)
		for k := v.done; k < v.K; k++ {
			sum += float64(v.a(i, k)) * float64(v.b(k, j+c))
		}
		v.setGeneric(i, j+c, sum)
	}
}

// sum sets sums for some rows of B, from row j on.
func (v *vecProduct) sum(j, stride int) {
	kernel, steps, at := v.rows-1, uintptr(v.done/(2*v.lanes)), v.first*v.stride
	switch {
	case v.done == 0:
		clear(v.sums)
	case v.x16 != nil:
		v.paired[kernel](steps, &v.x16[at], uintptr(2*v.stride), &v.B16[j*v.LDB], uintptr(2*stride), &v.sums[0])
	case v.B16 != nil:
		v.bf16[kernel](steps, &v.x[at], uintptr(4*v.stride), &v.B16[j*v.LDB], uintptr(2*stride), &v.sums[0])
	default:
		v.f32[kernel](uintptr(v.done/v.lanes), &v.x[at], uintptr(4*v.stride), &v.B32[j*v.LDB], uintptr(4*stride), &v.sums[0])
	}
}
