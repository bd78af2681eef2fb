// Package vision turns image files into the patches that a vision tower reads.
//
// The way is [Decode], [TargetSize], [Resize], [Patchify]; [Read] goes it up to
// the resized picture, [Process] to the end, and a [Processor] does so again and
// again. Every step gives the same bytes on every machine: the arithmetic of a
// resize is integer, and no product is fused with a sum where that would change
// a rounding. Two rules exist for it, those of the two image processors of the
// reference, see [Rule]. The numbers in brackets in the comments are sections of
// the specification qwen3-vl.
//
// Files are hostile input. A file is refused by the size in its header before
// memory is allocated for its pixels, so that a call takes a small multiple of
// the bytes of the file or of the pixels that [Decoding] allows, never more.
//
// All functions are safe for concurrent use.
package vision

// channels is the number of samples of a pixel: red, green, blue.
const channels = 3

// Image is a picture of 8-bit samples.
type Image struct {
	W, H int
	RGB  []uint8 // [H, W, 3]
	// Colours are those of the picture that this one was resized from, as
	// Colours returns them; nil if nobody looked.
	Colours []float32
}

// newImage returns a black image.
func newImage(w, h int) *Image {
	return &Image{W: w, H: h, RGB: make([]uint8, w*h*channels)}
}

// row returns the samples of row y, [W, 3].
func (m *Image) row(y int) []uint8 {
	n := m.W * channels
	return m.RGB[y*n : (y+1)*n : (y+1)*n]
}
