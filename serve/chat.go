package serve

import (
	"context"
	"iter"
	"math"
	"net/http"
	"strings"
	"time"

	"mole/generate"
)

// completion is an answer, or a piece of one, in OpenAI's form. Mole is ours.
type completion struct {
	ID      string      `json:"id"`
	Object  string      `json:"object"`
	Created int64       `json:"created"` // Unix time
	Model   string      `json:"model"`   // who answers
	Choices []candidate `json:"choices"`
	Usage   *usage      `json:"usage,omitempty"`
	Mole    *Decision   `json:"mole,omitempty"`
}

// candidate is an answer of the n that OpenAI's form has room for.
type candidate struct {
	Index    int       `json:"index"`
	Message  *reply    `json:"message,omitempty"`
	Delta    *delta    `json:"delta,omitempty"` // of a stream
	LogProbs *logProbs `json:"logprobs"`
	Finish   *string   `json:"finish_reason"`
}

// reply is what the assistant says.
type reply struct {
	Role    string      `json:"role,omitempty"`
	Content *string     `json:"content"` // null beside calls alone
	Refusal *string     `json:"refusal,omitempty"`
	Calls   []replyCall `json:"tool_calls,omitempty"`
}

// delta is a piece of a reply: what it does not have is not new.
type delta struct {
	Role    string      `json:"role,omitempty"`
	Content *string     `json:"content,omitempty"`
	Refusal *string     `json:"refusal,omitempty"`
	Calls   []replyCall `json:"tool_calls,omitempty"`
}

// replyCall is a call that the assistant makes.
type replyCall struct {
	Index    *int          `json:"index,omitempty"` // in a stream
	ID       string        `json:"id"`
	Type     string        `json:"type"`
	Function replyFunction `json:"function"`
}

// replyFunction is the function that is called.
type replyFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"` // JSON as text
}

// usage counts tokens.
type usage struct {
	Prompt  int `json:"prompt_tokens"`
	Answer  int `json:"completion_tokens"`
	Total   int `json:"total_tokens"`
	Details struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

func newUsage(u generate.Usage) *usage {
	out := &usage{Prompt: u.Prompt, Answer: u.Answer, Total: u.Prompt + u.Answer}
	out.Details.Cached = u.Cached
	return out
}

// logProbs holds the probabilities of tokens.
type logProbs struct {
	Content []logProb `json:"content"`
	Refusal *string   `json:"refusal"` // null
}

// logProb is that of one token.
type logProb struct {
	alternative
	Top []alternative `json:"top_logprobs"`
}

// alternative is a token that could have been.
type alternative struct {
	Token   string  `json:"token"`
	LogProb float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// newLogProbs returns the probabilities of tokens, nil if there are none.
func newLogProbs(tokens []generate.Token) *logProbs {
	if len(tokens) == 0 {
		return nil
	}
	out := &logProbs{}
	for _, t := range tokens {
		p := logProb{alternative: newAlternative(t.Bytes, t.LogProb), Top: []alternative{}}
		for _, a := range t.Top {
			p.Top = append(p.Top, newAlternative(a.Bytes, a.LogProb))
		}
		out.Content = append(out.Content, p)
	}
	return out
}

// leastLogProb stands for a probability of nothing, for which JSON has no number.
const leastLogProb = -9999

func newAlternative(text []byte, p float64) alternative {
	a := alternative{Token: strings.ToValidUTF8(string(text), "\uFFFD"), LogProb: leastLogProb, Bytes: []int{}}
	if p > leastLogProb && !math.IsInf(p, 1) {
		a.LogProb = p
	}
	for _, b := range text {
		a.Bytes = append(a.Bytes, int(b))
	}
	return a
}

// chat answers POST /v1/chat/completions.
func (s *Server) chat(x *exchange, r *http.Request, body []byte, d *Deployment) error {
	if d.Engine == nil {
		return errSilent
	}
	ctx := r.Context()
	q, asked, err := s.ask(ctx, body)
	if err != nil {
		return err
	}
	c, err := s.choose(ctx, d, asked)
	if err != nil {
		return err
	}
	said := c.decision(d)
	x.tell(said)
	if c.missing != nil {
		return c.missing
	}
	pieces, err := s.answer(ctx, d, c, asked)
	if err != nil {
		return err
	}
	w := &writer{
		exchange: x, request: q, splitter: splitter{off: q.ToolChoice.mode == toolsNone, single: q.single()},
		head: completion{ID: "chatcmpl-" + newID(), Object: "chat.completion", Created: time.Now().Unix(), Model: c.name}, said: said,
	}
	if q.Stream {
		return s.stream(w, pieces)
	}
	return w.collect(pieces)
}

// ask reads a request, and fetches its pictures.
func (s *Server) ask(ctx context.Context, text []byte) (*chatRequest, *question, error) {
	q, err := parseChat(text)
	if err != nil {
		return nil, nil, err
	}
	asked := &question{model: q.Model, tools: q.Tools, free: q.ToolChoice.mode != "" || len(q.Tools) > 0}
	if asked.request, err = q.request(s.MaxTokens); err != nil {
		return nil, nil, err
	}
	asked.messages, err = s.conversation(ctx, q.Messages)
	return q, asked, err
}

// writer writes an answer in OpenAI's form.
type writer struct {
	*exchange
	request  *chatRequest
	splitter splitter
	head     completion
	said     *Decision
	tokens   []generate.Token // that no piece of the answer carried yet
}

// segments returns what is settled by a piece of the answer, and reports whether
// the answer ends with it.
func (w *writer) segments(chunk generate.Chunk) (list []segment, last bool) {
	list, last = w.splitter.add(chunk.Text), chunk.Finish != ""
	if last {
		list = append(list, w.splitter.flush()...)
	}
	if !w.request.single() {
		return list, last
	}
	for i, g := range list {
		if g.call != nil {
			return list[:i+1], true
		}
	}
	return list, last
}

// finish returns why the answer ended, in OpenAI's words.
func (w *writer) finish(f generate.Finish) *string {
	reason := string(f)
	if w.splitter.calls > 0 && f != generate.Length {
		reason = "tool_calls"
	}
	return &reason
}

// call returns a call in OpenAI's form.
func (c *toolCall) reply() replyCall {
	return replyCall{ID: "call_" + newID(), Type: "function", Function: replyFunction{c.Name, c.Arguments}}
}

// collect writes the answer as a whole.
func (w *writer) collect(pieces iter.Seq2[generate.Chunk, error]) error {
	message := &reply{Role: "assistant"}
	var text strings.Builder
	o := candidate{Message: message}
	for chunk, err := range pieces {
		if err != nil {
			return err
		}
		w.tokens = append(w.tokens, chunk.Tokens...)
		list, last := w.segments(chunk)
		for _, g := range list {
			text.WriteString(g.text)
			if g.call != nil {
				message.Calls = append(message.Calls, g.call.reply())
			}
		}
		w.head.Usage, o.Finish = newUsage(chunk.Usage), w.finish(chunk.Finish)
		if last {
			break
		}
	}
	if content := text.String(); content != "" || message.Calls == nil {
		message.Content = &content
	}
	o.LogProbs = newLogProbs(w.tokens)
	w.head.Choices, w.head.Mole = []candidate{o}, w.said
	w.write(http.StatusOK, w.head)
	return nil
}
