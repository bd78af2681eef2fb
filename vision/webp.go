package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"iter"

	"golang.org/x/image/webp"

	"mole/internal/pixel"
)

// webpSize checks the frame of the file, so that the decoder can trust the
// lengths in it, and reads the size.
func webpSize(data []byte) (w, h int, err error) {
	if n := int64(binary.LittleEndian.Uint32(data[4:])) + 8; n > int64(len(data)) {
		return 0, 0, fmt.Errorf("file is cut off: %d bytes, its header says %d", len(data), n)
	}
	for id, chunk := range webpChunks(data) {
		if chunk == nil {
			return 0, 0, fmt.Errorf("chunk %q is longer than the file", id)
		}
		const animation = 1 << 1
		if id == "VP8X" && len(chunk) > 0 && chunk[0]&animation != 0 {
			return 0, 0, errors.New("animated files are not supported, want a still image")
		}
	}
	c, err := webp.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err
}

// webpChunks yields the chunks of a RIFF file, nil for one that is cut off.
func webpChunks(data []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		rest := data[12:]
		for len(rest) >= 8 {
			id, n := string(rest[:4]), int64(binary.LittleEndian.Uint32(rest[4:]))
			rest = rest[8:]
			if n > int64(len(rest)) {
				yield(id, nil)
				return
			}
			if !yield(id, rest[:n:n]) {
				return
			}
			rest = rest[min(n+n%2, int64(len(rest))):]
		}
	}
}

// webpChunk returns the first chunk of a kind, or nil.
func webpChunk(data []byte, want string) []byte {
	for id, chunk := range webpChunks(data) {
		if id == want {
			return chunk
		}
	}
	return nil
}

// webpEXIF returns the EXIF chunk.
func webpEXIF(data []byte) []byte {
	return bytes.TrimPrefix(webpChunk(data, "EXIF"), []byte("Exif\x00\x00"))
}

// decodeWebP takes the planes of a lossy file from the decoder and converts
// them to RGB as libwebp does.
func decodeWebP(data []byte, o Decoding) (*Image, error) {
	src, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	w, h := src.Bounds().Dx(), src.Bounds().Dy()
	switch m := src.(type) {
	case *image.NRGBA:
		l := layout{m.Pix, 4, m.Stride, 0, 1, 2, 3}
		// Without this flag alpha has no meaning.
		if head := webpChunk(data, "VP8L"); len(head) > 4 && head[4]&(1<<4) == 0 {
			l.a = opaque
		}
		return l.image(w, h, o), nil
	case *image.YCbCr:
		return fromVP8(m), nil
	case *image.NYCbCrA:
		out := fromVP8(&m.YCbCr)
		if !o.DropAlpha {
			out.mask(m.A, m.AStride)
		}
		return out, nil
	}
	return nil, fmt.Errorf("pixels of type %T", src)
}

// mask puts the image on white through a plane of opacities.
func (m *Image) mask(alpha []uint8, stride int) {
	for y := range m.H {
		row := m.row(y)
		for x, a := range alpha[y*stride:][:m.W] {
			p := row[x*channels:][:channels]
			p[0], p[1], p[2] = over(p[0], a), over(p[1], a), over(p[2], a)
		}
	}
}

// fromVP8 interpolates chroma and converts to RGB with the formulas of libwebp.
// VP8 always has one sample of chroma for two by two pixels.
func fromVP8(m *image.YCbCr) *Image {
	out := newImage(m.Rect.Dx(), m.Rect.Dy())
	cw, ch := (out.W+1)/2, (out.H+1)/2
	cb, cr := make([]uint8, 2*cw), make([]uint8, 2*cw)
	for y := range out.H {
		near := y / 2 * m.CStride
		far := max(0, min(neighbour(y), ch-1)) * m.CStride
		spreadVP8(cb, m.Cb[near:][:cw], m.Cb[far:][:cw])
		spreadVP8(cr, m.Cr[near:][:cw], m.Cr[far:][:cw])
		convertVP8(out.row(y), m.Y[y*m.YStride:][:out.W], cb, cr)
	}
	return out
}

// spreadVP8 makes two samples of each sample of the near row: nine parts of it,
// three of either neighbour, one of the diagonal one, with libwebp's rounding.
func spreadVP8(dst, near, far []uint8) {
	last := len(near) - 1
	for x := range near {
		l, r := max(x-1, 0), min(x+1, last)
		a, c := uint32(near[x]), uint32(far[x])
		dst[2*x] = quarter(a, uint32(near[l]), c, uint32(far[l]))
		dst[2*x+1] = quarter(a, uint32(near[r]), c, uint32(far[r]))
	}
}

// quarter returns the value a quarter of the way from a to its neighbours b, c
// and to d, which is opposite.
func quarter(a, b, c, d uint32) uint8 {
	return uint8(((a+3*b+3*c+d+8)>>3 + a) >> 1)
}

// convertVP8 is the conversion of libwebp, with 14 fractional bits of which 8
// are dropped from each product; luma goes from 16 to 235.
func convertVP8(dst, luma, cb, cr []uint8) {
	for x, v := range luma {
		y, u, w := 19077*int32(v)>>8, int32(cb[x]), int32(cr[x])
		p := dst[x*channels : x*channels+channels : x*channels+channels]
		p[0] = pixel.Clip((y + 26149*w>>8 - 14234) >> 6)
		p[1] = pixel.Clip((y - 6419*u>>8 - 13320*w>>8 + 8708) >> 6)
		p[2] = pixel.Clip((y + 33050*u>>8 - 17685) >> 6)
	}
}
