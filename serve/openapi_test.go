package serve

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// schema is what is looked at of a schema.
type schema struct {
	Ref        string            `json:"$ref"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Items      *schema           `json:"items"`
	Type       any               `json:"type"`
}

// content is a body in the description.
type content struct {
	Content map[string]struct{ Schema schema }
}

// described is what is looked at of the description.
type described struct {
	Paths map[string]map[string]struct {
		Body      content               `json:"requestBody"`
		Responses map[string]content    `json:"responses"`
		Security  []map[string][]string `json:"security"`
	}
	Components struct{ Schemas map[string]schema }
}

func readDescription(t *testing.T) described {
	t.Helper()
	var d described
	if err := json.Unmarshal(description, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDescription compares the description with the table of addresses: the same
// paths and methods, open to the same callers.
func TestDescription(t *testing.T) {
	s, err := New(Options{Source: fixed(deployment("1", &fake{}))})
	if err != nil {
		t.Fatal(err)
	}
	d := readDescription(t)
	want := map[string]string{}
	for _, a := range s.addresses() {
		method, path, _ := strings.Cut(strings.TrimSuffix(a.pattern, "{$}"), " ")
		want[strings.ToLower(method)+" "+path] = map[access]string{anyone: "", users: "token", admins: "admin"}[a.access]
	}
	got := map[string]string{}
	for path, methods := range d.Paths {
		for method, o := range methods {
			got[method+" "+path] = strings.Join(slices.Collect(maps.Keys(slices.Concat(o.Security, []map[string][]string{{}})[0])), " ")
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// resolve follows a reference.
func (d described) resolve(s schema) schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.Components.Schemas[name]
	}
	return s
}

// compare checks that a value has the members of a schema, and no others.
func (d described) compare(t *testing.T, at string, v any, s schema) {
	t.Helper()
	s = d.resolve(s)
	if list, ok := v.([]any); ok && s.Items != nil {
		for i, e := range list {
			d.compare(t, fmt.Sprint(at, "[", i, "]"), e, *s.Items)
		}
	}
	object, ok := v.(map[string]any)
	if !ok || s.Properties == nil {
		return
	}
	for _, name := range s.Required {
		if _, ok := object[name]; !ok {
			t.Errorf("%s: no %q in %v", at, name, object)
		}
	}
	for name, member := range object {
		p, ok := s.Properties[name]
		if !ok {
			t.Errorf("%s: %q is in no description", at, name)
		}
		d.compare(t, at+"."+name, member, p)
	}
}

// TestDescriptionAnswers compares answers with the description.
func TestDescriptionAnswers(t *testing.T) {
	const admin = "the-token-of-admins"
	g := &speaker{pieces: []string{"x"}}
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g)), AdminTokenFile: file(t, admin)})
	ready(t, url)
	d := readDescription(t)
	infer := map[string]any{"image_b64": b64(dot), "prompt": "x"}
	for _, tt := range []struct {
		method, path, at string
		body             any
		want             string
	}{
		{"POST", "/v1/chat/completions", "", ask("auto", map[string]any{"logprobs": true}), "200"},
		{"POST", "/v1/chat/completions", "", ask("gpt", nil), "404"},
		{"POST", "/v1/route", "", ask("auto", nil), "200"},
		{"GET", "/v1/models", "", "", "200"},
		{"GET", "/v1/models/base", "/v1/models/{id}", "", "200"},
		{"GET", "/v1/adapters", "", "", "200"},
		{"POST", "/v1/adapters", "", "{}", "400"},
		{"DELETE", "/v1/adapters/calendar", "/v1/adapters/{name}", "", "200"},
		{"POST", "/infer", "", infer, "200"},
		{"POST", "/infer", "", "{}", "400"},
		{"POST", "/direct_infer", "", infer, "200"},
		{"POST", "/ocr", "", infer, "200"},
		{"GET", "/experts", "", "", "200"},
		{"GET", "/layouts", "", "", "200"},
		{"GET", "/layouts/calendar", "/layouts/{expert}", "", "200"},
		{"GET", "/layouts/ocr", "/layouts/{expert}", "", "404"},
		{"GET", "/health", "", "", "200"},
		{"GET", "/ready", "", "", "200"},
	} {
		status, _, a := call(t, tt.method, url+tt.path, admin, tt.body)
		if tt.at == "" {
			tt.at = tt.path
		}
		r, ok := d.Paths[tt.at][strings.ToLower(tt.method)].Responses[tt.want]
		if fmt.Sprint(status) != tt.want || !ok {
			t.Errorf("%s %s: got %d, want %s, described %v", tt.method, tt.path, status, tt.want, ok)
		}
		d.compare(t, tt.method+" "+tt.path, a, r.Content["application/json"].Schema)
	}
}

// TestDescriptionRequests checks that the members of requests are described.
func TestDescriptionRequests(t *testing.T) {
	var q map[string]any
	if err := json.Unmarshal([]byte(jsonOf(t, chatRequest{})), &q); err != nil {
		t.Fatal(err)
	}
	members := readDescription(t).Components.Schemas["ChatRequest"].Properties
	refused := []string{"frequency_penalty", "presence_penalty", "logit_bias", "functions", "function_call", "modalities", "audio", "prediction", "web_search_options"}
	for name := range q {
		if _, ok := members[name]; ok == slices.Contains(refused, name) {
			t.Errorf("%s: described %v, refused %v", name, ok, !ok)
		}
	}
	if len(members)+len(refused) != len(q) {
		t.Errorf("got %d members, %d described, %d refused", len(q), len(members), len(refused))
	}
}

// TestDocs reads the page.
func TestDocs(t *testing.T) {
	_, url, _ := start(t, Options{Source: fixed(deployment("1", &fake{})), TokenFile: file(t, "a-token-of-some-length")})
	for path, want := range map[string]string{"/docs": "POST /v1/chat/completions", "/openapi.json": `"openapi": "3.1.0"`} {
		w, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(w.Body)
		if err != nil || w.Body.Close() != nil || w.StatusCode != 200 || !strings.Contains(string(text), want) {
			t.Errorf("%s: got %d and %.200s, error %v", path, w.StatusCode, text, err)
		}
	}
}
