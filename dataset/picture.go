package dataset

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // for the sizes in headers
	_ "image/png"
	"io"
	"io/fs"
	"math/bits"

	"mole/vision"
)

// maxPicture is the largest picture file that is read, in bytes.
const maxPicture = 256 << 20

// pictureSize returns width and height in pixels from the header of a picture.
func pictureSize(fsys fs.FS, name string) (size [2]int, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return size, pictureError(name, err)
	}
	defer closeRead(f)
	c, _, err := image.DecodeConfig(bufio.NewReader(f))
	switch {
	case errors.Is(err, image.ErrFormat):
		return size, fmt.Errorf("image %s: neither PNG nor JPEG", name)
	case err != nil:
		return size, fmt.Errorf("image %s: header: %w", name, err)
	case c.Width < 1 || c.Height < 1:
		return size, fmt.Errorf("image %s: %dx%d pixels", name, c.Width, c.Height)
	}
	return [2]int{c.Width, c.Height}, nil
}

// pictureError says in a few words why a file could not be opened.
func pictureError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("image %s: no such file%w", name, silent{err})
	}
	return fmt.Errorf("image %s: %w", name, err)
}

// silent is an error that is found by errors.Is and says nothing.
type silent struct{ error }

// Error returns nothing.
func (silent) Error() string { return "" }

// Unwrap returns the error.
func (s silent) Unwrap() error { return s.error }

// look is what tells pictures apart: a hash that only equal pixels share, and
// bits that pictures which look alike nearly share.
type look struct {
	pixels [sha256.Size]byte
	bits   [4]uint64
}

// group returns the beginning of the pixels' hash, for metadata.split_group.
func (l *look) group() string { return hex.EncodeToString(l.pixels[:8]) }

// lookAt decodes a picture whole.
func lookAt(fsys fs.FS, name string) (l look, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return l, pictureError(name, err)
	}
	defer closeRead(f)
	data, err := io.ReadAll(io.LimitReader(f, maxPicture+1))
	if err != nil {
		return l, fmt.Errorf("image %s: %w", name, err)
	}
	if len(data) > maxPicture {
		return l, fmt.Errorf("image %s: more than %d bytes", name, maxPicture)
	}
	im, err := vision.Decode(data, vision.Decoding{})
	if err != nil {
		return l, fmt.Errorf("image %s: %w", name, err)
	}
	return look{hashPixels(im), differenceBits(im)}, nil
}

// hashPixels hashes "(width, height)" and the RGB samples, so that it depends
// on what is seen and not on the file's format.
func hashPixels(im *vision.Image) (sum [sha256.Size]byte) {
	h := sha256.New()
	fmt.Fprintf(h, "(%d, %d)", im.W, im.H)
	h.Write(im.RGB)
	h.Sum(sum[:0])
	return sum
}

// differenceBits is the difference hash of 16x16 bits: the picture is scaled
// to 17x16 grey samples, and each bit says whether a sample is brighter than
// its right neighbour.
func differenceBits(im *vision.Image) (b [4]uint64) {
	const w, h = 17, 16
	small := vision.Resize(im, w, h, vision.Pillow)
	grey := func(x, y int) int {
		p := small.RGB[3*(y*w+x):]
		return (299*int(p[0]) + 587*int(p[1]) + 114*int(p[2]) + 500) / 1000
	}
	for y := range h {
		for x := range w - 1 {
			if grey(x, y) > grey(x+1, y) {
				i := y*(w-1) + x
				b[i/64] |= 1 << (i % 64)
			}
		}
	}
	return b
}

// distance returns in how many of 256 bits two looks differ.
func (l *look) distance(m *look) int {
	n := 0
	for i := range l.bits {
		n += bits.OnesCount64(l.bits[i] ^ m.bits[i])
	}
	return n
}
