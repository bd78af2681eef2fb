package vision

// layout says where the samples of a picture lie: bytes of one pixel to the
// next, of one row to the next, and of each colour inside a pixel. Of samples
// of 16 bits only the high byte is named, which is how they become 8 bits.
type layout struct {
	pix          []uint8
	step, stride int
	r, g, b      int
	a            int // opaque if the picture has no alpha
}

const opaque = -1

// image copies the picture, w by h pixels, over white if it has alpha that
// counts.
func (l layout) image(w, h int, o Decoding) *Image {
	out := newImage(w, h)
	for y := range h {
		src := l.pix[y*l.stride:][:w*l.step]
		if l.a == opaque || o.DropAlpha {
			l.copy(out.row(y), src)
		} else {
			l.composite(out.row(y), src)
		}
	}
	return out
}

// copy sets dst to the colours of one row.
func (l layout) copy(dst, src []uint8) {
	for len(src) >= l.step && len(dst) >= channels {
		p := src[:l.step]
		dst[0], dst[1], dst[2] = p[l.r], p[l.g], p[l.b]
		src, dst = src[l.step:], dst[channels:]
	}
}

// composite sets dst to the colours of one row on white.
func (l layout) composite(dst, src []uint8) {
	for len(src) >= l.step && len(dst) >= channels {
		p := src[:l.step]
		a := p[l.a]
		dst[0], dst[1], dst[2] = over(p[l.r], a), over(p[l.g], a), over(p[l.b], a)
		src, dst = src[l.step:], dst[channels:]
	}
}

// over returns sample c of opacity a/255 on white, rounded to the nearest,
// which is what Pillow's alpha_composite gives.
func over(c, a uint8) uint8 {
	return uint8((uint32(c)*uint32(a) + 255*(255-uint32(a)) + 127) / 255)
}
