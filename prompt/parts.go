package prompt

import (
	"errors"
	"fmt"
	"slices"

	"mole/batch"
)

// Division says how the tokens of a tool call are told apart (specification
// mole, 8.6).
type Division string

// The divisions.
const (
	// ByJSON reads the call: the action is the value of "action" among the
	// arguments, else of "name"; each other string, number or truth value of the
	// arguments is an argument, without the quotes. A token counts as what any of
	// its bytes is. Keys, punctuation and tags are the base.
	ByJSON Division = "json"
	// ByLength looks at nothing but the number of tokens, tags included: of a call
	// of more than 10 the first fifth, at most 20, is the action and the rest an
	// argument; a shorter one is the base as a whole.
	ByLength Division = "legacy"
)

// ParseDivision returns the division of that name; "" means ByJSON.
func ParseDivision(name string) (Division, error) {
	switch d := Division(name); d {
	case "":
		return ByJSON, nil
	case ByJSON, ByLength:
		return d, nil
	}
	return "", fmt.Errorf("division %q, want %q or %q", name, ByJSON, ByLength)
}

// CallParts returns the part of an answer that each token is. Labels are those of
// an example. Tool calls are what is supervised from a tag <tool_call> to the next
// </tool_call>; all else is of no part. An answer without a call, or with one
// that is not as the template has it, is an error.
func (r *Renderer) CallParts(tokens, labels []int32, by Division) ([]batch.Part, error) {
	if len(labels) != len(tokens) {
		return nil, fmt.Errorf("%d labels for %d tokens", len(labels), len(tokens))
	}
	parts, calls := make([]batch.Part, len(tokens)), 0
	for i := 0; i < len(labels); i++ {
		if labels[i] != r.ids[toolCall] {
			continue
		}
		calls++
		n := slices.Index(labels[i:], r.ids[toolCallEnd]) + 1
		if n == 0 {
			return nil, fmt.Errorf("tool call %d: no %s after %s", calls, toolCallEnd, toolCall)
		}
		if err := r.divide(parts[i:i+n], tokens[i:i+n], by); err != nil {
			return nil, fmt.Errorf("tool call %d: %w", calls, err)
		}
		i += n - 1
	}
	if calls == 0 {
		return nil, errors.New("no " + toolCall + " in the answer")
	}
	return parts, nil
}

// divide sets the parts of a call with its tags.
func (r *Renderer) divide(parts []batch.Part, tokens []int32, by Division) error {
	fill(parts, batch.CallBase)
	if by == ByLength {
		divideByLength(parts)
		return nil
	}
	within := len(tokens) - 1 // without the tags: 1 to within
	var text []byte
	ends := make([]int, len(tokens)) // of tokens, in text
	for i := 1; i < within; i++ {
		text = append(text, r.tokenizer.Token(tokens[i])...)
		ends[i] = len(text)
	}
	values, err := callValues(text)
	if err != nil {
		return err
	}
	for i := 1; i < within; i++ {
		for _, v := range values {
			if v.begin < ends[i] && ends[i-1] < v.end {
				parts[i] = v.part
			}
		}
	}
	return nil
}

// The rule of ByLength.
const (
	legacyShort  = 10 // tokens of a call that is not divided, at most
	legacyShare  = 5  // one of so many is the action
	legacyAction = 20 // tokens of it, at most
)

// divideByLength sets the parts of a call by ByLength, from the base.
func divideByLength(parts []batch.Part) {
	if len(parts) <= legacyShort {
		return
	}
	n := min(len(parts)/legacyShare, legacyAction)
	fill(parts[:n], batch.CallAction)
	fill(parts[n:], batch.CallArg)
}

func fill(parts []batch.Part, with batch.Part) {
	for i := range parts {
		parts[i] = with
	}
}
