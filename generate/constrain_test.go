package generate

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"mole/dataset"
)

// constrained returns a request for a call of a tool.
func constrained(n int) Request {
	r := request(n)
	r.Constrain, r.MaxTokens, r.LogProbs, r.Top = ToolCall, 100, true, 20
	r.Tools = []json.RawMessage{json.RawMessage(`{"type": "function", "function": {"name": "click", "parameters":
		{"type": "object", "properties": {"at": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}, "text": {"type": "string"}}, "required": ["at"]}}}`)}
	return r
}

// TestConstrain asks a network that talks nonsense for tool calls: they parse
// and name the tool, beside answers that are free.
func TestConstrain(t *testing.T) {
	s := start(t, newFake(2000), Options{MaxBatch: 5})
	var readers sync.WaitGroup
	for n := range 10 {
		readers.Go(func() { checkCalls(t, s, constrained(n)) })
		readers.Go(func() { checkAnswer(t, s, n) })
	}
	readers.Wait()
}

// checkCalls checks that an answer is calls of the tool.
func checkCalls(t *testing.T, s *Service, r Request) {
	t.Helper()
	got, err := get(t.Context(), s, r)
	if w := want(t, s, 0, r); err != nil || got.finish != Stop || !got.equal(w) {
		t.Errorf("got %+v, %v, want %+v", got, err, w)
	}
	if !strings.HasPrefix(got.text, "<tool_call>") || !strings.HasSuffix(got.text, "</tool_call>") {
		t.Errorf("%q has more than calls", got.text)
	}
	calls, err := dataset.ParseCalls(got.text)
	if err != nil {
		t.Errorf("%q: %v", got.text, err)
	}
	checkArguments(t, calls)
}

// checkArguments checks the arguments of some calls.
func checkArguments(t *testing.T, calls []dataset.ToolCall) {
	t.Helper()
	for _, c := range calls {
		var at []int
		if err := json.Unmarshal(c.Arg("at"), &at); err != nil || c.Name != "click" || len(at) != 2 {
			t.Errorf("call %s: %v", c.Render(), err)
		}
	}
}

// TestConstrainTop checks that probabilities are among the allowed tokens.
func TestConstrainTop(t *testing.T) {
	s := start(t, newFake(2000), Options{})
	for c, err := range s.Generate(t.Context(), constrained(3)) {
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Tokens) > 0 && string(c.Tokens[0].Bytes) == "<tool_call>" && (len(c.Tokens[0].Top) != 1 || c.Tokens[0].LogProb != 0) {
			t.Errorf("got %+v, want the only choice", c.Tokens[0])
		}
	}
}

func TestConstrainRefuses(t *testing.T) {
	s := start(t, newFake(2000), Options{})
	r := constrained(1)
	r.Tools = append(r.Tools, json.RawMessage(`{"name": "x", "parameters": 3}`))
	if _, err := get(t.Context(), s, r); !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), "tool 1: x: parameters: ") {
		t.Errorf("got %v", err)
	}
}
