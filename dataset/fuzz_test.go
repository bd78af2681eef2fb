package dataset

import (
	"maps"
	"testing"
	"testing/fstest"
)

// FuzzOpen puts any bytes in place of a text of a dataset: opening and
// validating refuse them by name, or use them.
func FuzzOpen(f *testing.F) {
	own := fstest.MapFS{}
	unpack(f, own, "testdata/expert.txt")
	routing := fstest.MapFS{}
	unpack(f, routing, "testdata/routing.txt")
	names := []string{"config.json", "test/test.json", "train.jsonl", "metadata.json", "test.jsonl"}
	for i, name := range names {
		for _, fsys := range []fstest.MapFS{own, routing} {
			if fsys[name] != nil {
				f.Add(i, fsys[name].Data)
			}
		}
	}
	f.Fuzz(func(_ *testing.T, which int, data []byte) {
		for _, good := range []fstest.MapFS{own, routing} {
			fsys := maps.Clone(good)
			fsys[names[uint(which)%uint(len(names))]] = &fstest.MapFile{Data: data}
			// Errors are fine, and problems are.
			_, _, _ = OpenExpert(fsys, ExpertOptions{Lenient: true})
			_, _, _ = OpenExpert(fsys, ExpertOptions{})
			_, _, _ = OpenRouting(fsys, RoutingOptions{Experts: corpusTable})
			_ = ValidateExpert(fsys, ValidateOptions{Own: true})
			_ = ValidateRouting(fsys, ValidateOptions{Experts: corpusTable})
		}
	})
}
