package grammar

import (
	"encoding/json"
	"math/bits"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mole/tokenizer"
)

// load returns the vocabulary of a tokenizer: that of a model in
// MOLE_TOKENIZER, for benchmarks and heavy tests, or the small one.
func load(t testing.TB) *Vocabulary {
	t.Helper()
	dir := "../tokenizer/testdata"
	_, bench := t.(*testing.B)
	if d := os.Getenv("MOLE_TOKENIZER"); d != "" && (bench || os.Getenv("MOLE_TEST_HEAVY") == "1") {
		dir = d
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVocabulary(tok)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// compile returns the grammar of tools.
func compile(t testing.TB, v *Vocabulary, tools ...string) *Grammar {
	t.Helper()
	var raw []json.RawMessage
	for _, s := range tools {
		raw = append(raw, json.RawMessage(s))
	}
	g, err := v.ToolCalls(raw)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// tools are tools with all that a schema can say here.
var tools = []string{
	`{"type": "function", "function": {"name": "computer_use", "parameters": {"type": "object", "required": ["action", "coordinate"], "properties": {
		"action": {"type": "string", "enum": ["left_click", "left_click_drag", "type"]},
		"coordinate": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
		"text": {"type": "string"}, "time": {"type": "number"}, "tëxt": {"type": ["boolean", "null"]}}}}}`,
	`{"name": "computer", "parameters": {"type": "object", "additionalProperties": {"type": "string"}, "properties": {"a": {"enum": [1, 12, -3.5, null, "x\"y"]}, "b": {}}, "required": ["a"]}}`,
	`{"name": "free"}`,
	`{"name": "deep", "parameters": {"properties": {"list": {"items": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": false}}, "c": {"const": {"k": [1, 2]}}}}}`,
}

// allowed returns the tokens of a mask.
func allowed(mask []uint64) (ids []int32) {
	for w, word := range mask {
		for ; word != 0; word &= word - 1 {
			ids = append(ids, int32(w*64+bits.TrailingZeros64(word)))
		}
	}
	return ids
}

// walkRandomly chooses tokens until the answer ends, mostly those that get on,
// and returns its text.
func walkRandomly(t testing.TB, g *Grammar, r *rand.Rand, budget int) (text string, tokens int) {
	t.Helper()
	s := g.Start(budget)
	tok := g.vocabulary.tokenizer
	var ids []int32
	for left := budget; left > 0; left-- {
		next := allowed(s.Mask(left))
		if len(next) == 0 {
			t.Fatalf("no token is allowed behind %q with %d left", tok.Decode(ids, false), left)
		}
		id := next[r.IntN(len(next))]
		s.Accept(id)
		ids = append(ids, id)
		if s.Done() {
			return strings.TrimSuffix(strings.TrimSuffix(tok.Decode(ids, false), "<|im_end|>"), "<|endoftext|>"), len(ids)
		}
	}
	t.Fatalf("%q has not ended within %d tokens", tok.Decode(ids, false), budget)
	return "", 0
}

// block is what an answer is made of.
var block = regexp.MustCompile(`(?s)^<tool_call>\n(.*?)\n</tool_call>(\n|$)`)

// checkAnswer checks that a text is calls of known tools with sound arguments.
func checkAnswer(t testing.TB, text string, tools []string) {
	t.Helper()
	for rest := text; ; {
		m := block.FindStringSubmatch(rest)
		if m == nil {
			t.Fatalf("%q is not made of blocks", text)
		}
		checkCall(t, m[1], tools)
		if rest = rest[len(m[0]):]; rest == "" && m[2] == "" {
			return
		}
	}
}

// checkCall checks one call.
func checkCall(t testing.TB, text string, tools []string) {
	t.Helper()
	var call struct {
		Name      string
		Arguments map[string]any
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(&call); err != nil || d.More() || call.Arguments == nil {
		t.Fatalf("%q: %v", text, err)
	}
	if len(tools) == 0 {
		return
	}
	for _, raw := range tools {
		name, schema := parseTool(t, raw)
		if name != call.Name {
			continue
		}
		if problem := invalid(schema, call.Arguments); problem != "" {
			t.Fatalf("%q: %s", text, problem)
		}
		return
	}
	t.Fatalf("%q: no such tool", text)
}

func parseTool(t testing.TB, raw string) (string, any) {
	t.Helper()
	var tool struct {
		Name       string
		Parameters any
		Function   json.RawMessage
	}
	if err := json.Unmarshal([]byte(raw), &tool); err != nil {
		t.Fatal(err)
	}
	if tool.Function != nil {
		return parseTool(t, string(tool.Function))
	}
	return tool.Name, tool.Parameters
}

// invalid says what is wrong with a value by a schema, "" if nothing. It goes by
// the definition of JSON schema.
func invalid(schema, v any) string {
	s, _ := schema.(map[string]any)
	if e, ok := s["enum"].([]any); ok && !slices.ContainsFunc(e, func(w any) bool { return same(v, w) }) {
		return "not in the enum"
	}
	if w, ok := s["const"]; ok && !same(v, w) {
		return "not the constant"
	}
	if !isOf(s["type"], v) {
		return "not of the type"
	}
	switch v := v.(type) {
	case map[string]any:
		return invalidObject(s, v)
	case []any:
		return invalidArray(s, v)
	}
	return ""
}

func invalidArray(s map[string]any, v []any) string {
	least, _ := s["minItems"].(float64)
	most, bounded := s["maxItems"].(float64)
	if len(v) < int(least) || bounded && len(v) > int(most) {
		return "wrong number of items"
	}
	for _, item := range v {
		if p := invalid(s["items"], item); p != "" {
			return p
		}
	}
	return ""
}

func invalidObject(s, v map[string]any) string {
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, k := range required {
		if _, ok := v[k.(string)]; !ok {
			return "a key is missing"
		}
	}
	for k, item := range v {
		p, ok := properties[k]
		if !ok {
			p = s["additionalProperties"]
			if p == false || p == nil && properties != nil {
				return "a key is not declared"
			}
		}
		if p := invalid(p, item); p != "" {
			return p
		}
	}
	return ""
}

// same compares two values as JSON.
func same(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// isOf reports whether v is of a type or of one of a list.
func isOf(kind, v any) bool {
	switch kind := kind.(type) {
	case nil:
		return true
	case []any:
		return slices.ContainsFunc(kind, func(k any) bool { return isOf(k, v) })
	}
	switch v := v.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case json.Number:
		return kind == "number" || kind == "integer" && !strings.ContainsAny(string(v), ".eE")
	case []any:
		return kind == "array"
	}
	return kind == "object"
}

// TestRandomWalks goes wherever the grammar lets it: every answer ends within
// its budget and is what it should be.
func TestRandomWalks(t *testing.T) {
	v := load(t)
	for _, list := range [][]string{tools, tools[:1], tools[1:2], tools[3:], nil} {
		g := compile(t, v, list...)
		shortest := g.cost(&g.Start(1 << 19).state)
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 1))
			text, n := walkRandomly(t, g, r, shortest+r.IntN(150))
			checkAnswer(t, text, list)
			if n < 4 {
				t.Errorf("%q has %d tokens", text, n)
			}
		}
		text, _ := walkRandomly(t, g, rand.New(rand.NewPCG(3, 3)), shortest)
		checkAnswer(t, text, list)
	}
}

// TestMask compares masks with taking every token by itself.
func TestMask(t *testing.T) {
	v := load(t)
	g := compile(t, v, tools...)
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 2))
		budget := g.cost(&g.Start(1<<19).state) + r.IntN(60)
		s := g.Start(budget)
		for left := budget; !s.Done(); left-- {
			got := allowed(s.Mask(left))
			if want := g.slow(&s.state, left-1); !slices.Equal(got, want) {
				t.Fatalf("%+v with %d left: got %d tokens %q, want %d", s.state.top, left, len(got), v.texts(got), len(want))
			}
			s.Accept(got[r.IntN(len(got))])
		}
	}
}

// slow returns the allowed tokens one by one.
func (g *Grammar) slow(s *state, most int) (ids []int32) {
	for id := range int32(g.vocabulary.tokenizer.Size()) {
		next := *s
		if g.accept(&next, id) && g.cost(&next) <= most {
			ids = append(ids, id)
		}
	}
	return ids
}

func (v *Vocabulary) texts(ids []int32) (out []string) {
	for _, id := range ids[:min(20, len(ids))] {
		out = append(out, string(v.tokenizer.Token(id)))
	}
	return out
}

// TestAccepts gives answers as a model writes them.
func TestAccepts(t *testing.T) {
	v := load(t)
	g := compile(t, v, tools...)
	for text, want := range map[string]bool{
		"<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"left_click\", \"coordinate\": [10, 20]}}\n</tool_call>":                                              true,
		"<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"coordinate\":[10,-20],\"action\":\"left_click_drag\", \"tëxt\": null, \"time\": -1.5e-3}}\n</tool_call>":         true,
		"<tool_call>\n{\"name\": \"free\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"free\", \"arguments\": {\"é\": [{}, [], true, \"\\u00e9\\n\"]}}\n</tool_call>": true,
		"<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"left_click\"}}\n</tool_call>":                                                                        false,
		"<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"left\", \"coordinate\": [1, 2]}}\n</tool_call>":                                                      false,
		"<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"coordinate\": [1, 2, 3], \"action\": \"type\"}}\n</tool_call>":                                                   false,
		"<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"type\", \"action\": \"type\"}}\n</tool_call>":                                                        false,
		"<tool_call>\n{\"name\": \"other\", \"arguments\": {}}\n</tool_call>":                                                                                                         false,
		"<tool_call>\n{\"name\": \"free\", \"arguments\": []}\n</tool_call>":                                                                                                          false,
		"<tool_call>\n{\"name\": \"free\", \"arguments\": {\"a\": 01}}\n</tool_call>":                                                                                                 false,
		"<tool_call>\n{\"name\": \"free\", \"arguments\": {\"a\": 1,}}\n</tool_call>":                                                                                                 false,
		"<tool_call>\n{\"name\": \"free\", \"arguments\": {\"a\": \"\\ud800\"}}\n</tool_call>":                                                                                        false,
		"<tool_call>\n{\"name\": \"free\", \"arguments\": {\"a\":  1}}\n</tool_call>":                                                                                                 false,
		"hello": false,
		"":      false,
	} {
		s := g.Start(10000)
		ok := true
		for _, id := range append(v.tokenizer.EncodeAnswer(text), v.ends[0]) {
			ok = ok && g.accept(&s.state, id)
		}
		if ok != want || ok && !s.Done() {
			t.Errorf("%s: got %t, done %t, want %t", text, ok, s.Done(), want)
		}
	}
}

// TestText compares strings with Unicode's own judge, on all short texts of
// bytes that matter.
func TestText(t *testing.T) {
	edge := []byte{0x00, 0x1f, 'a', '\\', 'u', 'd', '0', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.SampledFrom(edge), 0, 7).Draw(t, "bytes")
		state, ok := textPlain, true
		for _, c := range b {
			if state, ok = state.next(c, false); !ok {
				break
			}
		}
		var s string
		err := json.Unmarshal(slices.Concat([]byte(`"`), b, []byte(`"`)), &s)
		want := err == nil && !strings.ContainsRune(s, '\uFFFD') && !strings.Contains(strings.ToLower(string(b)), `\ud`)
		if got := ok && state == textPlain; got != want {
			t.Fatalf("%q: got %t, want %t", b, got, want)
		}
	})
}

// TestShort gives answers no room: they are cut off, with every token allowed
// that would be in a longer one.
func TestShort(t *testing.T) {
	g := compile(t, load(t), tools...)
	s := g.Start(5)
	for left := 5; left > 0; left-- {
		ids := allowed(s.Mask(left))
		if len(ids) == 0 {
			t.Fatal("no token is allowed")
		}
		s.Accept(ids[0])
	}
	if s.Done() {
		t.Error("done within 5 tokens")
	}
}

func TestToolCallsRefuses(t *testing.T) {
	v := load(t)
	for tool, want := range map[string]string{
		`{}`:               `tool 0: name "", want one that JSON holds without escapes`,
		`[]`:               `tool 0: []: json:`,
		`{"name": "a\"b"}`: `tool 0: name "a\"b", want one that JSON holds without escapes`,
		`{"name": "f", "parameters": {"type": "string"}}`:                                                                `tool 0: f: parameters: want the type object and no enum`,
		`{"name": "f", "parameters": {"enum": [{}]}}`:                                                                    `tool 0: f: parameters: want the type object and no enum`,
		`{"name": "f", "parameters": {"type": "thing"}}`:                                                                 `tool 0: f: parameters: type "thing", want one of JSON schema`,
		`{"name": "f", "parameters": {"type": 3}}`:                                                                       `tool 0: f: parameters: type 3, want a name or a list of names`,
		`{"name": "f", "parameters": {"properties": {"x": {"enum": []}}}}`:                                               `tool 0: f: parameters.x.enum: no value of the type`,
		`{"name": "f", "parameters": {"properties": {"x": {"type": "string", "const": 1}}}}`:                             `tool 0: f: parameters.x.enum: no value of the type`,
		`{"name": "f", "parameters": {"properties": {"x": {"items": {"type": "no"}}}}}`:                                  `tool 0: f: parameters.x.items: type "no", want one of JSON schema`,
		`{"name": "f", "parameters": {"properties": {"x": {"minItems": 3, "maxItems": 2}}}}`:                             `tool 0: f: parameters.x: minItems 3 and maxItems 2, want 0 to 1024 and no less`,
		`{"name": "f", "parameters": {"properties": {"": {}}}}`:                                                          `tool 0: f: parameters: key "", want up to 128 that are not empty`,
		`{"name": "f", "parameters": {"properties": {"a\nb": {}}}}`:                                                      `tool 0: f: parameters: key "a\nb", want one that JSON holds without escapes`,
		`{"name": "f", "parameters": {"required": ["x", "x"]}}`:                                                          `tool 0: f: parameters: key "x" appears twice`,
		`{"name": "f", "parameters": ` + strings.Repeat(`{"items": `, 40) + `{"type": "null"}` + strings.Repeat(`}`, 41): `tool 0: f: parameters` + strings.Repeat(".items", 32) + `: schemas are nested more than 32 deep`,
	} {
		_, err := v.ToolCalls([]json.RawMessage{json.RawMessage(tool)})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", tool, err, want)
		}
	}
	if _, err := v.ToolCalls([]json.RawMessage{json.RawMessage(tools[2]), json.RawMessage(tools[2])}); err == nil {
		t.Error("two tools of one name: got no error")
	}
}
