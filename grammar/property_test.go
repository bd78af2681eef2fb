package grammar

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawSchema draws a schema of a few levels.
func drawSchema(t *rapid.T, depth int) map[string]any {
	s := map[string]any{}
	kinds := []string{"string", "integer", "number", "boolean", "null"}
	if depth > 0 {
		kinds = append(kinds, "object", "array", "object")
	}
	switch rapid.IntRange(0, 5).Draw(t, "form") {
	case 0:
		return s
	case 1:
		s["enum"] = rapid.SliceOfN(rapid.SampledFrom([]any{"a", "ab", "é\"\n", 1, 12, -3, true, nil}), 1, 4).Draw(t, "enum")
		return s
	case 2:
		s["type"] = rapid.SliceOfNDistinct(rapid.SampledFrom(kinds[:5]), 1, 3, rapid.ID[string]).Draw(t, "types")
		return s
	}
	kind := rapid.SampledFrom(kinds).Draw(t, "type")
	s["type"] = kind
	if kind == "array" {
		s["items"] = drawSchema(t, depth-1)
		s["minItems"] = rapid.IntRange(0, 3).Draw(t, "least")
		s["maxItems"] = s["minItems"].(int) + rapid.IntRange(0, 3).Draw(t, "more")
	}
	if kind == "object" {
		drawObject(t, s, depth)
	}
	return s
}

// drawObject draws what a schema says of objects.
func drawObject(t *rapid.T, s map[string]any, depth int) {
	keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "ab", "abc", "é", "text", "x y", "coordinate"}), 0, 4, rapid.ID[string]).Draw(t, "keys")
	properties := map[string]any{}
	var required []any
	for _, k := range keys {
		properties[k] = drawSchema(t, depth-1)
		if rapid.Bool().Draw(t, "required") {
			required = append(required, k)
		}
	}
	s["properties"] = properties
	if required != nil {
		s["required"] = required
	}
	switch rapid.IntRange(0, 3).Draw(t, "additional") {
	case 0:
		s["additionalProperties"] = false
	case 1:
		s["additionalProperties"] = drawSchema(t, depth-1)
	}
}

// TestSchemas draws tools and walks at random: answers end within their budget
// and follow the schema; masks are those that asking every token gives.
func TestSchemas(t *testing.T) {
	v := load(t)
	rapid.Check(t, func(t *rapid.T) {
		s := map[string]any{"type": "object"}
		drawObject(t, s, 3)
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		tool := fmt.Sprintf(`{"name": "f", "parameters": %s}`, raw)
		g, err := v.ToolCalls([]json.RawMessage{json.RawMessage(tool)})
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "walk"), 0))
		budget := g.cost(&g.Start(maxCost-1).state) + r.IntN(60)
		text, problem := tryWalk(g, r, budget)
		if problem != "" {
			t.Fatalf("%s: %q: %s", tool, text, problem)
		}
		m := block.FindStringSubmatch(text)
		var call struct{ Arguments any }
		var schema any
		d := json.NewDecoder(strings.NewReader(m[1]))
		d.UseNumber()
		if err := errors.Join(d.Decode(&call), json.Unmarshal(raw, &schema)); err != nil {
			t.Fatalf("%s: %q: %v", tool, text, err)
		}
		if problem := invalid(schema, call.Arguments); problem != "" {
			t.Fatalf("%s: %q: %s", tool, text, problem)
		}
	})
}

// tryWalk chooses tokens at random until the answer ends, and compares some
// masks with those that asking every token gives.
func tryWalk(g *Grammar, r *rand.Rand, budget int) (text, problem string) {
	s := g.Start(budget)
	tok := g.vocabulary.tokenizer
	var ids []int32
	for left := budget; left > 0 && !s.Done(); left-- {
		next := allowed(s.Mask(left))
		if r.IntN(8) == 0 && !slices.Equal(next, g.slow(&s.state, left-1)) {
			return tok.Decode(ids, true), "a mask that is not what its tokens say"
		}
		if len(next) == 0 {
			return tok.Decode(ids, true), "no way on"
		}
		id := next[r.IntN(len(next))]
		s.Accept(id)
		ids = append(ids, id)
	}
	if !s.Done() {
		problem = "has not ended"
	}
	return tok.Decode(ids, true), problem
}
