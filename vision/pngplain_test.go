package vision

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A testPNG is a file to write.
type testPNG struct {
	w, h    int
	colour  byte
	filter  int // of the first row; each row has another one
	palette []byte
	alphas  []byte
	split   int // bytes of a chunk of pixels, 0 for one chunk
}

// testSteps are the bytes of a pixel of each colour type.
var testSteps = map[byte]int{pngGray: 1, pngRGB: 3, pngPalette: 1, pngGrayAlpha: 2, pngRGBA: 4}

// file writes filtered rows drawn at random, so that what they stand for is
// random too.
func (p testPNG) file(r *rand.Rand) []byte {
	var rows bytes.Buffer
	z := zlib.NewWriter(&rows)
	row := make([]byte, 1+p.w*testSteps[p.colour])
	for y := range p.h {
		for i := range row {
			row[i] = byte(r.Uint32())
		}
		row[0] = byte((p.filter + y) % 5)
		if _, err := z.Write(row); err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(p.w))
	head = append(binary.BigEndian.AppendUint32(head, uint32(p.h)), 8, p.colour, 0, 0, 0)
	out := appendChunk([]byte(pngMagic), "IHDR", head)
	if p.palette != nil {
		out = appendChunk(out, "PLTE", p.palette)
	}
	if p.alphas != nil {
		out = appendChunk(out, "tRNS", p.alphas)
	}
	size := rows.Len()
	if p.split > 0 {
		size = p.split
	}
	for part := range slices.Chunk(rows.Bytes(), size) {
		out = appendChunk(out, "IDAT", part)
	}
	return appendChunk(appendChunk(out, "tEXt", []byte("a\x00b")), "IEND", nil)
}

func appendChunk(dst []byte, kind string, body []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(body)))
	from := len(dst)
	dst = append(append(dst, kind...), body...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[from:]))
}

// testPalette returns n colours.
func testPalette(r *rand.Rand, n int) []byte {
	p := make([]byte, 3*n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// TestPlainPNG compares with image/png for every colour type and filter, and
// widths around the steps of the loops.
func TestPlainPNG(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, colour := range []byte{pngGray, pngRGB, pngPalette, pngGrayAlpha, pngRGBA} {
		for i, w := range []int{1, 1, 1, 1, 1, 2, 3, 5, 8, 11, 16, 21, 33, 64, 171, 3000, 7, 9} {
			p := testPNG{w: w, h: 11, colour: colour, filter: i, split: i % 3 * 40}
			if colour == pngPalette {
				p.palette, p.alphas = testPalette(r, min(1+w, 256)), testPalette(r, 1)[:i%3]
			}
			samePNG(t, p, p.file(r))
		}
	}
}

// samePNG compares the two decoders on a file that both must take.
func samePNG(t *testing.T, p any, data []byte) {
	t.Helper()
	for _, o := range []Decoding{{}, {DropAlpha: true}} {
		want, err := decodeAnyPNG(data, o)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := decodePlainPNG(data, o)
		if !ok || got.W != want.W || got.H != want.H || !bytes.Equal(got.RGB, want.RGB) {
			t.Errorf("%+v, %+v: taken %v, or other pixels than image/png", p, o, ok)
		}
	}
}

// TestPlainPNGLeaves checks that every file that is not plain, or damaged in any
// way, is left to image/png.
func TestPlainPNGLeaves(t *testing.T) {
	good := testPNG{w: 5, h: 7, colour: pngRGB, split: 50}.file(rand.New(rand.NewPCG(3, 4)))
	samePNG(t, "good", good)
	for i := len(pngMagic); i < len(good); i++ {
		if _, ok := decodePlainPNG(good[:i], Decoding{}); ok {
			t.Errorf("the first %d bytes of %d are taken", i, len(good))
		}
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		if _, ok := decodePlainPNG(bad, Decoding{}); ok {
			t.Errorf("taken with another byte %d", i)
		}
		agree(t, repaired(bad))
	}
}

// repaired sets the checksums of chunks to what they should be.
func repaired(data []byte) []byte {
	for at := len(pngMagic); at+12 <= len(data); {
		n := int(binary.BigEndian.Uint32(data[at:]))
		if n > len(data)-at-12 {
			break
		}
		binary.BigEndian.PutUint32(data[at+8+n:], crc32.ChecksumIEEE(data[at+4:at+8+n]))
		at += 12 + n
	}
	return data
}

// agree checks that what decodePlainPNG takes is what image/png makes of it.
func agree(t *testing.T, data []byte) {
	t.Helper()
	w, h, err := pngSize(data)
	if err != nil || (Decoding{MaxPixels: 1 << 16}).checkSize(w, h) != nil || checkPNGLength(data) != nil {
		return
	}
	got, ok := decodePlainPNG(data, Decoding{})
	if !ok {
		return
	}
	want, err := decodeAnyPNG(data, Decoding{})
	if err != nil || got.W != want.W || got.H != want.H || !bytes.Equal(got.RGB, want.RGB) {
		t.Errorf("taken, where image/png gives other pixels or error %v", err)
	}
}

// FuzzPlainPNG feeds files with good checksums to both decoders.
func FuzzPlainPNG(f *testing.F) {
	files, err := filepath.Glob("testdata/golden/*.png")
	if err != nil || len(files) == 0 {
		f.Fatalf("seeds: %d files, error %v", len(files), err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for colour := range testSteps {
		p := testPNG{w: 9, h: 6, colour: colour, split: 40}
		if colour == pngPalette {
			p.palette, p.alphas = testPalette(r, 200), testPalette(r, 20)
		}
		f.Add(p.file(r))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if hasMagic(data, pngMagic) {
			agree(t, repaired(bytes.Clone(data)))
		}
	})
}
