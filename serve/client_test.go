package serve

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	config "github.com/openai/openai-go/v3/option"

	"mole/generate"
)

// client returns OpenAI's own client for a server.
func client(url, token string) openai.Client {
	return openai.NewClient(config.WithBaseURL(url+"/v1/"), config.WithAPIKey(token), config.WithMaxRetries(0))
}

// pictured is a request with a picture, in the words of OpenAI's client.
func pictured(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{
		openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
			openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: dotURL}), openai.TextContentPart("open it"),
		}),
	}}
}

// TestClientChats has OpenAI's client ask about a picture.
func TestClientChats(t *testing.T) {
	g := &speaker{pieces: []string{"Hello", ", ", "world"}}
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g))})
	ready(t, url)
	c := client(url, "none")
	var w *http.Response
	a, err := c.Chat.Completions.New(t.Context(), pictured("auto"), config.WithResponseInto(&w))
	if err != nil {
		t.Fatal(err)
	}
	if a.Choices[0].Message.Content != "Hello, world" || a.Choices[0].FinishReason != "stop" || a.Model != "desktop" || string(a.Object) != "chat.completion" {
		t.Errorf("got %s", a.RawJSON())
	}
	r := g.last(t)
	if r.Adapter != "desktop" || r.MaxTokens != 512 || r.Sampling.Temperature != 0 || len(r.Prompt.Images) != 1 || int(a.Usage.PromptTokens) != len(r.Prompt.Tokens) || a.Usage.PromptTokensDetails.CachedTokens != 3 {
		t.Errorf("got request %+v for %s", r, a.RawJSON())
	}
	for name, want := range map[string]string{"X-Mole-Expert": "desktop", "X-Mole-Confidence": "0.8000", "X-Mole-Unsure": "false", "X-Mole-Router": "0123abcd"} {
		if got := w.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if mole := a.JSON.ExtraFields["mole"].Raw(); !strings.Contains(mole, `"probabilities":{"calendar":0.1,"desktop":0.8,"ocr":0.1}`) || !strings.Contains(mole, `"generation":7`) {
		t.Errorf("got decision %s", mole)
	}
}

// TestClientStreams has OpenAI's client read an answer piece by piece.
func TestClientStreams(t *testing.T) {
	g := &speaker{pieces: []string{"Hello", ", ", "world"}, finish: generate.Length}
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g))})
	ready(t, url)
	q := pictured("calendar")
	q.StreamOptions.IncludeUsage = openai.Bool(true)
	q.Logprobs, q.TopLogprobs = openai.Bool(true), openai.Int(2)
	c := client(url, "none")
	s := c.Chat.Completions.NewStreaming(t.Context(), q)
	all, n, probs := openai.ChatCompletionAccumulator{}, 0, 0
	for s.Next() {
		if n++; !all.AddChunk(s.Current()) {
			t.Errorf("event %d does not fit: %s", n, s.Current().RawJSON())
		}
		for _, o := range s.Current().Choices {
			probs += len(o.Logprobs.Content)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	o := all.Choices[0]
	if o.Message.Content != "Hello, world" || o.Message.Role != "assistant" || o.FinishReason != "length" || all.Usage.CompletionTokens != 3 || probs != 3 {
		t.Errorf("got %+v, %d probabilities", all, probs)
	}
	if r := g.last(t); r.Adapter != "calendar" || !r.LogProbs || r.Top != 2 {
		t.Errorf("got request %+v", r)
	}
}

// TestClientCalls has OpenAI's client make the expert call a function.
func TestClientCalls(t *testing.T) {
	g := &speaker{pieces: []string{"I click.\n<tool", "_call>\n{\"name\": \"click\", \"argu", "ments\": {\"x\": 1}}\n</tool_call>", "\n<tool_call>{\"name\":\"stop\",\"arguments\":{}}</tool_call>\n"}}
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g))})
	ready(t, url)
	q := pictured("desktop")
	q.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "click"}), openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "stop"})}
	q.ToolChoice.OfAuto = openai.String("required")
	c := client(url, "none")
	a, err := c.Chat.Completions.New(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	m := a.Choices[0].Message
	if m.Content != "I click." || len(m.ToolCalls) != 2 || m.ToolCalls[0].Function.Arguments != `{"x":1}` || m.ToolCalls[1].Function.Name != "stop" || a.Choices[0].FinishReason != "tool_calls" {
		t.Errorf("got %s", a.RawJSON())
	}
	if r := g.last(t); r.Constrain != generate.ToolCall || len(r.Tools) != 2 {
		t.Errorf("got request %+v", r)
	}
	q.Messages = append(q.Messages, m.ToParam(), openai.ToolMessage("done", m.ToolCalls[0].ID), openai.ToolMessage("stopped", m.ToolCalls[1].ID))
	s := c.Chat.Completions.NewStreaming(t.Context(), q)
	all := openai.ChatCompletionAccumulator{}
	for s.Next() {
		all.AddChunk(s.Current())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if m := all.Choices[0].Message; m.Content != "I click." || len(m.ToolCalls) != 2 || m.ToolCalls[1].Function.Name != "stop" || all.Choices[0].FinishReason != "tool_calls" {
		t.Errorf("got %+v", all)
	}
	if n := count(t, g.last(t).Prompt, "<tool_response>"); n != 2 {
		t.Errorf("got %d results in the prompt, want 2", n)
	}
}

// TestClientLists has OpenAI's client list the models.
func TestClientLists(t *testing.T) {
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, &speaker{}))})
	ready(t, url)
	c := client(url, "none")
	page, err := c.Models.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range page.Data {
		names = append(names, m.ID)
	}
	if got := strings.Join(names, " "); got != "auto base calendar desktop" {
		t.Errorf("got models %s", got)
	}
	if m, err := c.Models.Get(t.Context(), "desktop"); err != nil || m.ID != "desktop" || m.OwnedBy != "mole" {
		t.Errorf("got %+v and %v", m, err)
	}
}

// TestClientErrors has OpenAI's client do what is refused.
func TestClientErrors(t *testing.T) {
	const token = "a-token-of-some-length"
	f := &fake{answer: unsure}
	_, url, _ := start(t, Options{Source: fixed(speaking(t, f, &speaker{err: generate.ErrFull})), TokenFile: file(t, token)})
	ready(t, url)
	two := pictured("base")
	two.N = openai.Int(2)
	for _, tt := range []struct {
		token, kind, code string
		q                 openai.ChatCompletionNewParams
		want              int
	}{
		{"wrong", "authentication_error", "invalid_api_key", pictured("auto"), 401},
		{token, "unsure", "unsure", pictured("auto"), 422},
		{token, "invalid_request_error", "model_not_found", pictured("gpt-5"), 404},
		{token, "invalid_request_error", "expert_not_loaded", pictured("ocr"), 404},
		{token, "invalid_request_error", "unsupported_value", two, 400},
		{token, "server_error", "queue_full", pictured("base"), 503},
	} {
		c := client(url, tt.token)
		_, err := c.Chat.Completions.New(t.Context(), tt.q)
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != tt.want || e.Type != tt.kind || e.Code != tt.code || e.Message == "" {
			t.Errorf("got %v, want %d, %s, %s", err, tt.want, tt.kind, tt.code)
		}
		s := c.Chat.Completions.NewStreaming(t.Context(), tt.q)
		for s.Next() {
			t.Error("got a piece of an answer")
		}
		if !errors.As(s.Err(), &e) || e.StatusCode != tt.want {
			t.Errorf("stream: got %v, want %d", s.Err(), tt.want)
		}
	}
	c := client(url, token)
	var e *openai.Error
	if _, err := c.Models.Get(t.Context(), "gpt-5"); !errors.As(err, &e) || e.StatusCode != 404 {
		t.Errorf("got %v, want 404", err)
	}
}
