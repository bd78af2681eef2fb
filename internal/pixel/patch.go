package pixel

// Levels holds what samples become when they are normalised.
type Levels struct {
	Table [channels][256]float32 // of each level of each channel
	// Linear says that level v of channel c is (v - Mean[c]) / Std[c] in float32,
	// rounded after each of the two, which is faster to compute than to look up.
	Linear    bool
	Mean, Std [channels]float32
}

// Patch normalises a square of size pixels a side into three planes: dst is the
// first one, [size, size], and those of the other channels begin volume and
// 2·volume behind it. src begins with the first sample of the square; rows are
// stride samples apart.
func (l *Levels) Patch(dst []float32, volume int, src []uint8, stride, size int) {
	if l.patchVector(dst, volume, src, stride, size) {
		return
	}
	for y := range size {
		row := src[y*stride:][:size*channels]
		r := dst[y*size:][:size]
		g := dst[volume+y*size:][:size]
		b := dst[2*volume+y*size:][:size]
		for x := range r {
			p := row[x*channels : x*channels+channels : x*channels+channels]
			r[x] = l.Table[0][p[0]]
			g[x] = l.Table[1][p[1]]
			b[x] = l.Table[2][p[2]]
		}
	}
}
