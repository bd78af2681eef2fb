package pixel

import (
	"slices"

	"golang.org/x/sys/cpu"
)

// vectors says whether the vector versions are used. Tests change it.
var vectors = cpu.X86.HasAVX2

// upAVX2 undoes filterUp for 32·blocks samples.
//
//go:noescape
func upAVX2(dst, src, above *uint8, blocks uintptr)

// paethAVX2 undoes filterPaeth for n pixels behind the first, which is there
// already; all point to it. It reads and writes four bytes of each pixel.
//
//go:noescape
func paethAVX2(dst, src, above *uint8, step, n uintptr)

// rowAVX2 computes n pixels of a row. It reads 16 bytes for each group of
// weights, and writes four of each pixel.
//
//go:noescape
func rowAVX2(dst, src *uint8, offsets *int32, weights *int16, groups, n uintptr, half int32, shift uint32)

// lineAVX2 computes 32·blocks samples of a line from lines that are stride bytes
// apart.
//
//go:noescape
func lineAVX2(dst, src *uint8, stride uintptr, weights *int32, taps, blocks uintptr, half int32, shift uint32)

// patchAVX2 normalises size rows of size pixels, a multiple of 8. Planes are
// volume bytes apart. It reads four bytes behind the last pixel of a row.
//
//go:noescape
func patchAVX2(dst *float32, volume uintptr, src *uint8, stride, size uintptr, mean, std *float32)

// adlerAVX2 sets sums to the sum of 32·blocks bytes, to the sum of the sums of
// all bytes before each block, and to the sum of the sums inside the blocks.
//
//go:noescape
func adlerAVX2(sums *[3]uint32, p *uint8, blocks uintptr)

// upVector undoes filterUp for the first samples, and returns how many.
func upVector(dst, src, above []uint8) int {
	blocks := len(src) / 32
	if !vectors || blocks == 0 {
		return 0
	}
	upAVX2(&dst[0], &src[0], &above[0], uintptr(blocks))
	return 32 * blocks
}

// paethVector undoes filterPaeth for some pixels behind the first, and returns
// where the last of them begins. The very last of the row is never among them,
// because four bytes of it may not be there.
func paethVector(dst, src, above []uint8, step int) int {
	n := len(src)/step - 2
	if !vectors || n <= 0 || step < 3 || step > 4 {
		return 0
	}
	paethAVX2(&dst[0], &src[0], &above[0], uintptr(step), uintptr(n))
	return n * step
}

// rowVector computes the first pixels of a row, and returns how many: up to one
// whose groups of weights would read behind src, without the last of all.
func (f *Filter) rowVector(dst, src []uint8) int {
	if !vectors || f.groups == 0 {
		return 0
	}
	n := len(f.offsets) - 1
	reach := channels*groupTaps*(f.groups-1) + 16
	if f.last+reach > len(src) { // of the last rows of a picture
		n = min(n, slices.IndexFunc(f.offsets, func(at int32) bool { return int(at)+reach > len(src) }))
	}
	if n <= 0 {
		return 0
	}
	_ = dst[channels*n]
	rowAVX2(&dst[0], &src[0], &f.offsets[0], &f.short[0], uintptr(f.groups), uintptr(n), f.half(), uint32(f.Shift))
	return n
}

// lineVector computes the first samples of a line, and returns how many.
func (f *Filter) lineVector(dst, src []uint8, stride int, k []int32) int {
	blocks := len(dst) / 32
	if !vectors || blocks == 0 {
		return 0
	}
	_ = src[(len(k)-1)*stride+len(dst)-1]
	lineAVX2(&dst[0], &src[0], uintptr(stride), &k[0], uintptr(len(k)), uintptr(blocks), f.half(), uint32(f.Shift))
	return 32 * blocks
}

// patchVector is Patch where it returns true.
func (l *Levels) patchVector(dst []float32, volume int, src []uint8, stride, size int) bool {
	if !vectors || !l.Linear || size%8 != 0 || size == 0 || (size-1)*stride+size*channels+4 > len(src) {
		return false
	}
	_ = dst[2*volume+size*size-1]
	patchAVX2(&dst[0], uintptr(4*volume), &src[0], uintptr(stride), uintptr(size), &l.Mean[0], &l.Std[0])
	return true
}

// adlerVector adds the first bytes to both sums, and returns how many.
func adlerVector(a, b uint32, p []uint8) (sum, sums uint32, n int) {
	blocks := uint32(len(p) / 32)
	if !vectors || blocks == 0 {
		return a, b, 0
	}
	var s [3]uint32
	adlerAVX2(&s, &p[0], uintptr(blocks))
	return a + s[0], b + 32*(blocks*a+s[1]) + s[2], int(32 * blocks)
}
