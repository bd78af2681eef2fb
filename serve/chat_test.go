package serve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"mole/generate"
	"mole/prompt"
	"mole/route/routetest"
	"mole/router"
	"mole/spec"
	"mole/vision"
)

// userSays is a message of the user, of these parts.
func userSays(parts ...any) map[string]any {
	return map[string]any{"messages": []any{map[string]any{"role": "user", "content": parts}}}
}

// link is a part with a picture.
func link(url string) any {
	return map[string]any{"type": "image_url", "image_url": map[string]any{"url": url}}
}

// chatRefusals are requests that are refused, and how: the status, the member
// that is wrong, and a part of the message.
var chatRefusals = []struct {
	more        map[string]any
	want        int
	param, text string
}{
	{map[string]any{"model": ""}, 400, "model", "model is missing"},
	{map[string]any{"messages": []any{}}, 400, "messages", "missing"},
	{map[string]any{"messages": "hello"}, 400, "messages", "request: "},
	{map[string]any{"messages": []any{map[string]any{"role": "boss", "content": "x"}}}, 400, "messages[0].role", "boss"},
	{userSays("text"), 400, "messages.content", "request: "},
	{userSays(map[string]any{"type": "input_audio"}), 400, "messages[0].content[0].type", "input_audio"},
	{userSays(map[string]any{"type": "text", "text": "no picture"}), 400, "messages", "needs a picture"},
	{userSays(link("data:image/png;base64,###")), 400, "messages[0].content[0].image_url", "base64"},
	{userSays(link("data:text/html,hello")), 400, "messages[0].content[0].image_url", "data:image/png"},
	{userSays(link("data:image/png;base64,")), 400, "messages[0].content[0].image_url", "without data"},
	{userSays(link("http://example.com/secret-path")), 400, "messages[0].content[0].image_url", "fetches no pictures"},
	{userSays(link("data:image/png;base64," + b64(make([]byte, 100_001)))), 413, "image_url", "at most 100000"},
	{userSays(slices.Repeat([]any{link(dotURL)}, 17)...), 400, "messages[0].content[16]", "more than 16"},
	{map[string]any{"model": "base", "messages": userSays(link("data:image/png;base64," + b64([]byte("GIF89a"))))["messages"]}, 400, "", "GIF"},
	{map[string]any{"model": "base", "messages": userSays(link("data:image/png;base64," + b64(bomb())))["messages"]}, 400, "", "30000x30000 pixels"},
	{map[string]any{"n": 2}, 400, "n", "want 1"},
	{map[string]any{"response_format": map[string]any{"type": "json_object"}}, 400, "response_format", "text"},
	{map[string]any{"logit_bias": map[string]any{"5": 1}}, 400, "logit_bias", ""},
	{map[string]any{"frequency_penalty": 0.1}, 400, "frequency_penalty", "repetition_penalty"},
	{map[string]any{"functions": []any{1}}, 400, "functions", "tools"},
	{map[string]any{"modalities": []string{"text", "audio"}}, 400, "modalities", ""},
	{map[string]any{"temperature": 2.1}, 400, "temperature", "0 to 2"},
	{map[string]any{"temperature": "hot"}, 400, "temperature", ""},
	{map[string]any{"top_p": 0}, 400, "top_p", ""},
	{map[string]any{"min_p": -1}, 400, "min_p", ""},
	{map[string]any{"top_k": -2}, 400, "top_k", ""},
	{map[string]any{"max_tokens": 0}, 400, "max_tokens", ""},
	{map[string]any{"top_logprobs": 1}, 400, "top_logprobs", ""},
	{map[string]any{"logprobs": true, "top_logprobs": 21}, 400, "top_logprobs", ""},
	{map[string]any{"stop": slices.Repeat([]string{"x"}, 17)}, 400, "stop", ""},
	{map[string]any{"stop": []string{""}}, 400, "stop", ""},
	{map[string]any{"stop": 7}, 400, "stop", ""},
	{map[string]any{"tools": []any{map[string]any{"type": "custom"}}}, 400, "tools[0]", ""},
	{map[string]any{"tool_choice": "maybe"}, 400, "tool_choice", "maybe"},
	{map[string]any{"tool_choice": map[string]any{"type": "function", "function": map[string]any{"name": "f"}}}, 400, "tool_choice", "not among the tools"},
	{map[string]any{"model": "ocr"}, 404, "model", "ocr is not available"},
	{map[string]any{"model": "../calendar"}, 404, "model", "does not exist"},
}

// TestChatRefuses sends requests that are refused, each with the name of the
// member that is wrong.
func TestChatRefuses(t *testing.T) {
	g := &speaker{pieces: []string{"x"}}
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g)), MaxImage: 100_000})
	ready(t, url)
	for _, tt := range chatRefusals {
		status, _, a := post(t, url+"/v1/chat/completions", ask("auto", tt.more))
		message, _, param, _ := problemOf(t, a)
		if status != tt.want || param != tt.param || !strings.Contains(message, tt.text) || message == "" || strings.Contains(message, "secret") {
			t.Errorf("%.100v: got %d, %q, %q, want %d, %q, %q", tt.more, status, param, message, tt.want, tt.param, tt.text)
		}
	}
	if len(g.requests) != 0 {
		t.Errorf("the generator was asked %d times", len(g.requests))
	}
}

// tools are two functions.
var tools = []any{map[string]any{"type": "function", "function": map[string]any{"name": "f"}}, map[string]any{"type": "function", "function": map[string]any{"name": "g"}}}

// chatAsks are requests, and whether the generator is asked for the right thing.
var chatAsks = []struct {
	model string
	more  map[string]any
	ok    func(r generate.Request) bool
}{
	{"base", nil, func(r generate.Request) bool {
		return r.Adapter == "" && r.MaxTokens == 9 && r.Constrain == generate.Free
	}},
	{"desktop", nil, func(r generate.Request) bool { return r.Adapter == "desktop" && r.Constrain == generate.ToolCall }},
	{"calendar", nil, func(r generate.Request) bool { return r.Adapter == "calendar" && r.Constrain == generate.Free }},
	{"router", nil, func(r generate.Request) bool { return r.Adapter == "desktop" }},
	{"desktop", map[string]any{"tool_choice": "auto"}, func(r generate.Request) bool { return r.Constrain == generate.Free }},
	{"desktop", map[string]any{"tool_choice": "none"}, func(r generate.Request) bool { return r.Constrain == generate.Free }},
	{"base", map[string]any{"tools": tools, "tool_choice": map[string]any{"type": "function", "function": map[string]any{"name": "g"}}},
		func(r generate.Request) bool {
			return r.Constrain == generate.ToolCall && len(r.Tools) == 1 && strings.Contains(string(r.Tools[0]), `"g"`)
		}},
	{"base", map[string]any{"max_tokens": 5, "max_completion_tokens": 6, "stop": "a"}, func(r generate.Request) bool {
		return r.MaxTokens == 6 && slices.Equal(r.Stop, []string{"a"})
	}},
	{"base", map[string]any{"stop": []string{"a", "b"}, "logprobs": true, "top_logprobs": 3}, func(r generate.Request) bool {
		return slices.Equal(r.Stop, []string{"a", "b"}) && r.LogProbs && r.Top == 3
	}},
	{"base", map[string]any{"temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1, "seed": 42}, func(r generate.Request) bool {
		return r.Sampling == generate.Sampling{Repetition: 1.1, Temperature: 0.7, TopK: 40, TopP: 0.9, MinP: 0.05, Seed: 42}
	}},
	{"base", map[string]any{"user": "me", "store": false, "metadata": map[string]any{}, "n": 1, "unheard_of": 1, "stop": nil}, func(r generate.Request) bool { return r.Stop == nil }},
}

// TestChatAsks checks what the generator is asked for.
func TestChatAsks(t *testing.T) {
	g := &speaker{pieces: []string{"x"}}
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g)), MaxTokens: 9, Constrain: generate.ToolCall})
	ready(t, url)
	for _, tt := range chatAsks {
		status, _, a := post(t, url+"/v1/chat/completions", ask(tt.model, tt.more))
		if status != http.StatusOK {
			t.Errorf("%s %v: got %d and %v", tt.model, tt.more, status, a)
			continue
		}
		if r := g.last(t); !tt.ok(r) {
			t.Errorf("%s %v: got request %+v", tt.model, tt.more, r)
		}
	}
}

// TestUnsure checks what is done about an unsure decision.
func TestUnsure(t *testing.T) {
	for _, tt := range []struct {
		unsure  Unsure
		want    int
		adapter string
	}{{"", 422, ""}, {UnsureError, 422, ""}, {UnsureBase, 200, "base"}, {"expert:calendar", 200, "calendar"}, {"expert:ocr", 404, ""}} {
		_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: unsure}, &speaker{pieces: []string{"x"}})), Unsure: tt.unsure})
		ready(t, url)
		checkUnsure(t, url, tt.want, tt.adapter)
		checkUnsureUnion(t, url, tt.want)
	}
}

// checkUnsure checks an answer in OpenAI's form.
func checkUnsure(t *testing.T, url string, want int, adapter string) {
	t.Helper()
	status, h, a := post(t, url+"/v1/chat/completions", ask("auto", nil))
	if status != want || status == 200 && (a["model"] != adapter || h.Get("X-Mole-Expert") != adapter) {
		t.Errorf("got %d and %v, want %d and %s", status, a, want, adapter)
	}
	if said, _ := a["mole"].(map[string]any); status != 404 {
		wantFields(t, said, map[string]any{"unsure": true, "reason": "probability 0.40", "label": 3, "confidence": 0.4, "probabilities": map[string]any{"calendar": 0.3, "desktop": 0.4, "ocr": 0.3}})
	}
}

// checkUnsureUnion checks that the union format says the same in its words.
func checkUnsureUnion(t *testing.T, url string, want int) {
	t.Helper()
	status, h, a := post(t, url+"/infer", map[string]any{"image_b64": b64(dot), "prompt": "x"})
	same(t, "status", status, 200)
	same(t, "output", a["output"] != nil, want == 200)
	same(t, "error", a["error"] == nil, want == 200)
	same(t, "X-Mole-Error", h.Get("X-Mole-Error"), map[int]string{422: "unsure", 404: "not-loaded"}[want])
	wantFields(t, a, map[string]any{"unsure": true, "routed_adapter": "desktop"})
}

// TestSystem checks which system prompt goes before a conversation.
func TestSystem(t *testing.T) {
	g := &speaker{pieces: []string{"x"}}
	d := speaking(t, &fake{answer: sure}, g)
	text, err := prompt.ComputerSystem(prompt.ComputerV1)
	if err != nil {
		t.Fatal(err)
	}
	_, url, _ := start(t, Options{Source: fixed(d)})
	ready(t, url)
	own := []any{map[string]any{"role": "developer", "content": "be brief"}, map[string]any{"role": "user", "content": []any{
		map[string]any{"type": "image_url", "image_url": dotURL}, map[string]any{"type": "text", "text": "x"},
	}}}
	for _, tt := range []struct {
		model string
		more  map[string]any
		want  string
	}{{"desktop", nil, text}, {"calendar", nil, ""}, {"base", nil, ""}, {"desktop", map[string]any{"messages": own}, "be brief"}} {
		if status, _, a := post(t, url+"/v1/chat/completions", ask(tt.model, tt.more)); status != 200 {
			t.Errorf("%s: got %d and %v", tt.model, status, a)
		}
		got := tinyTokenizer(t).Decode(g.last(t).Prompt.Tokens, false)
		want := "<|im_start|>user\n"
		if tt.want != "" {
			want = "<|im_start|>system\n" + tt.want + "<|im_end|>\n" + want
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: got prompt %.300q, want %.300q first", tt.model, got, want)
		}
	}
	other := trained("desktop")
	other.Prompt = strings.Repeat("0", 64)
	d.Engine.Adapters.(*shelf).list["desktop"] = AdapterInfo{Name: "desktop", Expert: other}
	if status, _, a := post(t, url+"/v1/chat/completions", ask("desktop", nil)); status != 500 {
		t.Errorf("another prompt: got %d and %v, want 500", status, a)
	}
}

// TestSight checks that pictures are made for who sees them, and that an expert
// that sees as the router does gets what the router saw.
func TestSight(t *testing.T) {
	g := &speaker{pieces: []string{"x"}}
	r := real(t, router.Linear)
	d := speaking(t, r, g)
	alike := trained("desktop")
	alike.Image = spec.Image{Patch: 16, Merge: 2, MinTokens: r.Bundle.Spec.Image.MinTokens, MaxTokens: r.Bundle.Spec.Image.MaxTokens, Resample: r.Bundle.Spec.Image.Resample}
	d.Engine.Adapters.(*shelf).list["desktop"] = AdapterInfo{Name: "desktop", Expert: alike}
	_, url, _ := start(t, Options{Source: fixed(d), MaxImageTokens: 8})
	ready(t, url)
	large := "data:image/png;base64," + b64(routetest.Picture(2, 30))
	for _, tt := range []struct {
		model    string
		features bool
		tokens   int
	}{{"auto", true, alike.Image.MaxTokens}, {"desktop", false, alike.Image.MaxTokens}, {"base", false, 8}} {
		status, _, a := post(t, url+"/v1/chat/completions", ask(tt.model, map[string]any{"messages": []any{map[string]any{"role": "user", "content": []any{
			map[string]any{"type": "image_url", "image_url": large},
		}}}}))
		if status != 200 {
			t.Fatalf("%s: got %d and %v", tt.model, status, a)
		}
		p := g.last(t).Prompt.Images[0]
		if (p.Features != nil) != tt.features || p.Grid.Tokens(2) > tt.tokens {
			t.Errorf("%s: got %d tokens, features %v, want at most %d, %v", tt.model, p.Grid.Tokens(2), p.Features != nil, tt.tokens, tt.features)
		}
	}
	for _, im := range []spec.Image{{Patch: 14, Merge: 2}, {Patch: 16, Merge: 2, MinTokens: 5, MaxTokens: 4}, {Patch: 16, Merge: 2, MinTokens: 1, MaxTokens: 4, Resample: "best"}} {
		if _, err := d.Engine.sight(&spec.Expert{Expert: "x", Image: im}, 8); err == nil {
			t.Errorf("%+v: got no error", im)
		}
	}
	if o, err := d.Engine.sight(nil, 1<<20); err != nil || o != (vision.Options)(d.Engine.Vision) {
		t.Errorf("got %+v and %v, want what the base network says", o, err)
	}
}

// TestStreamEnds checks how streams end that do not end well.
func TestStreamEnds(t *testing.T) {
	g := &speaker{pieces: []string{"a", "b"}, err: errors.New("device on fire")}
	s, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g)), Timeout: 20 * time.Millisecond, AnswerTime: 50 * time.Millisecond})
	ready(t, url)
	lines := events(t, url, ask("desktop", map[string]any{"stream": true}))
	if last := lines[len(lines)-1]; !strings.Contains(last, `"internal error`) || strings.Contains(last, "fire") || slices.Contains(lines, "[DONE]") {
		t.Errorf("got %q, want an error at the end", lines)
	}
	g.err, g.hold = nil, make(chan struct{})
	lines = events(t, url, ask("desktop", map[string]any{"stream": true}))
	if last := lines[len(lines)-1]; !strings.Contains(last, `"timeout"`) {
		t.Errorf("got %q, want that the time is over", lines)
	}
	g.hold, g.pieces, g.err = nil, nil, errors.New("queue is long")
	if status, _, a := post(t, url+"/v1/chat/completions", ask("desktop", map[string]any{"stream": true})); status != 500 {
		t.Errorf("got %d and %v, want 500", status, a)
	}
	if n := len(s.queue); n != 0 {
		t.Errorf("got %d requests at work, want none", n)
	}
}

// events returns the data of the events of an answer.
func events(t *testing.T, url string, q map[string]any) []string {
	t.Helper()
	w := send(t, url+"/v1/chat/completions", q)
	defer func() { _ = w.Body.Close() }()
	if w.StatusCode != 200 || w.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %d, %s", w.StatusCode, w.Header.Get("Content-Type"))
	}
	var list []string
	for in := bufio.NewScanner(w.Body); in.Scan(); {
		if text, ok := strings.CutPrefix(in.Text(), "data: "); ok {
			list = append(list, text)
		} else if in.Text() != "" {
			t.Errorf("got line %q", in.Text())
		}
	}
	return list
}

// lines returns the lines of an answer.
func lines(t *testing.T, url string, q map[string]any) []string {
	t.Helper()
	w := send(t, url+"/v1/chat/completions", q)
	text, err := io.ReadAll(w.Body)
	if err = errors.Join(err, w.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// TestParallelCalls ends an answer after one call.
func TestParallelCalls(t *testing.T) {
	const call = `<tool_call>{"name":"f","arguments":{}}</tool_call>`
	g := &speaker{pieces: []string{call, "\n" + call}}
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g))})
	ready(t, url)
	for _, more := range []map[string]any{{"parallel_tool_calls": false}, {"parallel_tool_calls": false, "stream": true}} {
		got := strings.Join(lines(t, url, ask("desktop", more)), "")
		if n := strings.Count(got, `"name":"f"`); n != 1 || !strings.Contains(got, `"finish_reason":"tool_calls"`) {
			t.Errorf("%v: got %d calls in %s", more, n, got)
		}
	}
	same(t, "stop texts", g.last(t).Stop, []string{"</tool_call>"})
	g.pieces = []string{"<tool_call>", `{"name":"f","arguments":{}}`} // as with the stop text
	for _, more := range []map[string]any{{"parallel_tool_calls": false}, {"parallel_tool_calls": false, "stream": true}} {
		wantTold(t, strings.Join(lines(t, url, ask("desktop", more)), ""), []string{`"name":"f"`, `"finish_reason":"tool_calls"`}, []string{"tool_call>"})
	}
	if got := fmt.Sprint(lines(t, url, ask("desktop", map[string]any{"tool_choice": "none"}))); !strings.Contains(got, "<tool_call>") {
		t.Errorf("got %s, want the calls as text", got)
	}
}

// FuzzChat sends any bytes as a request.
func FuzzChat(f *testing.F) {
	for _, q := range []map[string]any{
		ask("auto", nil), ask("desktop", map[string]any{"stream": true, "tools": tools, "tool_choice": "required"}), ask("base", map[string]any{"stop": []string{"a"}, "seed": -1}),
	} {
		text, err := json.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{`[]`, `{"model":1}`, `{"model":"base","messages":[{"role":"tool","content":null},{"role":"assistant","tool_calls":[{}]}]}`} {
		f.Add([]byte(text))
	}
	d := speaking(f, &fake{answer: sure}, &speaker{pieces: []string{"<tool_call>{}", "</tool_call>"}})
	s, err := New(Options{Source: fixed(d), MaxImage: 1000})
	if err != nil {
		f.Fatal(err)
	}
	s.refresh(f.Context())
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", bytes.NewReader(body)))
		if !slices.Contains([]int{200, 400, 404, 413}, w.Code) {
			t.Errorf("got %d and %s", w.Code, w.Body)
		}
		if stream := w.Header().Get("Content-Type") == "text/event-stream"; stream != strings.HasPrefix(w.Body.String(), "data: ") || !stream && !json.Valid(w.Body.Bytes()) {
			t.Errorf("got %s", w.Body)
		}
	})
}
