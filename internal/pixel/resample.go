package pixel

import "math"

// A Filter resamples lines of samples along one axis. Sample i of the result is
// the sum of the samples from Start[i] on, each times its weight, in units of
// 1<<Shift, rounded to the nearest and clipped to 0..255.
type Filter struct {
	Start   []int
	Weights [][]int32 // of each sample of the result, at least one
	Shift   uint      // 1 to 31

	// What Row reads, without weights of zero at either end, which the edges of a
	// window often have.
	offsets []int32 // of the windows, in bytes
	short   []int16 // weights of each, filled up with zeros to a multiple of groupTaps
	groups  int     // of weights of a window; 0 if they do not fit into 16 bits
	last    int     // largest offset
}

// groupTaps is the number of weights that [Filter.Row] takes at a time.
const groupTaps = 4

// Prepare completes a filter whose exported fields are set, for Row.
func (f *Filter) Prepare() {
	taps := 0
	for i, w := range f.Weights {
		start, w := trim(f.Start[i], w)
		if !fits16(w) || start > math.MaxInt32/channels {
			return
		}
		f.offsets = append(f.offsets, int32(channels*start))
		f.last = max(f.last, channels*start)
		taps = max(taps, len(w))
	}
	f.groups = (taps + groupTaps - 1) / groupTaps
	f.short = make([]int16, len(f.Weights)*f.groups*groupTaps)
	for i, w := range f.Weights {
		_, w = trim(f.Start[i], w)
		for k, v := range w {
			f.short[i*f.groups*groupTaps+k] = int16(v)
		}
	}
}

// trim cuts zeros off both ends of the weights of a window.
func trim(start int, w []int32) (int, []int32) {
	for len(w) > 1 && w[len(w)-1] == 0 {
		w = w[:len(w)-1]
	}
	for len(w) > 1 && w[0] == 0 {
		start, w = start+1, w[1:]
	}
	return start, w
}

// fits16 reports whether all numbers fit into 16 bits.
func fits16(w []int32) bool {
	for _, v := range w {
		if v != int32(int16(v)) {
			return false
		}
	}
	return true
}

// half is what makes a shifted sum round to the nearest.
func (f *Filter) half() int32 { return 1 << f.Shift >> 1 }

// Row resamples a row of pixels of three samples: dst has as many as the filter
// has, src begins with those that it reads. What src holds behind them makes no
// difference but that more of the row is fast.
func (f *Filter) Row(dst, src []uint8) {
	n := f.rowVector(dst, src)
	f.row(dst, src, n)
}

// row is Row from pixel x on.
func (f *Filter) row(dst, src []uint8, x int) {
	shift, half := f.Shift&31, f.half()
	for ; x < len(f.Weights); x++ {
		k := f.Weights[x]
		window := src[f.Start[x]*channels:]
		p := dst[x*channels : x*channels+channels : x*channels+channels]
		if len(k) == 4 { // unless the row shrinks, or at its ends
			four(p, window[:4*channels], k, half, shift)
			continue
		}
		r, g, b := half, half, half
		for i, w := range k {
			q := window[i*channels : i*channels+channels : i*channels+channels]
			r += int32(q[0]) * w
			g += int32(q[1]) * w
			b += int32(q[2]) * w
		}
		p[0], p[1], p[2] = Clip(r>>shift), Clip(g>>shift), Clip(b>>shift)
	}
}

// four computes one pixel from a window of four.
func four(dst, src []uint8, k []int32, half int32, shift uint) {
	_, _ = src[11], dst[2]
	a, b, c, d := k[0], k[1], k[2], k[3]
	dst[0] = Clip((half + int32(src[0])*a + int32(src[3])*b + int32(src[6])*c + int32(src[9])*d) >> (shift & 31))
	dst[1] = Clip((half + int32(src[1])*a + int32(src[4])*b + int32(src[7])*c + int32(src[10])*d) >> (shift & 31))
	dst[2] = Clip((half + int32(src[2])*a + int32(src[5])*b + int32(src[8])*c + int32(src[11])*d) >> (shift & 31))
}

// Reach returns the largest number of weights of a sample.
func (f *Filter) Reach() int {
	n := 0
	for _, k := range f.Weights {
		n = max(n, len(k))
	}
	return n
}

// Line computes line y of the result, where lines are rows of samples: src begins
// with the first that is read, and they are stride apart there.
func (f *Filter) Line(dst, src []uint8, stride, y int) {
	k := f.Weights[y]
	n := f.lineVector(dst, src, stride, k)
	f.line(dst, src, stride, k, n)
}

// lineBlock is how many samples line computes at a time.
const lineBlock = 256

// line is Line from sample i on, with src at the first line of the window.
func (f *Filter) line(dst, src []uint8, stride int, k []int32, i int) {
	var sums [lineBlock]int32
	for ; i < len(dst); i += lineBlock {
		part := dst[i:min(i+lineBlock, len(dst))]
		sum := sums[:len(part)]
		for j := range sum {
			sum[j] = f.half()
		}
		for j, w := range k {
			accumulate(sum, src[j*stride+i:], w)
		}
		for j, v := range sum {
			part[j] = Clip(v >> (f.Shift & 31))
		}
	}
}

// accumulate adds w·src to sum.
func accumulate(sum []int32, src []uint8, w int32) {
	src = src[:len(sum)]
	for i, v := range src {
		sum[i] += int32(v) * w
	}
}

// Clip brings v into the range of a sample.
func Clip(v int32) uint8 {
	if uint32(v) <= 255 {
		return uint8(v)
	}
	return uint8(^v >> 31) // 0 or 255 by the sign
}
