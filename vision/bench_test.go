package vision_test

import (
	"bytes"
	"image/png"
	"testing"
	"time"

	"mole/vision"
)

// The screenshot of the figures that this package must reach: 1155x853 pixels,
// resized to 1152x864.
const benchFile = "testdata/processor/853x1155.png"

// BenchmarkDecode runs image/png in turn with Decode, so that a busy machine
// slows both, and reports how many times longer that takes.
func BenchmarkDecode(b *testing.B) {
	data := read(b, benchFile)
	var other time.Duration
	for b.Loop() {
		if _, err := vision.Decode(data, vision.Decoding{}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		start := time.Now()
		if _, err := png.Decode(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
		other += time.Since(start)
		b.StartTimer()
	}
	b.ReportMetric(other.Seconds()/b.Elapsed().Seconds(), "x-image/png")
}

func BenchmarkResize(b *testing.B) {
	im, err := vision.Decode(read(b, benchFile), vision.Decoding{})
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range []vision.Rule{vision.Torchvision, vision.Pillow} {
		b.Run(r.String(), func(b *testing.B) {
			for b.Loop() {
				vision.Resize(im, 1152, 864, r)
			}
		})
	}
}

func BenchmarkPatchify(b *testing.B) {
	im := &vision.Image{W: 1152, H: 864, RGB: make([]uint8, 1152*864*3)}
	for b.Loop() {
		if _, err := vision.Patchify(im, vision.DefaultOptions()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProcess goes the whole way, with fresh memory and with memory that is
// kept.
func BenchmarkProcess(b *testing.B) {
	data := read(b, benchFile)
	b.Run("fresh", func(b *testing.B) {
		for b.Loop() {
			if _, err := vision.Process(data, vision.Decoding{}, vision.DefaultOptions()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("kept", func(b *testing.B) {
		p := vision.Processor{Options: vision.DefaultOptions()}
		for b.Loop() {
			if _, err := p.Process(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkColours(b *testing.B) {
	im, err := vision.Decode(read(b, benchFile), vision.Decoding{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		vision.Colours(im)
	}
}

// BenchmarkRead goes the way of a picture into a shard.
func BenchmarkRead(b *testing.B) {
	data := read(b, benchFile)
	for b.Loop() {
		if _, err := vision.Read(data, vision.Decoding{}, vision.DefaultOptions()); err != nil {
			b.Fatal(err)
		}
	}
}
