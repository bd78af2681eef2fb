package prompt

import (
	"bytes"
	"encoding/json"
	"fmt"

	"mole/batch"
)

// value is a part of a call's JSON, bytes begin to end.
type value struct {
	begin, end int
	part       batch.Part
}

// callValues returns where the JSON of a call, white space around it, has the name
// of its action and the values of its arguments (see ByJSON).
func callValues(text []byte) ([]value, error) {
	var call, arguments map[string]json.RawMessage
	if err := json.Unmarshal(text, &call); err != nil {
		return nil, fmt.Errorf("%.80q: %w", text, err)
	}
	if json.Unmarshal(call["arguments"], &arguments) != nil || arguments == nil || call["name"] == nil {
		return nil, fmt.Errorf("%.80q: want a name and an object of arguments", text)
	}
	_, acts := arguments["action"]
	c := &callReader{Decoder: json.NewDecoder(bytes.NewReader(text)), text: text, acts: acts}
	err := c.read()
	return c.values, err
}

// callReader reads the JSON of a call, value by value.
type callReader struct {
	*json.Decoder
	text   []byte
	acts   bool     // an argument says what the action is, not the name
	path   []string // keys down to the value at hand
	values []value
}

// read reads a value and what is below it.
func (c *callReader) read() error {
	before := int(c.InputOffset())
	t, err := c.Token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		c.take(before, t)
		return nil
	}
	for c.More() {
		if err := c.below(open == '{'); err != nil {
			return err
		}
	}
	_, err = c.Token() // the bracket that closes
	return err
}

// below reads an element of a list or, with its key, a member of an object.
func (c *callReader) below(member bool) error {
	if member {
		key, err := c.Token()
		if err != nil {
			return err
		}
		c.path = append(c.path, key.(string)) // or Token had refused it
		defer func() { c.path = c.path[:len(c.path)-1] }()
	}
	return c.read()
}

// take keeps a string, without its quotes, or another scalar, which ends where
// the reader is and begins behind what parts it from the offset before.
func (c *callReader) take(before int, scalar json.Token) {
	end := int(c.InputOffset())
	begin := end - len(bytes.TrimLeft(c.text[before:end], " \t\r\n:,"))
	if _, ok := scalar.(string); ok {
		begin, end = begin+1, end-1
	}
	if part := c.part(); part != batch.NoPart {
		c.values = append(c.values, value{begin, end, part})
	}
}

// part returns what the value at hand is.
func (c *callReader) part() batch.Part {
	switch {
	case len(c.path) == 1 && c.path[0] == "name" && !c.acts:
		return batch.CallAction
	case len(c.path) < 2 || c.path[0] != "arguments":
		return batch.NoPart
	case c.path[1] == "action":
		return batch.CallAction
	}
	return batch.CallArg
}
