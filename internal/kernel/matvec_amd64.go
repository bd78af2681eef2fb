package kernel

// A vecF32 and a vecBF16 are kernels that set sums [rows of x, rows of w] to
// x · wᵀ. Rows of x and of w begin their stride of bytes apart. A step is a
// register of w; for a matrix in bfloat16 each step of x has the elements with
// even numbers first. The rows of w after these are fetched into the cache.
type (
	vecF32  func(steps uintptr, x *float32, xStride uintptr, w *float32, wStride uintptr, sums *float32)
	vecBF16 func(steps uintptr, x *float32, xStride uintptr, w *uint16, wStride uintptr, sums *float32)
)

// vecRows is the largest number of rows of x that a kernel takes.
const vecRows = 4

// vecBlock is how many rows of w meet all rows of x, some at a time, before the
// next: they stay in the second-level cache. It is a multiple of what kernels take.
const vecBlock = 32

// A vecTier is what a tier brings to products of few rows.
type vecTier struct {
	lanes int          // of a register
	cols  [vecRows]int // rows of w that a kernel takes, by rows of x less one
	f32   []vecF32
	bf16  []vecBF16
}

var vecTiers = [...]vecTier{
	AVX2:       {8, [...]int{4, 4, 2, 2}, vecF32AVX2, vecBF16AVX2},
	AVX512:     {16, [...]int{4, 4, 4, 4}, vecF32AVX512, vecBF16AVX512},
	AVX512BF16: {16, [...]int{4, 4, 4, 4}, vecF32AVX512, vecBF16AVX512},
}

// A vecProduct is a product of few rows at work.
type vecProduct struct {
	MatMul // a copy, which need not be on the heap
	*vecTier
	x           []float32 // A as the kernels take it
	stride      int       // of x
	done        int       // elements of k that the kernels take
	first, rows int       // of A, at work
	sums        []float32 // of the columns at work, [rows, columns]
}

// matVec is MatVec on a vector tier.
func matVec(t Tier, m *MatMul, s *Scratch) {
	v := vecProduct{MatMul: *m, vecTier: &vecTiers[t], x: m.A, stride: m.LDA}
	v.layOut(s)
	groups := mmPieces(m.M, vecRows)
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
func (v *vecProduct) layOut(s *Scratch) {
	step := v.lanes
	if v.B16 != nil {
		step *= 2
	}
	v.done = v.K / step * step
	s.sums = mmGrow(s.sums, 4*vecRows)
	v.sums = s.sums
	if v.B16 == nil && !v.RoundA {
		return
	}
	s.a = mmGrow(s.a, v.M*v.done)
	v.x, v.stride = s.a, v.done
	for i := range v.M {
		v.layOutRow(v.x[i*v.done:][:v.done], i)
	}
}

// layOutRow sets x to row i of A, rounded if m says so, and in the order that
// suits the type of B.
func (v *vecProduct) layOutRow(x []float32, i int) {
	if v.B16 == nil {
		for k := range x {
			x[k] = v.a(i, k)
		}
		return
	}
	for k := 0; k < len(x); k += 2 * v.lanes {
		even, odd := x[k:][:v.lanes], x[k+v.lanes:][:v.lanes]
		for l := range v.lanes {
			even[l], odd[l] = v.a(i, k+2*l), v.a(i, k+2*l+1)
		}
	}
}

// columns computes columns j to j+n-1 of the rows at work. stride is that of rows
// of B, or 0 for n = 1, where the kernel does the same row a few times.
func (v *vecProduct) columns(j, n, stride int) {
	cols := v.cols[v.rows-1]
	v.sum(j, stride)
	for r := range v.rows {
		i := v.first + r
		for c := range n {
			sum := float64(v.sums[r*cols+c])
			for k := v.done; k < v.K; k++ {
				sum += float64(v.a(i, k)) * float64(v.b(k, j+c))
			}
			v.setGeneric(i, j+c, sum)
		}
	}
}

// sum sets sums for some rows of B, from row j on.
func (v *vecProduct) sum(j, stride int) {
	kernel := v.rows - 1
	x := uintptr(4 * v.stride)
	switch {
	case v.done == 0:
		clear(v.sums)
	case v.B16 != nil:
		v.bf16[kernel](uintptr(v.done/(2*v.lanes)), &v.x[v.first*v.stride], x, &v.B16[j*v.LDB], uintptr(2*stride), &v.sums[0])
	default:
		v.f32[kernel](uintptr(v.done/v.lanes), &v.x[v.first*v.stride], x, &v.B32[j*v.LDB], uintptr(4*stride), &v.sums[0])
	}
}
