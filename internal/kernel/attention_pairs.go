//go:build amd64

package kernel

import "math"

// Where a tier multiplies bfloat16 in pairs, attention may do its two products on
// the way forward that way: of queries and keys, and of probabilities and values.
// The softmax between them, and all sums, stay float32.

// tilePairs holds the micro-kernels that multiply pairs.
var tilePairs = tileTier{16, tile32ColumnsAVX512BF16, tile16ColumnsAVX512BF16}

// AttentionPairs reports whether [AttentionTile.BeginPairs] works with heads of width d
// on tier t.
func (t Tier) AttentionPairs(d int) bool { return t == AVX512BF16 && d%2 == 0 }

// pairColumns is tileColumns for pairs, two elements of a row in one of dst
// [d/2, tileRows].
func pairColumns(dst, src []float32, stride, d, rows, padded int) {
	groups := d / (2 * gemmPairLanes)
	for i := 0; i < padded; i += gemmPairLanes {
		if groups > 0 {
			at := gemmPairOffsets(i, rows, 4*stride)
			gemmTransposePairsF32(&src[0], &at, uintptr(groups), &dst[i], 4*tileRows, 0)
		}
		for p := groups * gemmPairLanes; p < d/2; p++ {
			for r := i; r < i+gemmPairLanes; r++ {
				dst[p*tileRows+r] = roundPair(src[min(r, rows-1)*stride+2*p:])
			}
		}
	}
}

// pairKeys is tileCopy for keys: dst [n, width] has rows of d/2 pairs.
func pairKeys(dst, src []float32, n, stride, d, width int) {
	whole := gemmInside(n, stride, (n-1)*stride+d, width)
	if whole > 0 {
		attendRound(&src[0], uintptr(4*stride), uintptr(whole), &dst[0], uintptr(4*width), uintptr(width/gemmRowLanes))
	}
	for i := whole; i < n; i++ {
		for p := range d / 2 {
			dst[i*width+p] = roundPair(src[i*stride+2*p:])
		}
	}
}

// pairValues is tileCopy for values: row i of dst [n/2 rounded up, width] has the
// elements of rows 2i and 2i+1 side by side, 0 beside those of a last one.
func pairValues(dst, src []float32, n, stride, d, width int) {
	whole := gemmInside(n, stride, (n-1)*stride+d, width) / 2
	if whole > 0 {
		attendJoin(&src[0], uintptr(4*stride), uintptr(whole), &dst[0], uintptr(4*width), uintptr(width/gemmRowLanes))
	}
	for i := 2 * whole; i < n; i++ {
		for k, v := range src[i*stride:][:d] {
			to := &dst[i/2*width+k]
			if i%2 == 0 {
				*to = pair(BF16FromF32(v), 0)
			} else {
				*to = pair(uint16(math.Float32bits(*to)), BF16FromF32(v))
			}
		}
	}
}

// pairScores puts rows 2i and 2i+1 of the n rows of a panel of scores, vecs registers
// wide, side by side into row i.
func pairScores(scores []float32, vecs, n int) {
	if n%2 == 1 {
		clear(scores[n*tileRows:][:vecs*gemmPairLanes])
	}
	attendJoin(&scores[0], 4*tileRows, uintptr((n+1)/2), &scores[0], 4*tileRows, uintptr(vecs))
}

// roundPair returns the first two elements of x, rounded, as a pair.
func roundPair(x []float32) float32 { return pair(BF16FromF32(x[0]), BF16FromF32(x[1])) }
