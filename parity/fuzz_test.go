package parity

import (
	"maps"
	"testing"
	"testing/fstest"
)

// FuzzCase runs cases with damaged case.json: whatever it holds, the result is
// an error, a failure or a pass, never a panic. The cases are cut down to what
// runs fast.
func FuzzCase(f *testing.F) {
	cut := []struct {
		name string
		edit func(m map[string]any)
	}{
		{"generate", func(m map[string]any) { delete(m["runs"].(map[string]any), "adapter") }},
		{"adapter", func(m map[string]any) {
			m["adapters"] = map[string]any{"text": m["adapters"].(map[string]any)["text"]}
		}},
		{"processor", func(m map[string]any) { m["images"] = m["images"].([]any)[:1] }},
		{"tokens-small", func(m map[string]any) { m["strings"] = m["strings"].([]any)[20:24] }},
	}
	var all []fstest.MapFS
	for i, c := range cut {
		files := load(f, c.name)
		editJSON(f, files, metaFile, func(v any) any {
			m := v.(map[string]any)
			delete(m, "versions")
			c.edit(m)
			return m
		})
		all = append(all, files)
		f.Add(uint8(i), files[metaFile].Data)
	}
	f.Fuzz(func(t *testing.T, which uint8, meta []byte) {
		files := maps.Clone(all[int(which)%len(all)])
		files[metaFile] = &fstest.MapFile{Data: meta}
		check(t, files, Options{Tier: "generic", Workers: 1})
	})
}
