package vision

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"

	"mole/internal/pixel"
)

// jpegSize reads the frame header.
func jpegSize(data []byte) (w, h int, err error) {
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err
}

// decodeJPEG leaves entropy decoding and the inverse cosine transform to
// image/jpeg, and does what follows as libjpeg-turbo does: chroma is
// interpolated, not repeated, and colours come from the same integer formula.
func decodeJPEG(data []byte, o Decoding) (*Image, error) {
	w, h, err := jpegSize(data)
	if err != nil {
		return nil, err
	}
	// Each block of 64 samples takes at least a bit. The decoder allocates
	// before it finds out.
	if blocks := (w + 7) / 8 * ((h + 7) / 8); blocks/8 > len(data) {
		return nil, fmt.Errorf("%d bytes of file for %d blocks of pixels", len(data), blocks)
	}
	src, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	switch m := src.(type) {
	case *image.Gray:
		return layout{m.Pix, 1, m.Stride, 0, 0, 0, opaque}.image(w, h, o), nil
	case *image.YCbCr:
		return fromYCbCr(m)
	case *image.RGBA:
		return layout{m.Pix, 4, m.Stride, 0, 1, 2, opaque}.image(w, h, o), nil
	case *image.CMYK:
		return fromCMYK(m), nil
	}
	return nil, fmt.Errorf("pixels of type %T", src)
}

// fromYCbCr interpolates chroma and converts to RGB.
func fromYCbCr(m *image.YCbCr) (*Image, error) {
	fx, fy, err := subsampling(m.SubsampleRatio)
	if err != nil {
		return nil, err
	}
	out := newImage(m.Rect.Dx(), m.Rect.Dy())
	cw, ch := (out.W+fx-1)/fx, (out.H+fy-1)/fy
	blue := newChroma(m.Cb, m.CStride, cw, ch, fx, fy)
	red := newChroma(m.Cr, m.CStride, cw, ch, fx, fy)
	cb, cr := make([]uint8, cw*fx), make([]uint8, cw*fx)
	for y := range out.H {
		blue.row(cb, y)
		red.row(cr, y)
		convertYCbCr(out.row(y), m.Y[y*m.YStride:][:out.W], cb, cr)
	}
	return out, nil
}

// subsampling returns the samples of luma per sample of chroma.
func subsampling(r image.YCbCrSubsampleRatio) (fx, fy int, err error) {
	switch r {
	case image.YCbCrSubsampleRatio444:
		return 1, 1, nil
	case image.YCbCrSubsampleRatio422:
		return 2, 1, nil
	case image.YCbCrSubsampleRatio420:
		return 2, 2, nil
	case image.YCbCrSubsampleRatio440:
		return 1, 2, nil
	case image.YCbCrSubsampleRatio411:
		return 4, 1, nil
	case image.YCbCrSubsampleRatio410:
		return 4, 2, nil
	}
	return 0, 0, fmt.Errorf("chroma subsampling %v", r)
}

// convertYCbCr is the conversion of JFIF (ITU-T T.871) with constants of 16
// fractional bits: 1.402, 0.344136, 0.714136 and 1.772.
func convertYCbCr(dst, luma, cb, cr []uint8) {
	const half = 1 << 15
	for x, v := range luma {
		y, u, w := int32(v), int32(cb[x])-128, int32(cr[x])-128
		p := dst[x*channels : x*channels+channels : x*channels+channels]
		p[0] = pixel.Clip(y + (91881*w+half)>>16)
		p[1] = pixel.Clip(y + (-22554*u-46802*w+half)>>16)
		p[2] = pixel.Clip(y + (116130*u+half)>>16)
	}
}

// fromCMYK converts as Pillow does: each colour is what its ink and black let
// through, their product rounded.
func fromCMYK(m *image.CMYK) *Image {
	out := newImage(m.Rect.Dx(), m.Rect.Dy())
	for y := range out.H {
		src, dst := m.Pix[y*m.Stride:][:4*out.W], out.row(y)
		for x := range out.W {
			light := 255 - int32(src[4*x+3])
			for c := range channels {
				v := int32(src[4*x+c])*light + 128
				dst[x*channels+c] = pixel.Clip(light - (v>>8+v)>>8)
			}
		}
	}
	return out
}

// jpegEXIF returns the EXIF block of an APP1 segment before the image data.
func jpegEXIF(data []byte) []byte {
	const (
		app1  = 0xe1
		sos   = 0xda
		eoi   = 0xd9
		intro = "Exif\x00\x00"
	)
	rest := data[2:]
	for len(rest) >= 4 && rest[0] == 0xff {
		marker := rest[1]
		if marker == 0xff { // fill byte
			rest = rest[1:]
			continue
		}
		n := int(binary.BigEndian.Uint16(rest[2:]))
		if marker == sos || marker == eoi || n < 2 || n > len(rest)-2 {
			return nil
		}
		segment := rest[4 : 2+n]
		if marker == app1 && bytes.HasPrefix(segment, []byte(intro)) {
			return segment[len(intro):]
		}
		rest = rest[2+n:]
	}
	return nil
}
