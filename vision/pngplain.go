package vision

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"

	"mole/internal/pixel"
)

// Colour types of PNG.
const (
	pngGray      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGrayAlpha = 4
	pngRGBA      = 6
)

// plainPNG is a file with samples of 8 bits, not interlaced, as screenshots are.
type plainPNG struct {
	w, h     int
	colour   byte
	step     int    // bytes of a pixel
	palette  []byte // red, green, blue of each colour
	alphas   []byte // of the first colours of the palette
	pixels   []byte // IDAT, compressed
	complete bool   // the end was seen
}

// decodePlainPNG decodes the files that most screenshots are, in a fifth of the
// time of image/png, and false for every other. It never gives a reason: what it
// does not take, damaged files among it, image/png decodes or explains.
func decodePlainPNG(data []byte, o Decoding) (*Image, bool) {
	f, ok := readPlainPNG(data)
	if !ok {
		return nil, false
	}
	packed, sum, ok := unwrap(f.pixels)
	if !ok {
		return nil, false
	}
	r := flate.NewReader(packed)
	out := &Image{W: f.w, H: f.h}
	if n := f.w * f.h * channels; n <= cap(o.memory) {
		out.RGB = o.memory[:n]
	} else {
		out.RGB = make([]uint8, n)
	}
	if got, ok := f.rows(out, r, o); !ok || got != sum {
		return nil, false
	}
	var more [1]byte
	n, err := io.ReadFull(r, more[:])
	return out, n == 0 && err == io.EOF && packed.Len() == 0
}

// unwrap takes compressed data out of their zlib wrapping (RFC 1950) and returns
// the checksum that they must have. The reader of zlib in klauspost/compress
// spends more on that checksum than on a screenshot's data.
func unwrap(data []byte) (packed *bytes.Reader, sum uint32, ok bool) {
	const (
		deflate    = 8
		largest    = 7 << 4 // window
		dictionary = 1 << 5
	)
	if len(data) < 6 || data[0]&15 != deflate || data[0]&0xf0 > largest ||
		data[1]&dictionary != 0 || binary.BigEndian.Uint16(data)%31 != 0 {
		return nil, 0, false
	}
	end := len(data) - 4
	return bytes.NewReader(data[2:end]), binary.BigEndian.Uint32(data[end:]), true
}

// readPlainPNG reads the chunks of a file whose header is there.
func readPlainPNG(data []byte) (*plainPNG, bool) {
	f := &plainPNG{}
	rest := data[len(pngMagic):]
	for last := ""; !f.complete; {
		kind, body, after := pngChunk(rest)
		if kind == "" || !f.add(kind, last, body) {
			return nil, false
		}
		last, rest = kind, after
	}
	return f, f.pixels != nil && (f.colour == pngPalette) == (f.palette != nil)
}

// pngChunk returns the kind and the content of the first chunk, and what comes
// after it; no kind if it is cut off or damaged.
func pngChunk(data []byte) (kind string, body, after []byte) {
	if len(data) < 12 {
		return "", nil, nil
	}
	n := uint64(binary.BigEndian.Uint32(data))
	if n > uint64(len(data)-12) {
		return "", nil, nil
	}
	end := 8 + int(n)
	if crc32.ChecksumIEEE(data[4:end]) != binary.BigEndian.Uint32(data[end:]) {
		return "", nil, nil
	}
	return string(data[4:8]), data[8:end], data[end+4:]
}

// add takes a chunk that follows the chunk last, and reports whether it is one
// that belongs there.
func (f *plainPNG) add(kind, last string, body []byte) bool {
	switch kind {
	case "IHDR":
		return last == "" && f.header(body)
	case "PLTE":
		return f.addPalette(body)
	case "tRNS":
		return f.addAlphas(body)
	case "IDAT":
		return f.addPixels(last, body)
	case "IEND":
		f.complete = true
		return len(body) == 0
	}
	return last != "" // what else a file may hold
}

// addPalette takes the palette: 1 to 256 colours.
func (f *plainPNG) addPalette(body []byte) bool {
	if f.colour != pngPalette || f.palette != nil || f.pixels != nil {
		return false
	}
	f.palette = body
	return len(body) > 0 && len(body)%channels == 0 && len(body) <= 256*channels
}

// addAlphas takes the opacities of colours of the palette.
func (f *plainPNG) addAlphas(body []byte) bool {
	if f.palette == nil || f.alphas != nil || f.pixels != nil {
		return false
	}
	f.alphas = body
	return len(body) <= len(f.palette)/channels
}

// header takes the header.
func (f *plainPNG) header(body []byte) bool {
	steps := [...]int{pngGray: 1, pngRGB: 3, pngPalette: 1, pngGrayAlpha: 2, pngRGBA: 4}
	if len(body) != 13 || body[8] != 8 || int(body[9]) >= len(steps) || string(body[10:]) != "\x00\x00\x00" {
		return false // depth 8, and the only methods of compression and filtering, not interlaced
	}
	f.w, f.h = int(binary.BigEndian.Uint32(body)), int(binary.BigEndian.Uint32(body[4:]))
	f.colour, f.step = body[9], steps[body[9]]
	return f.step > 0
}

// addPixels takes a chunk of compressed pixels. One chunk is used where it lies.
func (f *plainPNG) addPixels(last string, body []byte) bool {
	switch {
	case f.step == 0 || f.pixels != nil && last != "IDAT":
		return false
	case f.pixels == nil:
		f.pixels = body[:len(body):len(body)]
	default:
		f.pixels = append(f.pixels, body...)
	}
	return true
}

// rows reads all rows into out, and returns the checksum of what was read.
func (f *plainPNG) rows(out *Image, r io.Reader, o Decoding) (sum uint32, ok bool) {
	n := f.w * f.step
	buf := make([]uint8, 1+3*n)
	raw, row, above := buf[:1+n], buf[1+n:][:n], buf[1+2*n:]
	convert := f.converter(o)
	sum = 1
	for y := range f.h {
		if _, err := io.ReadFull(r, raw); err != nil {
			return 0, false
		}
		sum = pixel.Adler32(sum, raw)
		dst := out.row(y)
		if convert == nil {
			row = dst // as it is in the file
		}
		if !pixel.Unfilter(raw[0], row, raw[1:], above, f.step) {
			return 0, false
		}
		if convert == nil {
			above = row
			continue
		}
		convert(dst, row)
		row, above = above, row
	}
	return sum, true
}

// converter returns what makes pixels of a row of the file, nil if there is
// nothing to do.
func (f *plainPNG) converter(o Decoding) func(dst, src []uint8) {
	l := layout{step: f.step, g: 1, b: 2, a: f.step - 1}
	switch f.colour {
	case pngRGB:
		return nil
	case pngPalette:
		return f.lookUp(o)
	case pngGray:
		l.g, l.b, l.a = 0, 0, opaque
	case pngGrayAlpha:
		l.g, l.b = 0, 0
	}
	if l.a == opaque || o.DropAlpha {
		return l.copy
	}
	return l.composite
}

// lookUp returns what looks up colours in the palette. Colours that it lacks are
// black.
func (f *plainPNG) lookUp(o Decoding) func(dst, src []uint8) {
	var table [256][channels]uint8
	for i := range len(f.palette) / channels {
		copy(table[i][:], f.palette[i*channels:])
		if i >= len(f.alphas) || o.DropAlpha {
			continue
		}
		for c, v := range table[i] {
			table[i][c] = over(v, f.alphas[i])
		}
	}
	return func(dst, src []uint8) {
		for x, v := range src {
			copy(dst[x*channels:][:channels], table[v][:])
		}
	}
}
