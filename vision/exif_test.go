package vision_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"mole/vision"
)

// tiff returns an EXIF block with an orientation behind another entry.
func tiff(order binary.AppendByteOrder, kind uint16, value []byte) []byte {
	b := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	entry := func(tag, kind uint16, value []byte) {
		b = order.AppendUint16(order.AppendUint16(b, tag), kind)
		b = append(order.AppendUint32(b, 1), value...)
	}
	entry(0x010f, 3, make([]byte, 4))
	entry(0x0112, kind, value)
	return append(b, 0, 0, 0, 0)
}

// withEXIF puts a block into a PNG.
func withEXIF(data, block []byte) []byte {
	at := bytes.Index(data, []byte("IDAT")) - 4
	return bytes.Join([][]byte{data[:at], chunk("eXIf", block), data[at:]}, nil)
}

// TestOrientation checks all orientations, byte orders and integer types
// against the files that Pillow turned.
func TestOrientation(t *testing.T) {
	plain := read(t, goldenDir, "rgb16.png")
	stored := decode(t, plain, vision.Decoding{})
	for o := 1; o <= 8; o++ {
		want := turn(stored, o)
		v := byte(o)
		for name, block := range map[string][]byte{
			"little short": tiff(binary.LittleEndian, 3, []byte{v, 0, 0, 0}),
			"big short":    tiff(binary.BigEndian, 3, []byte{0, v, 0, 0}),
			"little long":  tiff(binary.LittleEndian, 4, []byte{v, 0, 0, 0}),
			"big long":     tiff(binary.BigEndian, 4, []byte{0, 0, 0, v}),
			"byte":         tiff(binary.BigEndian, 1, []byte{v, 0, 0, 0}),
		} {
			t.Run(fmt.Sprint(o, " ", name), func(t *testing.T) {
				wantSame(t, decode(t, withEXIF(plain, block), vision.Decoding{}), want)
				wantSame(t, decode(t, withEXIF(plain, block), vision.Decoding{IgnoreOrientation: true}), stored)
			})
		}
	}
}

// turn makes the image upright by the definition of the orientations: where
// the first row and the first column of the stored image are to be seen.
func turn(im *vision.Image, o int) *vision.Image {
	w, h := im.W, im.H
	if o >= 5 {
		w, h = h, w
	}
	out := &vision.Image{W: w, H: h, RGB: make([]uint8, len(im.RGB))}
	for y := range im.H {
		for x := range im.W {
			right, bottom := im.W-1-x, im.H-1-y
			to := [...][2]int{1: {x, y}, 2: {right, y}, 3: {right, bottom}, 4: {x, bottom}, 5: {y, x}, 6: {bottom, x}, 7: {bottom, right}, 8: {y, right}}[o]
			copy(out.RGB[(to[1]*w+to[0])*3:][:3], im.RGB[(y*im.W+x)*3:])
		}
	}
	return out
}

func wantSame(t *testing.T, got, want *vision.Image) {
	t.Helper()
	if got.W != want.W || got.H != want.H || !bytes.Equal(got.RGB, want.RGB) {
		t.Errorf("got another picture of %dx%d pixels, want %dx%d", got.W, got.H, want.W, want.H)
	}
}

// TestOrientJPEG compares a turned JPEG with its stored pixels.
func TestOrientJPEG(t *testing.T) {
	const dir = "testdata/processor"
	data := read(t, dir, "exif6-120x200.jpg")
	stored := decode(t, read(t, dir, "exif6-120x200.decoded.png"), vision.Decoding{})
	for _, tt := range []struct {
		d    vision.Decoding
		want *vision.Image
	}{
		{vision.Decoding{}, turn(stored, 6)},
		{vision.Decoding{IgnoreOrientation: true}, stored},
	} {
		if largest, mean := difference(t, decode(t, data, tt.d), tt.want); largest > 3 || mean > 0.06 {
			t.Errorf("%+v: got a difference of %d levels at most, %.4f on average, want 3 and 0.06", tt.d, largest, mean)
		}
	}
}

// TestBadEXIF checks that no EXIF block, however broken, costs the picture.
func TestBadEXIF(t *testing.T) {
	plain := read(t, goldenDir, "rgb16.png")
	want := decode(t, plain, vision.Decoding{})
	good := tiff(binary.LittleEndian, 3, []byte{6, 0, 0, 0})
	at := func(i int, with string) []byte {
		b := bytes.Clone(good)
		copy(b[i:], with)
		return b
	}
	blocks := map[string][]byte{
		"text":                  []byte("just some text"),
		"directory outside":     at(4, "\xff\xff\xff\xff"),
		"too many entries":      at(8, "\xff\xff")[:22],
		"orientation 0":         at(30, "\x00"),
		"orientation 9":         at(30, "\x09"),
		"orientation 65535":     at(30, "\xff\xff"),
		"two orientations":      at(26, "\x02"),
		"orientation as string": at(24, "\x02"),
	}
	for n := range 34 { // all but the whole entry and the end mark
		blocks[fmt.Sprintf("cut to %d bytes", n)] = good[:n]
	}
	for name, b := range blocks {
		t.Run(name, func(t *testing.T) {
			wantSame(t, decode(t, withEXIF(plain, b), vision.Decoding{}), want)
		})
	}
	wantSame(t, decode(t, withEXIF(plain, good), vision.Decoding{}), turn(want, 6))
}

// TestEXIFPlaces checks files that Pillow wrote: where each format keeps EXIF.
func TestEXIFPlaces(t *testing.T) {
	for _, name := range []string{"exif6.webp", "exif6.png", "exif8.jpg"} {
		if im := decode(t, read(t, goldenDir, name), vision.Decoding{}); im.W != 6 || im.H != 9 {
			t.Errorf("%s: got %dx%d pixels, want 6x9", name, im.W, im.H)
		}
	}
	// A segment before the EXIF block that claims to reach beyond the file
	// leaves the JPEG decoder to complain.
	data := read(t, goldenDir, "exif8.jpg")
	broken := []byte(strings.Replace(string(data), "\xff\xe1", "\xff\xe1\xff\xff", 1))
	if _, err := vision.Decode(broken, vision.Decoding{}); err == nil {
		t.Errorf("broken segment: got no error")
	}
}
