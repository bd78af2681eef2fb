package vision

// chroma brings a plane of chroma samples to the size of the image, as
// libjpeg-turbo does by default: where there is one sample for two pixels of an
// axis, the nearer sample counts three quarters and the next one a quarter; at
// the edges a sample is its own neighbour. Planes of up to two columns, and
// those with one sample for four pixels, are repeated instead.
type chroma struct {
	pix    []uint8
	stride int
	w, h   int     // samples
	fx, fy int     // pixels per sample, 1, 2 or 4
	sum    []int32 // one row, blended of two and scaled by four if fy is 2
}

func newChroma(pix []uint8, stride, w, h, fx, fy int) *chroma {
	return &chroma{pix: pix, stride: stride, w: w, h: h, fx: fx, fy: fy, sum: make([]int32, w)}
}

// samples returns row y of the plane, the nearest one if there is none.
func (c *chroma) samples(y int) []uint8 {
	y = max(0, min(y, c.h-1))
	return c.pix[y*c.stride:][:c.w]
}

// row sets dst, [w·fx], to the chroma of row y of the image. The amounts that
// are added before a shift are half a unit, or for one of two neighbours a
// little less, so that the errors of both cancel.
func (c *chroma) row(dst []uint8, y int) {
	switch {
	case c.fx == 4, c.fx == 2 && c.w <= 2:
		repeat(dst, c.samples(y/c.fy), c.fx)
	case c.fx == 2 && c.fy == 2:
		c.blend(y)
		spread(dst, c.sum, 8, 7, 4)
	case c.fx == 2:
		c.widen(y)
		spread(dst, c.sum, 1, 2, 2)
	case c.fy == 2:
		c.blend(y)
		for x, v := range c.sum {
			dst[x] = uint8((v + 1 + int32(y%2)) >> 2)
		}
	default:
		copy(dst, c.samples(y))
	}
}

// widen sets the sum of each column to its sample.
func (c *chroma) widen(y int) {
	for x, v := range c.samples(y) {
		c.sum[x] = int32(v)
	}
}

// blend sets the sum of each column to four times its value at row y of the
// image, which lies between two rows of samples.
func (c *chroma) blend(y int) {
	near, far := c.samples(y/2), c.samples(neighbour(y))
	for x, v := range near {
		c.sum[x] = 3*int32(v) + int32(far[x])
	}
}

// neighbour returns the second nearest of the samples that stand for two pixels
// each, given a pixel: the one before for even pixels, the one after for odd.
func neighbour(y int) int { return y/2 - 1 + y%2*2 }

// spread makes two samples of each sum and its neighbours, three parts to one.
func spread(dst []uint8, sum []int32, even, odd int32, shift uint) {
	last := len(sum) - 1
	for x, v := range sum {
		dst[2*x] = uint8((3*v + sum[max(x-1, 0)] + even) >> shift)
		dst[2*x+1] = uint8((3*v + sum[min(x+1, last)] + odd) >> shift)
	}
}

// repeat writes each sample n times.
func repeat(dst, src []uint8, n int) {
	for x, v := range src {
		for i := range n {
			dst[x*n+i] = v
		}
	}
}
