package vision

import (
	"errors"
	"fmt"
)

// Decoding says what to make of a file where the format leaves a choice. The
// zero value is what training and serving use; the other settings reproduce
// what the reference does in one place or another (5.5).
type Decoding struct {
	// MaxPixels is the largest number of pixels of a file, 0 for 40 million.
	// It is compared with the header, before memory is allocated.
	MaxPixels int
	// DropAlpha ignores transparency, so that hidden colours show. Otherwise
	// the image is composited over white.
	DropAlpha bool
	// IgnoreOrientation leaves an image as it is stored. Otherwise it is turned
	// and mirrored as its EXIF orientation says.
	IgnoreOrientation bool
	// ClipGray16 clips grey samples of 16 bits at 255, so that nearly all become
	// white. Otherwise their high byte counts, as for colours of 16 bits.
	ClipGray16 bool

	memory []uint8 // for the pixels, if it is large enough
}

// defaultMaxPixels is also the limit for a request.
const defaultMaxPixels = 40_000_000

// checkSize compares the size in a header with the limit.
func (o Decoding) checkSize(w, h int) error {
	limit := o.MaxPixels
	if limit == 0 {
		limit = defaultMaxPixels
	}
	if w < 1 || h < 1 {
		return fmt.Errorf("image of %dx%d pixels (width x height)", w, h)
	}
	if w > limit || h > limit/w {
		return fmt.Errorf("image of %dx%d pixels (width x height), the limit is %d pixels", w, h, limit)
	}
	return nil
}

// codec reads one file format.
type codec struct {
	name  string
	magic string
	// size returns width and height from the header.
	size func(data []byte) (w, h int, err error)
	// decode returns the image as stored. The size has been checked.
	decode func(data []byte, o Decoding) (*Image, error)
	// exif returns the EXIF block, a TIFF file, or nil.
	exif func(data []byte) []byte
}

var codecs = []codec{
	{"PNG", pngMagic, pngSize, decodePNG, pngEXIF},
	{"JPEG", "\xff\xd8\xff", jpegSize, decodeJPEG, jpegEXIF},
	{"WebP", "RIFF????WEBP", webpSize, decodeWebP, webpEXIF},
}

// Decode reads a PNG, JPEG or WebP file. Of an animated PNG it reads the still
// image; an animated WebP has none and is refused. PNG and WebP files give the
// same bytes as Pillow; JPEG files those of libjpeg-turbo except for the
// rounding of the inverse cosine transform.
func Decode(data []byte, o Decoding) (*Image, error) {
	c, err := codecOf(data)
	if err != nil {
		return nil, err
	}
	im, err := c.read(data, o)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", c.name, err)
	}
	return im, nil
}

func (c *codec) read(data []byte, o Decoding) (*Image, error) {
	w, h, err := c.size(data)
	if err != nil {
		return nil, err
	}
	if err := o.checkSize(w, h); err != nil {
		return nil, err
	}
	im, err := c.decode(data, o)
	if err != nil || o.IgnoreOrientation {
		return im, err
	}
	return im.orient(orientation(c.exif(data))), nil
}

// codecOf chooses by the first bytes of a file.
func codecOf(data []byte) (*codec, error) {
	for i := range codecs {
		if hasMagic(data, codecs[i].magic) {
			return &codecs[i], nil
		}
	}
	for _, f := range foreign {
		if hasMagic(data, f.magic) {
			return nil, fmt.Errorf("image file is %s, want PNG, JPEG or WebP", f.name)
		}
	}
	if len(data) == 0 {
		return nil, errors.New("image file is empty")
	}
	return nil, fmt.Errorf("image file begins with %q, want PNG, JPEG or WebP", data[:min(len(data), 12)])
}

// foreign lists formats that people try. The first match counts.
var foreign = []struct{ name, magic string }{
	{"GIF", "GIF8"},
	{"BMP", "BM"},
	{"TIFF", "II*\x00"},
	{"TIFF", "MM\x00*"},
	{"AVIF", "????ftypavi"},
	{"HEIF", "????ftyphei"},
	{"HEIF", "????ftypmif1"},
	{"a video", "????ftyp"},
	{"JPEG XL", "\xff\x0a"},
	{"JPEG XL", "\x00\x00\x00\x0cJXL "},
	{"JPEG 2000", "\x00\x00\x00\x0cjP  "},
	{"PDF", "%PDF-"},
	{"text (SVG or HTML?)", "<"},
	{"an icon", "\x00\x00\x01\x00"},
	{"gzip data", "\x1f\x8b"},
	{"base64 text, decode it first", "iVBORw0KGgo"},
	{"base64 text, decode it first", "/9j/"},
	{"base64 text, decode it first", "data:image/"},
}

// hasMagic reports whether data begins with magic, where ? stands for any byte.
func hasMagic(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}
