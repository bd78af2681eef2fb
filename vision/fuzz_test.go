package vision_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"mole/vision"
)

// addFiles makes the files of a folder seeds.
func addFiles(f *testing.F, dir string) {
	f.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		f.Add(data)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
}

// FuzzDecode feeds anything to the decoders: no panic, and either an error or
// an image within the limit.
func FuzzDecode(f *testing.F) {
	addFiles(f, goldenDir)
	d := vision.Decoding{MaxPixels: 1 << 16} // keeps the fuzzer fast
	f.Fuzz(func(t *testing.T, data []byte) {
		im, err := vision.Decode(data, d)
		if err != nil {
			if im != nil {
				t.Errorf("got an image beside error %v", err)
			}
			return
		}
		if im.W < 1 || im.H < 1 || im.W*im.H > d.MaxPixels || len(im.RGB) != im.W*im.H*3 {
			t.Errorf("got %dx%d pixels in %d bytes", im.W, im.H, len(im.RGB))
		}
	})
}

// FuzzOptions feeds anything to the parser; what it accepts must lead from any
// image to patches, or to an error about the size.
func FuzzOptions(f *testing.F) {
	f.Add([]byte(released), uint16(33), uint16(70))
	f.Add([]byte(`{"patch_size": 1}`), uint16(1), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, h, w uint16) {
		o, err := vision.ParseOptions(data)
		if err != nil {
			return
		}
		th, tw, err := vision.TargetSize(int(h), int(w), o)
		if err != nil || th*tw > 1<<18 {
			return
		}
		_, err = vision.Patchify(&vision.Image{W: tw, H: th, RGB: make([]uint8, tw*th*3)}, o)
		if err != nil {
			t.Error(errors.Join(errors.New("accepted options and size"), err))
		}
	})
}
