package grammar

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
)

// FuzzToolCalls compiles what clients may send as tools. What compiles never
// leads into a place without a way on, and its shortest answer is well-formed.
func FuzzToolCalls(f *testing.F) {
	for _, s := range tools {
		f.Add(s, uint64(1))
	}
	f.Add(`{"name": "f", "parameters": {"type": ["object", "null"], "required": ["x"]}}`, uint64(2))
	f.Add(`{"name": "f", "parameters": {"properties": {"a": {"enum": ["", {"b": []}, 1e5]}}, "additionalProperties": {"minItems": 3}}}`, uint64(3))
	v := load(f)
	f.Fuzz(func(t *testing.T, tool string, seed uint64) {
		g, err := v.ToolCalls([]json.RawMessage{json.RawMessage(tool)})
		if err != nil {
			return
		}
		shortest := g.cost(&g.Start(maxCost - 1).state)
		if shortest > 500 {
			return // takes long to write
		}
		text, _ := walkRandomly(t, g, rand.New(rand.NewPCG(seed, 0)), shortest+int(seed%50))
		checkAnswer(t, text, nil)
	})
}
