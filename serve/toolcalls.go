package serve

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
)

// The tags around a call in an answer (specification mole, 4.2).
const (
	callBegin = "<tool_call>"
	callEnd   = "</tool_call>"
)

// splitter takes the calls out of an answer that comes in pieces. What may still
// turn out to belong to a call is held back.
type splitter struct {
	off    bool   // leave the answer as it is
	single bool   // the end of a call was a stop text, and is not in the answer
	held   string // text that may begin a call: white space, and part of a tag
	inside bool   // held is the content of a call, so far
	calls  int    // found so far
}

// toolCall is a call in an answer.
type toolCall struct {
	Name      string
	Arguments string // JSON
}

// segment is some text, or a call.
type segment struct {
	text string
	call *toolCall
}

// add takes a piece of the answer and returns what is settled by it.
func (s *splitter) add(piece string) []segment {
	if s.off {
		return texts(piece)
	}
	s.held += piece
	var out []segment
	for {
		if !s.inside {
			text, found := s.open()
			out = append(out, texts(text)...)
			if !found {
				return out
			}
		}
		more, closed := s.close()
		if !closed {
			return out
		}
		out = append(out, more...)
	}
}

// open returns the text before a call, and reports whether one begins.
func (s *splitter) open() (text string, found bool) {
	if i := indexFold(s.held, callBegin); i >= 0 {
		text, s.held, s.inside = s.held[:i], s.held[i+len(callBegin):], true
		return strings.TrimRightFunc(text, unicode.IsSpace), true
	}
	keep := len(s.held) - partial(s.held, callBegin)
	keep = len(strings.TrimRightFunc(s.held[:keep], unicode.IsSpace))
	text, s.held = s.held[:keep], s.held[keep:]
	return text, false
}

// close returns the call that ends in what is held, if one does. What is no call
// stays text.
func (s *splitter) close() (out []segment, closed bool) {
	i := indexFold(s.held, callEnd)
	if i < 0 {
		return nil, false
	}
	content := s.held[:i]
	s.held, s.inside = s.held[i+len(callEnd):], false
	c, ok := parseCall(content)
	if !ok {
		return texts(callBegin + content + callEnd), true
	}
	s.calls++
	return []segment{{call: c}}, true
}

// flush returns what is still held at the end of the answer.
func (s *splitter) flush() []segment {
	rest := s.held
	s.held = ""
	if c, ok := parseCall(rest); ok && s.inside && s.single {
		s.calls++
		return []segment{{call: c}}
	}
	switch {
	case s.inside:
		return texts(callBegin + rest)
	case s.calls > 0:
		return texts(strings.TrimRightFunc(rest, unicode.IsSpace))
	}
	return texts(rest)
}

// texts returns a text as segments: none if it is empty.
func texts(text string) []segment {
	if text == "" {
		return nil
	}
	return []segment{{text: text}}
}

// indexFold is strings.Index for a tag in lower or upper case.
func indexFold(s, tag string) int {
	for i := 0; i+len(tag) <= len(s); i++ {
		if s[i] == '<' && strings.EqualFold(s[i:i+len(tag)], tag) {
			return i
		}
	}
	return -1
}

// partial returns how many bytes at the end of s may begin a tag.
func partial(s, tag string) int {
	for n := min(len(s), len(tag)-1); n > 0; n-- {
		if strings.EqualFold(s[len(s)-n:], tag[:n]) {
			return n
		}
	}
	return 0
}

// parseCall reads the content of a call.
func parseCall(text string) (*toolCall, bool) {
	var v struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if json.Unmarshal([]byte(text), &v) != nil || v.Name == "" || len(v.Arguments) == 0 {
		return nil, false
	}
	arguments := string(v.Arguments)
	var line bytes.Buffer
	if json.Compact(&line, v.Arguments) == nil {
		arguments = line.String()
	}
	var quoted string // some networks write the object as a text
	if json.Unmarshal(v.Arguments, &quoted) == nil && json.Valid([]byte(quoted)) {
		arguments = quoted
	}
	return &toolCall{v.Name, arguments}, true
}
