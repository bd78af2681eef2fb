package bundle_test

import (
	"maps"
	"testing"
	"testing/fstest"

	"mole/bundle"
	"mole/route/routetest"
	"mole/router"
)

// FuzzRead puts any bytes in place of bundle.json: Read refuses them, or what it
// returns can be written and read again. The other files have fuzz targets where
// they are read.
func FuzzRead(f *testing.F) {
	b := routetest.Bundle(f, router.Prototype)
	b.Config, b.Weights, b.Report = nil, nil, nil
	b.Calibrations = map[router.Rung]*router.Calibration{router.Prototype: b.Calibrations[router.Prototype]}
	files := inMemory(f, b)
	f.Add(files[bundle.MetaFile].Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := maps.Clone(files)
		fsys[bundle.MetaFile] = &fstest.MapFile{Data: data}
		b, err := bundle.Read(fsys)
		if err != nil {
			return
		}
		if _, err := bundle.Read(inMemory(t, b)); err != nil {
			t.Errorf("written and read again: %v", err)
		}
	})
}

// inMemory returns the folder of a bundle.
func inMemory(t testing.TB, b *bundle.Bundle) fstest.MapFS {
	t.Helper()
	texts, err := b.Files()
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{}
	for name, text := range texts {
		fsys[name] = &fstest.MapFile{Data: text}
	}
	return fsys
}
