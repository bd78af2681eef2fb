//go:build amd64 || arm64

package kernel

import "unsafe"

// product sets c [m, vecs registers] to a · b, or adds that to it, with a
// [m, depth] and rows of b and c bStep and cRow elements apart.
func (t *tileTier) product(m, vecs, depth int, a matrix, b []float32, bStep int, c []float32, cRow int, add bool) {
	for v := 0; v < vecs; v += 2 {
		micros := t.wide
		if v+1 == vecs {
			micros = t.narrow
		}
		tiles := mmPieces(m, len(micros))
		for i := range tiles {
			top := m * i / tiles
			micros[m*(i+1)/tiles-top-1](uintptr(depth), &a.at[top*a.row], &b[v*t.lanes], &c[top*cRow+v*t.lanes],
				uintptr(4*a.step), uintptr(4*bStep), uintptr(4*a.row), uintptr(4*cRow), add)
		}
	}
}

// tileCopy sets dst [n, width] to rows of src of d elements, stride apart. What
// is beyond them is undefined.
func tileCopy(dst, src []float32, n, stride, d, width int) {
	whole := gemmInside(n, stride, (n-1)*stride+d, width)
	if whole > 0 {
		gemmCopyF32(&src[0], uintptr(4*stride), uintptr(whole), &dst[0], uintptr(4*width), uintptr(width/gemmRowLanes), uintptr(4*stride*n))
	}
	for i := whole; i < n; i++ {
		copy(dst[i*width:][:width], src[i*stride:][:d])
	}
}

// tileColumns sets column i of dst [d, tileRows] to row i of src, and columns
// from rows to padded to the last of them. The same elements of beside, unless it
// is nil, are fetched into the cache meanwhile.
func tileColumns(dst, src, beside []float32, stride, d, rows, padded int) {
	whole := d / gemmLanes
	ahead := uintptr(0)
	if beside != nil {
		ahead = uintptr(unsafe.Pointer(&beside[0])) - uintptr(unsafe.Pointer(&src[0]))
	}
	for i := 0; i < padded; i += gemmLanes {
		if whole > 0 {
			at := gemmOffsets(i, rows, 4*stride)
			gemmTransposeF32(&src[0], &at, uintptr(whole), &dst[i], 4*tileRows, ahead)
		}
		for k := whole * gemmLanes; k < d; k++ {
			for r := i; r < i+gemmLanes; r++ {
				dst[k*tileRows+r] = src[min(r, rows-1)*stride+k]
			}
		}
	}
}

// tileRowsOf sets the rows of dst, stride elements apart, to the first columns
// of src [d, tileRows].
func tileRowsOf(dst []float32, stride int, src []float32, d, rows int) {
	k := 0
	for ; k+gemmLanes <= d && rows >= gemmLanes; k += gemmLanes {
		at := gemmOffsets(0, gemmLanes, 4*tileRows)
		gemmTransposeF32(&src[k*tileRows], &at, uintptr(rows/gemmLanes), &dst[k], uintptr(4*stride), 0)
	}
	done := rows / gemmLanes * gemmLanes
	for i := range rows {
		from := 0
		if i < done {
			from = k
		}
		for c := from; c < d; c++ {
			dst[i*stride+c] = src[c*tileRows+i]
		}
	}
}
