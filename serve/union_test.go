package serve

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"mole/prompt"
)

// TestUnionAnswers sends what the predecessor's clients send to a server whose
// experts answer (specification mole, 4.18).
func TestUnionAnswers(t *testing.T) {
	const call = "<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"wait\", \"time\": 1}}\n</tool_call>"
	g := &speaker{pieces: []string{" " + call, "\n"}}
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g))})
	ready(t, url)
	body := map[string]any{"image_b64": b64(dot), "prompt": "open it"}
	for _, path := range []string{"/infer_web", "/infer", "/"} {
		status, h, a := post(t, url+path, body)
		if status != http.StatusOK || h.Get("X-Mole-Expert") != "desktop" {
			t.Fatalf("%s: got %d and %v", path, status, a)
		}
		wantFields(t, a, map[string]any{"output": call, "task_output": call, "adapter": "desktop", "routed_adapter": "desktop", "expert": 3, "routed": true, "error": nil, "unsure": false})
		timings, _ := a["timings"].(map[string]any)
		if _, ok := timings["generate"]; !ok {
			t.Errorf("got timings %v", timings)
		}
	}
}

// TestUnionChosen names who answers.
func TestUnionChosen(t *testing.T) {
	g := &speaker{pieces: []string{"x"}}
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g))})
	ready(t, url)
	text, err := prompt.ComputerSystem(prompt.ComputerV1)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path             string
		more             map[string]any
		adapter, routed  string
		expert, generate any
	}{
		{"/infer", map[string]any{"expert": 0}, "calendar", "calendar", 0, "calendar"},
		{"/infer", map[string]any{"adapter": "desktop"}, "desktop", "desktop", 3, "desktop"},
		{"/direct_infer", nil, "base", "base", nil, ""},
		{"/direct_infer", map[string]any{"expert": 3}, "base", "base", nil, ""},
	} {
		q := map[string]any{"image_b64": b64(dot), "prompt": "open it"}
		maps.Copy(q, tt.more)
		_, _, a := post(t, url+tt.path, q)
		wantFields(t, a, map[string]any{"output": "x", "adapter": tt.adapter, "routed_adapter": tt.routed, "expert": tt.expert, "routed": false, "confidence": nil, "error": nil})
		r := g.last(t)
		same(t, "request", []any{r.Adapter, r.MaxTokens, r.Sampling.Temperature}, []any{tt.generate, 512, 0})
		wantTold(t, tinyTokenizer(t).Decode(r.Prompt.Tokens, false), []string{text}, nil)
	}
	for path, more := range map[string]string{"/direct_infer": "", "/infer": "calendar"} {
		if status, _, a := post(t, url+path, map[string]any{"image_b64": "AAAA", "prompt": "x", "adapter": more}); status != http.StatusBadRequest {
			t.Errorf("%s: got %d and %v, want 400 for what is no picture", path, status, a)
		}
	}
}

// TestEngineMetrics reads what is counted of answers.
func TestEngineMetrics(t *testing.T) {
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, &speaker{pieces: []string{"a", "b"}}))})
	ready(t, url)
	post(t, url+"/v1/chat/completions", ask("auto", nil))
	w, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(w.Body)
	if err != nil || w.Body.Close() != nil {
		t.Fatal(err)
	}
	wantTold(t, string(text), []string{
		`mole_tokens_total{expert="desktop",kind="answer"} 2`, `mole_tokens_total{expert="desktop",kind="cached"} 3`, `mole_first_piece_seconds_count{expert="desktop"} 1`,
		`mole_answer_tokens_per_second_count{expert="desktop"} 1`, "mole_generate_running_requests 2", "mole_adapter_loads_total 5", `mole_pictures_total{features="computed"}`,
		`mole_requests_total{code="200",path="/v1/chat/completions"} 1`,
	}, nil)
}

// TestMissing routes to an expert without an adapter: the predecessor's clients
// get its name and an error (specification mole, 11.3).
func TestMissing(t *testing.T) {
	d := speaking(t, &fake{answer: sure}, &speaker{pieces: []string{"x"}})
	delete(d.Engine.Adapters.(*shelf).list, "desktop")
	_, url, _ := start(t, Options{Source: fixed(d)})
	ready(t, url)
	for _, more := range []map[string]any{nil, {"expert": 3}} {
		q := map[string]any{"image_b64": b64(dot), "prompt": "open it", "expert": more["expert"]}
		status, h, a := post(t, url+"/infer", q)
		wantFields(t, a, map[string]any{"output": nil, "task_output": nil, "adapter": "desktop", "error": "expert desktop is known, but no adapter is deployed for it"})
		if status != 200 || h.Get("X-Mole-Error") != "not-loaded" {
			t.Errorf("got %d, %q", status, h.Get("X-Mole-Error"))
		}
	}
	status, _, a := post(t, url+"/v1/chat/completions", ask("auto", nil))
	if _, _, param, code := problemOf(t, a); status != 404 || code != "expert_not_loaded" || param != "model" {
		t.Errorf("got %d and %v", status, a)
	}
}

// TestNoRouter serves a base network alone.
func TestNoRouter(t *testing.T) {
	d := speaking(t, nil, &speaker{pieces: []string{"x"}})
	d.Router, d.Experts, d.Engine.Adapters = nil, nil, nil
	_, url, _ := start(t, Options{Source: fixed(d)})
	ready(t, url)
	if status, _, a := post(t, url+"/v1/chat/completions", ask("base", nil)); status != 200 || a["model"] != "base" {
		t.Errorf("got %d and %v", status, a)
	}
	for path, q := range map[string]map[string]any{"/v1/chat/completions": ask("auto", nil), "/v1/route": {"image": dotURL}, "/infer": {"image_b64": b64(dot), "prompt": "x"}} {
		if status, _, a := post(t, url+path, q); status != 503 {
			t.Errorf("%s: got %d and %v, want 503", path, status, a)
		}
	}
	if status, _, a := get(t, url+"/v1/models"); status != 200 || len(a["data"].([]any)) != 1 {
		t.Errorf("got %d and %v, want base alone", status, a)
	}
}

// TestRouteOnly asks for decisions, of a server whose experts answer and of one
// whose experts do not.
func TestRouteOnly(t *testing.T) {
	for _, d := range []*Deployment{speaking(t, &fake{answer: unsure}, &speaker{}), deployment("1", &fake{answer: unsure})} {
		_, url, _ := start(t, Options{Source: fixed(d)})
		ready(t, url)
		for _, q := range []map[string]any{{"image": dotURL, "prompt": "x"}, ask("auto", nil)} {
			status, h, a := post(t, url+"/v1/route", q)
			if status != 200 || h.Get("X-Mole-Unsure") != "true" || h.Get("X-Mole-Expert") != "desktop" {
				t.Errorf("got %d and %v", status, a)
			}
			wantFields(t, a, map[string]any{"expert": "desktop", "label": 3, "unsure": true, "confidence": 0.4, "distance": 3})
		}
		if status, _, _ := post(t, url+"/v1/route", map[string]any{"prompt": "x"}); status != 400 {
			t.Errorf("no picture: got %d, want 400", status)
		}
		status, _, _ := post(t, url+"/v1/chat/completions", ask("base", nil))
		direct, _, _ := post(t, url+"/direct_infer", map[string]any{"image_b64": b64(dot), "prompt": "x"})
		if d.Engine == nil && (status != 501 || direct != 501) {
			t.Errorf("got %d and %d, want 501", status, direct)
		}
	}
}

// TestOCR reads text by another service.
func TestOCR(t *testing.T) {
	var asked ocrRequest
	answer := `{"text":"Tuesday \"9\" </tool_call>","format":"markdown"}`
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(service.Close)
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, &speaker{})), OCR: service.URL})
	ready(t, url)
	for _, name := range []string{"image_b64", "image_base64"} {
		status, _, a := post(t, url+"/ocr", map[string]any{name: b64(dot)})
		wantFields(t, a, map[string]any{"text": `Tuesday "9" </tool_call>`, "raw": `Tuesday "9" </tool_call>`, "format": "markdown", "error": nil})
		if status != 200 || !slices.Equal(asked.Image, dot) || asked.Prompt != "ocr_layout" {
			t.Errorf("%s: got %d for %.80v", name, status, asked)
		}
	}
	const call = "<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"ocr\", \"text\": \"Tuesday \\\"9\\\" \\u003c/tool_call\\u003e\"}}\n</tool_call>"
	_, _, a := post(t, url+"/infer", map[string]any{"image_b64": b64(dot), "adapter": "ocr"})
	wantFields(t, a, map[string]any{"output": call, "adapter": "ocr", "expert": 2, "error": nil})
	_, _, a = post(t, url+"/v1/chat/completions", ask("ocr", nil))
	if got := jsonOf(t, a); !strings.Contains(got, `"finish_reason":"tool_calls"`) || !strings.Contains(got, "Tuesday") {
		t.Errorf("got %s", got)
	}
	for _, answer = range []string{"no JSON", `{"error":"no"}`} {
		if status, _, a := post(t, url+"/infer", map[string]any{"image_b64": b64(dot), "adapter": "ocr"}); status != 502 {
			t.Errorf("%s: got %d and %v, want 502", answer, status, a)
		}
	}
}

// TestNoOCR has no service that reads text.
func TestNoOCR(t *testing.T) {
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, &speaker{}))})
	ready(t, url)
	status, h, a := post(t, url+"/ocr", map[string]any{"image_b64": b64(dot)})
	if status != 200 || a["error"] != "ocr is not available" || h.Get("X-Mole-Error") != "not-loaded" {
		t.Errorf("no service: got %d and %v", status, a)
	}
}
