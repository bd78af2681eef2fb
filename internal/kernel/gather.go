package kernel

// Gather sets dst [C] to Σ_j weights[j] · row rows[j] of src [N, C]. A nil
// weights means that every weight is 1; a negative row contributes nothing.
// Sums are float64, in the order of j, and rounded once; one row without a
// weight is copied as it is.
func Gather(dst, src []float32, rows []int32, weights []float32) {
	if len(rows) == 1 && weights == nil {
		if rows[0] < 0 {
			clear(dst)
			return
		}
		copy(dst, src[int(rows[0])*len(dst):])
		return
	}
	for i := range dst {
		var s float64
		for j, r := range rows {
			if r >= 0 {
				s += weight(weights, j) * float64(src[int(r)*len(dst)+i])
			}
		}
		dst[i] = float32(s)
	}
}

// GatherBF16 is [Gather] from rows in BF16.
func GatherBF16(dst []float32, src []uint16, rows []int32, weights []float32) {
	if len(rows) == 1 && weights == nil && rows[0] >= 0 {
		row := src[int(rows[0])*len(dst):][:len(dst)]
		for i, v := range row {
			dst[i] = F32FromBF16(v)
		}
		return
	}
	for i := range dst {
		var s float64
		for j, r := range rows {
			if r >= 0 {
				s += weight(weights, j) * float64(F32FromBF16(src[int(r)*len(dst)+i]))
			}
		}
		dst[i] = float32(s)
	}
}

func weight(weights []float32, j int) float64 {
	if weights == nil {
		return 1
	}
	return float64(weights[j])
}

// Add sets dst to a + b, all of one length. dst may be a or b.
func Add(dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i, v := range a {
		dst[i] = v + b[i]
	}
}

// Fill sets every element of dst to v.
func Fill(dst []float32, v float32) {
	for i := range dst {
		dst[i] = v
	}
}
