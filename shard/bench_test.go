package shard

import (
	"fmt"
	"testing"
	"testing/fstest"

	"mole/dataset"
	"mole/vision"
)

// BenchmarkWrite preprocesses screens of 1155x853 pixels to 64 tokens, beside
// decoding, resizing and cutting them alone.
func BenchmarkWrite(b *testing.B) {
	const images = 24
	c := &corpus{fstest.MapFS{}, map[string][]Source{}}
	label := 0
	for i := range images {
		name := fmt.Sprintf("%d.png", i)
		c.files[name] = &fstest.MapFile{Data: draw(1155, 853, i)}
		rec := dataset.Record{ID: "a", Image: name, Metadata: dataset.Metadata{Adapter: "calendar", Label: &label}}
		c.splits["train"] = append(c.splits["train"], Source{rec, i})
	}
	o := testOptions()
	o.ShardBytes = 0
	o.Router.Image.MaxTokens, o.Vision.MaxPixels = 64, 64*1024
	b.Run("process", func(b *testing.B) { // what cannot be avoided, on one core
		for b.Loop() {
			for _, f := range c.files {
				if _, err := vision.Process(f.Data, vision.Decoding{}, o.Vision); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(images*b.N)/b.Elapsed().Seconds(), "images/s")
	})
	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			o.Workers = workers
			for b.Loop() {
				if _, err := Write(b.Context(), b.TempDir(), c.files, c.inputs(), o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(images*b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

// BenchmarkExample reads examples whose pictures are not kept.
func BenchmarkExample(b *testing.B) {
	split := openSplit(b, 60)
	e := split.Examples(ExampleOptions{CacheBytes: 1})
	i := 0
	for b.Loop() {
		if _, err := e.Example(i % e.Len()); err != nil {
			b.Fatal(err)
		}
		i += 3
	}
}
