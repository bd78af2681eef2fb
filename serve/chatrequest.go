package serve

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mole/generate"
	"mole/prompt"
)

// chatRequest is the body of POST /v1/chat/completions. Members that are unknown
// are ignored, as OpenAI's clients send new ones all the time; those that are
// known and would change the answer are refused.
type chatRequest struct {
	Model         string        `json:"model"`
	Messages      []chatMessage `json:"messages"`
	Stream        bool          `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`

	MaxTokens           *int     `json:"max_tokens"`
	MaxCompletionTokens *int     `json:"max_completion_tokens"`
	Temperature         *float64 `json:"temperature"`
	TopP                *float64 `json:"top_p"`
	TopK                *int     `json:"top_k"`
	MinP                *float64 `json:"min_p"`
	RepetitionPenalty   *float64 `json:"repetition_penalty"`
	Seed                *int64   `json:"seed"`
	Stop                stops    `json:"stop"`
	LogProbs            bool     `json:"logprobs"`
	TopLogProbs         int      `json:"top_logprobs"`

	Tools             []json.RawMessage `json:"tools"`
	ToolChoice        toolChoice        `json:"tool_choice"`
	ParallelToolCalls *bool             `json:"parallel_tool_calls"`

	unsupported
}

// unsupported are members that only some values are taken of.
type unsupported struct {
	N                *int                   `json:"n"`
	ResponseFormat   *struct{ Type string } `json:"response_format"`
	FrequencyPenalty float64                `json:"frequency_penalty"`
	PresencePenalty  float64                `json:"presence_penalty"`
	LogitBias        map[string]any         `json:"logit_bias"`
	Functions        []json.RawMessage      `json:"functions"`
	FunctionCall     any                    `json:"function_call"`
	Modalities       []string               `json:"modalities"`
	Audio            any                    `json:"audio"`
	Prediction       any                    `json:"prediction"`
	WebSearch        any                    `json:"web_search_options"`
}

// stops is a text or a list of texts.
type stops []string

// UnmarshalJSON implements [json.Unmarshaler].
func (s *stops) UnmarshalJSON(text []byte) error {
	var one string
	if err := json.Unmarshal(text, &one); err == nil {
		*s = nil
		if one != "" {
			*s = stops{one}
		}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(s))
}

// toolChoice is "auto", "none", "required", or the function that must be called.
type toolChoice struct {
	mode string // "" if the request does not say
	name string // of the function
}

// What the member tool_choice may say.
const (
	toolsAuto     = "auto"
	toolsNone     = "none"
	toolsRequired = "required"
)

// UnmarshalJSON implements [json.Unmarshaler].
func (c *toolChoice) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, &c.mode); err == nil {
		return nil
	}
	var f struct {
		Type     string
		Function struct{ Name string }
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	if f.Type != "function" || f.Function.Name == "" {
		return fmt.Errorf("tool_choice of type %.40q, want auto, none, required or a function", f.Type)
	}
	*c = toolChoice{toolsRequired, f.Function.Name}
	return nil
}

// parseChat reads a request.
func parseChat(text []byte) (*chatRequest, error) {
	q := &chatRequest{}
	if err := json.Unmarshal(text, q); err != nil {
		param := ""
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			param = wrong.Field
		}
		return nil, bad(param, "request: %w", err)
	}
	if q.Model == "" {
		return nil, bad("model", "model is missing: want %s, %s or the name of an expert", modelAuto, modelBase)
	}
	if len(q.Messages) == 0 {
		return nil, bad("messages", "messages are missing")
	}
	return q, cmp.Or(q.refuse(), q.checkTools())
}

// refuse names the first member that asks for what this server has not.
func (u *unsupported) refuse() error {
	for _, m := range []struct {
		name, want string
		wrong      bool
	}{
		{"n", "1", u.N != nil && *u.N != 1},
		{"response_format", "text", u.ResponseFormat != nil && u.ResponseFormat.Type != "text"},
		{"frequency_penalty", "0, or repetition_penalty", u.FrequencyPenalty != 0},
		{"presence_penalty", "0, or repetition_penalty", u.PresencePenalty != 0},
		{"logit_bias", "none", len(u.LogitBias) > 0},
		{"functions", "tools", len(u.Functions) > 0},
		{"function_call", "tool_choice", u.FunctionCall != nil},
		{"modalities", "text", len(u.Modalities) > 1 || len(u.Modalities) == 1 && u.Modalities[0] != "text"},
		{"audio", "none", u.Audio != nil},
		{"prediction", "none", u.Prediction != nil},
		{"web_search_options", "none", u.WebSearch != nil},
	} {
		if m.wrong {
			return &problem{error: fmt.Errorf("%s: this value is not supported, want %s", m.name, m.want), status: 400, param: m.name, code: "unsupported_value"}
		}
	}
	return nil
}

// tool is what is looked at of a member of tools.
type tool struct {
	Type     string
	Function struct{ Name string }
}

// maxTools bounds the tools of a request.
const maxTools = 128

// checkTools refuses tools that are no functions, and a choice of one that is not
// there. It leaves those that may be called.
func (q *chatRequest) checkTools() error {
	if len(q.Tools) > maxTools {
		return bad("tools", "%d tools, want at most %d", len(q.Tools), maxTools)
	}
	var chosen []json.RawMessage
	for i, text := range q.Tools {
		var t tool
		if err := json.Unmarshal(text, &t); err != nil || t.Type != "function" || t.Function.Name == "" {
			return bad(fmt.Sprintf("tools[%d]", i), "tools[%d]: want a function with a name", i)
		}
		if t.Function.Name == q.ToolChoice.name {
			chosen = append(chosen, text)
		}
	}
	return q.chooseTools(chosen)
}

// chooseTools leaves the tools that may be called: none, the chosen ones, or all.
func (q *chatRequest) chooseTools(chosen []json.RawMessage) error {
	c := q.ToolChoice
	switch {
	case c.mode == toolsNone:
		q.Tools = nil
	case c.name != "" && chosen == nil:
		return bad("tool_choice", "tool_choice: function %.60q is not among the tools", c.name)
	case c.name != "":
		q.Tools = chosen
	case c.mode != "" && c.mode != toolsAuto && c.mode != toolsRequired:
		return bad("tool_choice", "tool_choice %.40q, want %s, %s, %s or a function", c.mode, toolsAuto, toolsNone, toolsRequired)
	}
	return nil
}

// request returns what a generator is asked for.
func (q *chatRequest) request(maxTokens int) (generate.Request, error) {
	r := generate.Request{MaxTokens: maxTokens, Stop: q.Stop, LogProbs: q.LogProbs, Top: q.TopLogProbs}
	for _, m := range []*int{q.MaxTokens, q.MaxCompletionTokens} {
		if m != nil {
			r.MaxTokens = *m
		}
	}
	if q.single() && len(r.Stop) < maxStops {
		r.Stop = append(slices.Clone(r.Stop), callEnd)
	}
	if q.ToolChoice.mode == toolsRequired {
		r.Constrain, r.Tools = generate.ToolCall, q.Tools
	}
	if err := q.ranges(r); err != nil {
		return r, err
	}
	r.Sampling = generate.Sampling{
		Repetition: value(q.RepetitionPenalty), Temperature: value(q.Temperature), TopK: max(value(q.TopK), 0), TopP: value(q.TopP), MinP: value(q.MinP),
		Seed: uint64(value(q.Seed)),
	}
	if q.Seed == nil {
		var seed [8]byte
		_, _ = rand.Read(seed[:]) // never fails
		r.Sampling.Seed = binary.NativeEndian.Uint64(seed[:])
	}
	return r, nil
}

// single reports whether the first call ends the answer.
func (q *chatRequest) single() bool {
	return q.ParallelToolCalls != nil && !*q.ParallelToolCalls && q.ToolChoice.mode != toolsNone
}

// value returns what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// maxStops bounds the texts that end an answer, maxStop the length of each.
const (
	maxStops = 16
	maxStop  = 256 // bytes
)

// ranges names the first member that is out of its range.
func (q *chatRequest) ranges(r generate.Request) error {
	for _, m := range []struct {
		name, want string
		wrong      bool
	}{
		{"max_tokens", "at least 1", r.MaxTokens < 1},
		{"temperature", "0 to 2", outside(q.Temperature, 0, 2)},
		{"top_p", "above 0, 1 at most", outside(q.TopP, 1e-9, 1)},
		{"min_p", "0 to 1", outside(q.MinP, 0, 1)},
		{"repetition_penalty", "above 0, 10 at most", outside(q.RepetitionPenalty, 1e-3, 10)},
		{"top_k", "-1, 0 or more", value(q.TopK) < -1},
		{"top_logprobs", "0 to 20, and logprobs", q.TopLogProbs < 0 || q.TopLogProbs > 20 || q.TopLogProbs > 0 && !q.LogProbs},
		{"stop", fmt.Sprintf("at most %d texts of 1 to %d bytes", maxStops, maxStop), !q.Stop.fit()},
	} {
		if m.wrong {
			return bad(m.name, "%s: want %s", m.name, m.want)
		}
	}
	return nil
}

// outside reports whether a number is there and not in a range.
func outside(p *float64, lo, hi float64) bool { return p != nil && (*p < lo || *p > hi) }

// fit reports whether there are not too many texts, and none too long or empty.
func (s stops) fit() bool {
	for _, text := range s {
		if text == "" || len(text) > maxStop {
			return false
		}
	}
	return len(s) <= maxStops
}

// chatMessage is one message.
type chatMessage struct {
	Role      string      `json:"role"`
	Content   chatContent `json:"content"`
	ToolCalls []chatCall  `json:"tool_calls"`
}

// chatContent is a text or a list of parts.
type chatContent []chatPart

// chatPart is one of text or a picture.
type chatPart struct {
	Type  string   `json:"type"`
	Text  string   `json:"text"`
	Image chatLink `json:"image_url"`
}

// chatLink is where a picture is.
type chatLink string

// UnmarshalJSON implements [json.Unmarshaler].
func (l *chatLink) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		return json.Unmarshal(text, (*string)(l))
	}
	var v struct{ URL string }
	err := json.Unmarshal(text, &v)
	*l = chatLink(v.URL)
	return err
}

// UnmarshalJSON implements [json.Unmarshaler].
func (c *chatContent) UnmarshalJSON(text []byte) error {
	if !bytes.HasPrefix(text, []byte(`"`)) {
		return json.Unmarshal(text, (*[]chatPart)(c))
	}
	p := chatPart{Type: "text"}
	err := json.Unmarshal(text, &p.Text)
	*c = chatContent{p}
	return err
}

// chatCall is a call that the assistant made before.
type chatCall struct {
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"` // JSON as text
	} `json:"function"`
}

// call returns the call for the prompt.
func (c chatCall) call() (prompt.Call, error) {
	arguments := json.RawMessage(strings.TrimSpace(c.Function.Arguments))
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	if !json.Valid(arguments) {
		return prompt.Call{}, fmt.Errorf("arguments of %.60q are no JSON", c.Function.Name)
	}
	return prompt.Call{Name: c.Function.Name, Arguments: arguments}, nil
}

// roles are those of OpenAI's interface.
var roles = map[string]prompt.Role{
	"system": prompt.System, "developer": prompt.System, "user": prompt.User, "assistant": prompt.Assistant, "tool": prompt.Tool,
}
