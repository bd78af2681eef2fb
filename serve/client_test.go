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
	same(t, "content", a.Choices[0].Message.Content, "Hello, world")
	same(t, "finish", a.Choices[0].FinishReason, "stop")
	same(t, "model and object", []any{a.Model, a.Object}, []any{"desktop", "chat.completion"})
	r := g.last(t)
	same(t, "request", []any{r.Adapter, r.MaxTokens, r.Sampling.Temperature, len(r.Prompt.Images)}, []any{"desktop", 512, 0, 1})
	same(t, "usage", []any{a.Usage.PromptTokens, a.Usage.PromptTokensDetails.CachedTokens}, []any{len(r.Prompt.Tokens), 3})
	for name, want := range map[string]string{"X-Mole-Expert": "desktop", "X-Mole-Confidence": "0.8000", "X-Mole-Unsure": "false", "X-Mole-Router": "0123abcd"} {
		same(t, name, w.Header.Get(name), want)
	}
	wantTold(t, a.JSON.ExtraFields["mole"].Raw(), []string{`"probabilities":{"calendar":0.1,"desktop":0.8,"ocr":0.1}`, `"generation":7`}, nil)
}

// TestClientStreams has OpenAI's client read an answer piece by piece.
func TestClientStreams(t *testing.T) {
	g := &speaker{pieces: []string{"Hello", ", ", "world"}, finish: generate.Length}
	_, url, _ := start(t, Options{Source: fixed(speaking(t, &fake{answer: sure}, g))})
	ready(t, url)
	q := pictured("calendar")
	q.StreamOptions.IncludeUsage = openai.Bool(true)
	q.Logprobs, q.TopLogprobs = openai.Bool(true), openai.Int(2)
	all, probs := accumulate(t, url, q)
	o := all.Choices[0]
	same(t, "answer", []any{o.Message.Content, o.Message.Role, o.FinishReason}, []any{"Hello, world", "assistant", "length"})
	same(t, "tokens and probabilities", []any{all.Usage.CompletionTokens, probs}, []any{3, 3})
	if r := g.last(t); r.Adapter != "calendar" || !r.LogProbs || r.Top != 2 {
		t.Errorf("got request %+v", r)
	}
}

// accumulate streams an answer and joins its pieces.
func accumulate(t *testing.T, url string, q openai.ChatCompletionNewParams) (all openai.ChatCompletionAccumulator, probs int) {
	t.Helper()
	c := client(url, "none")
	s := c.Chat.Completions.NewStreaming(t.Context(), q)
	for s.Next() {
		if !all.AddChunk(s.Current()) {
			t.Errorf("event does not fit: %s", s.Current().RawJSON())
		}
		for _, o := range s.Current().Choices {
			probs += len(o.Logprobs.Content)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return all, probs
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
	checkCalls(t, m, a.Choices[0].FinishReason)
	if r := g.last(t); r.Constrain != generate.ToolCall || len(r.Tools) != 2 {
		t.Errorf("got request %+v", r)
	}
	q.Messages = append(q.Messages, m.ToParam(), openai.ToolMessage("done", m.ToolCalls[0].ID), openai.ToolMessage("stopped", m.ToolCalls[1].ID))
	all, _ := accumulate(t, url, q)
	checkCalls(t, all.Choices[0].Message, all.Choices[0].FinishReason)
	if n := count(t, g.last(t).Prompt, "<tool_response>"); n != 2 {
		t.Errorf("got %d results in the prompt, want 2", n)
	}
}

// checkCalls checks a message with a text and two calls.
func checkCalls(t *testing.T, m openai.ChatCompletionMessage, finish string) {
	t.Helper()
	same(t, "content and reason", []any{m.Content, finish}, []any{"I click.", "tool_calls"})
	if len(m.ToolCalls) != 2 {
		t.Fatalf("got %d calls, want 2", len(m.ToolCalls))
	}
	first, second := m.ToolCalls[0].Function, m.ToolCalls[1].Function
	same(t, "calls", []any{first.Name, first.Arguments, second.Name, second.Arguments}, []any{"click", `{"x":1}`, "stop", "{}"})
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
		checkError(t, err, tt.want, tt.kind, tt.code)
		s := c.Chat.Completions.NewStreaming(t.Context(), tt.q)
		for s.Next() {
			t.Error("got a piece of an answer")
		}
		checkError(t, s.Err(), tt.want, tt.kind, tt.code)
	}
	c := client(url, token)
	_, err := c.Models.Get(t.Context(), "gpt-5")
	checkError(t, err, 404, "invalid_request_error", "model_not_found")
}

// checkError checks an error as OpenAI's client sees it.
func checkError(t *testing.T, err error, status int, kind, code string) {
	t.Helper()
	var e *openai.Error
	if !errors.As(err, &e) || e.StatusCode != status || e.Type != kind || e.Code != code || e.Message == "" {
		t.Errorf("got %v, want %d, %s, %s", err, status, kind, code)
	}
}
