package generate

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"mole/tokenizer"
)

// Limits of a request.
const (
	defaultTokens = 512 // of an answer
	maxStops      = 16
	maxStopBytes  = 1024 // of one stop text
	maxTop        = 20
)

// check refuses a request that cannot be answered, and fills in MaxTokens.
func (r *Request) check(t *tokenizer.Tokenizer, maxTokens int) error {
	if r.MaxTokens == 0 {
		r.MaxTokens = min(defaultTokens, maxTokens)
	}
	if r.MaxTokens < 1 || r.MaxTokens > maxTokens {
		return fmt.Errorf("%w: %d tokens for the answer, want 1 to %d", ErrRequest, r.MaxTokens, maxTokens)
	}
	if r.Constrain != Free && r.Constrain != ToolCall {
		return fmt.Errorf("%w: constraint %.40q, want %q or none", ErrRequest, r.Constrain, ToolCall)
	}
	if err := r.checkPrompt(t); err != nil {
		return err
	}
	if err := r.checkStops(); err != nil {
		return err
	}
	if err := r.checkTop(); err != nil {
		return err
	}
	return r.Sampling.check()
}

// checkTop refuses alternatives that nobody can have.
func (r *Request) checkTop() error {
	if r.Top < 0 || r.Top > maxTop {
		return fmt.Errorf("%w: %d alternatives of each token, want 0 to %d", ErrRequest, r.Top, maxTop)
	}
	if r.Top > 0 && !r.LogProbs {
		return fmt.Errorf("%w: alternatives without probabilities", ErrRequest)
	}
	return nil
}

// checkPrompt refuses a prompt that is no prompt.
func (r *Request) checkPrompt(t *tokenizer.Tokenizer) error {
	if len(r.Prompt.Tokens) == 0 {
		return fmt.Errorf("%w: the prompt has no tokens", ErrRequest)
	}
	bad := slices.IndexFunc(r.Prompt.Tokens, func(id int32) bool { return id < 0 || int(id) >= t.Size() })
	if bad >= 0 {
		return fmt.Errorf("%w: token %d of the prompt is %d, want 0 to %d", ErrRequest, bad, r.Prompt.Tokens[bad], t.Size()-1)
	}
	return nil
}

// checkStops refuses stop texts that nothing could find.
func (r *Request) checkStops() error {
	if len(r.Stop) > maxStops {
		return fmt.Errorf("%w: %d stop texts, want %d at most", ErrRequest, len(r.Stop), maxStops)
	}
	for i, s := range r.Stop {
		if s == "" || len(s) > maxStopBytes || !utf8.ValidString(s) {
			return fmt.Errorf("%w: stop text %d: %.40q, want 1 to %d bytes of UTF-8", ErrRequest, i, s, maxStopBytes)
		}
	}
	return nil
}
