package vision_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/jpeg"
	"runtime"
	"strings"
	"testing"

	"mole/vision"
)

func TestDecodeForeign(t *testing.T) {
	tests := []struct{ data, wantErr string }{
		{"", "image file is empty"},
		{"GIF89a......", "image file is GIF, want PNG, JPEG or WebP"},
		{"BM......", "is BMP"},
		{"II*\x00....", "is TIFF"},
		{"MM\x00*....", "is TIFF"},
		{"\x00\x00\x00\x20ftypavif", "is AVIF"},
		{"\x00\x00\x00\x20ftypheic", "is HEIF"},
		{"\x00\x00\x00\x20ftypisom", "is a video"},
		{"\x00\x00\x00\x0cJXL \r\n", "is JPEG XL"},
		{"%PDF-1.7", "is PDF"},
		{"<svg xmlns=", "is text (SVG or HTML?)"},
		{"iVBORw0KGgoAAAA", "is base64 text, decode it first"},
		{"RIFF\x10\x00\x00\x00WAVEfmt ", `begins with "RIFF\x10\x00\x00\x00WAVE"`},
		{"\x89PNG", `begins with "\x89PNG"`},
		{"hello", `image file begins with "hello", want PNG, JPEG or WebP`},
	}
	for _, tt := range tests {
		_, err := vision.Decode([]byte(tt.data), vision.Decoding{})
		wantError(t, err, tt.wantErr)
	}
}

// chunk returns a PNG chunk.
func chunk(kind string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// pngHeader returns the beginning of a PNG file.
func pngHeader(w, h uint32, depth, colour byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, depth, colour, 0, 0, 0)
	return append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", b)...)
}

// riff returns a WebP file of one chunk.
func riff(kind string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(12+len(body)))
	b = append(append(b, "WEBP"...), kind...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// jpegOf returns a JPEG of grey.
func jpegOf(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDecodeHostile(t *testing.T) {
	blank := jpegOf(t, 8, 8)
	wide := bytes.Replace(blank, []byte{8, 0, 8, 0, 8, 1}, []byte{8, 0xff, 0xff, 0xff, 0xff, 1}, 1)
	long := bytes.Replace(blank, []byte{8, 0, 8, 0, 8, 1}, []byte{8, 0x10, 0, 0x20, 0, 1}, 1)
	flat := bytes.Replace(blank, []byte{8, 0, 8, 0, 8, 1}, []byte{8, 0, 0, 0, 8, 1}, 1)
	animated := riff("VP8X", []byte{2, 0, 0, 0, 7, 0, 0, 7, 0, 0})
	lying := riff("VP8 ", make([]byte, 40))
	copy(lying[16:], "\xff\xff\xff\x7f")
	cut := riff("VP8L", []byte{0x2f, 0, 0, 0, 0})
	tests := []struct {
		name    string
		data    []byte
		wantErr string
	}{
		{"2^31 x 2^31", pngHeader(1<<31, 1<<31, 8, 2), "decode PNG: image of 2147483648x2147483648 pixels (width x height), the limit is 40000000 pixels"},
		{"2^32-1 x 1", pngHeader(1<<32-1, 1, 1, 0), "image of 4294967295x1 pixels (width x height), the limit"},
		{"one more than the limit", pngHeader(40_000_001, 1, 8, 0), "image of 40000001x1 pixels"},
		{"no width", pngHeader(0, 9, 8, 0), "decode PNG: image of 0x9 pixels"},
		{"bomb below the limit", pngHeader(6000, 6000, 16, 6), "33 bytes of file for 288000000 bytes of pixels"},
		{"bad depth", pngHeader(6000, 6000, 17, 6), "decode PNG: png: unsupported feature"},
		{"bad colour", pngHeader(6000, 6000, 8, 7), "decode PNG: png: unsupported feature"},
		{"no pixels", pngHeader(6, 6, 8, 0), "decode PNG: unexpected EOF"},
		{"no header", []byte("\x89PNG\r\n\x1a\nIDAT"), "header is missing or cut off"},
		{"other first chunk", append([]byte("\x89PNG\r\n\x1a\n"), chunk("gAMA", make([]byte, 13))...), "header is missing or cut off"},
		{"65535 x 65535 JPEG", wide, "decode JPEG: image of 65535x65535 pixels (width x height), the limit"},
		{"blocks without bits", long, "bytes of file for 524288 blocks of pixels"},
		{"JPEG without rows", flat, "decode JPEG: image of 8x0 pixels"},
		{"JPEG of three bytes", []byte("\xff\xd8\xff"), "decode JPEG: unexpected EOF"},
		{"16384 x 16384 WebP", riff("VP8L", []byte{0x2f, 0xff, 0xff, 0xff, 0x0f}), "decode WebP: image of 16384x16384 pixels (width x height), the limit"},
		{"2^24 x 2^24 canvas", riff("VP8X", []byte{0, 0, 0, 0, 255, 255, 255, 255, 255, 255}), "decode WebP: "},
		{"animated", animated, "decode WebP: animated files are not supported"},
		{"chunk of 2^31 bytes", lying, `decode WebP: chunk "VP8 " is longer than the file`},
		{"cut off", cut[:len(cut)-1], "decode WebP: file is cut off: 24 bytes, its header says 25"},
		{"no chunk", riff("", nil)[:12], "decode WebP: file is cut off"},
		{"empty chunk", riff("VP8 ", nil), "decode WebP: "},
		{"empty canvas", riff("VP8X", nil), "decode WebP: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			used := allocated(func() {
				_, err := vision.Decode(tt.data, vision.Decoding{})
				wantError(t, err, tt.wantErr)
			})
			if used > 1<<20 {
				t.Errorf("%d bytes of file made it allocate %d bytes", len(tt.data), used)
			}
		})
	}
}

// allocated returns the bytes that f takes from the heap.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestDecodeCut cuts good files everywhere: an error, or the image if only its
// end marks are missing.
func TestDecodeCut(t *testing.T) {
	for _, name := range []string{"exif6.webp", "lossy-7x2.webp", "palette4.png", "interlaced6.png", "progressive.jpg", "cmyk.jpg"} {
		data := read(t, goldenDir, name)
		for n := range data {
			im, err := vision.Decode(data[:n], vision.Decoding{})
			if (im == nil) != (err != nil) {
				t.Errorf("%s, %d bytes: got image %v and error %v", name, n, im != nil, err)
			}
			if err == nil && n < len(data)*3/4 {
				t.Errorf("%s, %d of %d bytes: got no error", name, n, len(data))
			}
		}
	}
}

func TestMaxPixels(t *testing.T) {
	data := read(t, goldenDir, "gray4.png") // 7x5
	for limit, wantErr := range map[int]string{0: "", 35: "", 34: "image of 7x5 pixels (width x height), the limit is 34 pixels", -1: "the limit is -1"} {
		_, err := vision.Decode(data, vision.Decoding{MaxPixels: limit})
		if wantErr == "" && err == nil {
			continue
		}
		wantError(t, err, wantErr)
	}
}

// TestMemory bounds what the whole way takes by the pixels it reads and writes.
func TestMemory(t *testing.T) {
	const file, pixels = "testdata/processor/853x1155.png", 1155 * 853
	data := read(t, file)
	used := allocated(func() {
		if _, err := vision.Process(data, vision.Decoding{}, vision.DefaultOptions()); err != nil {
			t.Error(err)
		}
	})
	// 3 bytes a pixel to decode, 24 for the patches.
	if want := uint64(pixels * 30); used > want {
		t.Errorf("got %d bytes, want at most %d", used, want)
	}
}

func TestProcessErrors(t *testing.T) {
	_, err := vision.Process([]byte("GIF89a"), vision.Decoding{}, vision.DefaultOptions())
	wantError(t, err, "is GIF")
	_, err = vision.Process(read(t, goldenDir, "gray4.png"), vision.Decoding{}, vision.Options{})
	wantError(t, err, "patch size 0")
}

// TestGray16 checks both readings of grey samples of 16 bits.
func TestGray16(t *testing.T) {
	data := read(t, "testdata/processor", "gray16-80x64.png")
	high := decode(t, data, vision.Decoding{})
	clipped := decode(t, data, vision.Decoding{ClipGray16: true})
	for i, v := range high.RGB {
		if v != 0 && clipped.RGB[i] != 255 {
			t.Fatalf("sample %d: high byte %d, clipped %d, want 255", i, v, clipped.RGB[i])
		}
	}
	if !strings.Contains(string(high.RGB), "\xeb") {
		t.Errorf("got no sample of the background, want some")
	}
}
