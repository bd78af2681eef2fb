package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

// pngSize reads the header chunk, which comes first.
func pngSize(data []byte) (w, h int, err error) {
	if len(data) < 29 || string(data[12:16]) != "IHDR" {
		return 0, 0, errors.New("header is missing or cut off")
	}
	return int(binary.BigEndian.Uint32(data[16:])), int(binary.BigEndian.Uint32(data[20:])), nil
}

// checkPNGLength refuses files that are too short for their pixels, because the
// decoder allocates the pixels first. Deflate gains a factor of at most 1032.
func checkPNGLength(data []byte) error {
	samples := [...]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4} // by colour type
	depth, colour := int(data[24]), int(data[25])
	if depth > 16 || colour >= len(samples) {
		return nil // which image/png refuses
	}
	w, h, _ := pngSize(data)
	if need := w * h * samples[colour] * depth / 8; need/1032 > len(data) {
		return fmt.Errorf("%d bytes of file for %d bytes of pixels", len(data), need)
	}
	return nil
}

func decodePNG(data []byte, o Decoding) (*Image, error) {
	if err := checkPNGLength(data); err != nil {
		return nil, err
	}
	if im, ok := decodePlainPNG(data, o); ok {
		return im, nil
	}
	return decodeAnyPNG(data, o)
}

// decodeAnyPNG relies on two facts about image/png: its RGBA and RGBA64 are
// opaque, and its NRGBA and NRGBA64 hold colours as they are in the file. (Their
// At methods would multiply them by alpha.)
func decodeAnyPNG(data []byte, o Decoding) (*Image, error) {
	src, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	w, h := src.Bounds().Dx(), src.Bounds().Dy()
	if m, ok := src.(*image.Paletted); ok {
		return fromPalette(m, o), nil
	}
	l, err := pngLayout(src, o)
	if err != nil {
		return nil, err
	}
	return l.image(w, h, o), nil
}

// pngLayout describes what image/png returned.
func pngLayout(src image.Image, o Decoding) (layout, error) {
	switch m := src.(type) {
	case *image.Gray:
		return layout{m.Pix, 1, m.Stride, 0, 0, 0, opaque}, nil
	case *image.Gray16:
		if o.ClipGray16 {
			clipGray16(m.Pix)
		}
		return layout{m.Pix, 2, m.Stride, 0, 0, 0, opaque}, nil
	case *image.RGBA:
		return layout{m.Pix, 4, m.Stride, 0, 1, 2, opaque}, nil
	case *image.NRGBA:
		return layout{m.Pix, 4, m.Stride, 0, 1, 2, 3}, nil
	case *image.RGBA64:
		return layout{m.Pix, 8, m.Stride, 0, 2, 4, opaque}, nil
	case *image.NRGBA64:
		return layout{m.Pix, 8, m.Stride, 0, 2, 4, 6}, nil
	}
	return layout{}, fmt.Errorf("pixels of type %T", src)
}

// clipGray16 moves min(sample, 255) to the high byte of each sample.
func clipGray16(pix []uint8) {
	for i := 0; i+1 < len(pix); i += 2 {
		if pix[i] != 0 {
			pix[i] = 255
		} else {
			pix[i] = pix[i+1]
		}
	}
}

// fromPalette looks up the colours of a picture.
func fromPalette(m *image.Paletted, o Decoding) *Image {
	var table [256][channels]uint8
	for i, c := range m.Palette[:min(len(m.Palette), len(table))] {
		table[i] = paletteColour(c, o)
	}
	out := newImage(m.Rect.Dx(), m.Rect.Dy())
	for y := range out.H {
		dst := out.row(y)
		for x, v := range m.Pix[y*m.Stride:][:out.W] {
			copy(dst[x*channels:], table[v][:])
		}
	}
	return out
}

// paletteColour returns an entry of a palette, over white if its alpha counts.
func paletteColour(c color.Color, o Decoding) [channels]uint8 {
	n := color.NRGBAModel.Convert(c).(color.NRGBA) // exact: an NRGBA or an opaque RGBA
	if o.DropAlpha {
		return [channels]uint8{n.R, n.G, n.B}
	}
	return [channels]uint8{over(n.R, n.A), over(n.G, n.A), over(n.B, n.A)}
}

// pngEXIF returns the eXIf chunk.
func pngEXIF(data []byte) []byte {
	rest := data[len(pngMagic):]
	for len(rest) >= 12 {
		n := int(binary.BigEndian.Uint32(rest))
		if n > len(rest)-12 {
			return nil
		}
		if string(rest[4:8]) == "eXIf" {
			return rest[8 : 8+n]
		}
		rest = rest[12+n:]
	}
	return nil
}
