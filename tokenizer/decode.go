package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Decode returns the text of ids, without special tokens if skipSpecial is
// true. Ids that have no token give nothing. Bytes that are not UTF-8 give
// U+FFFD, one for each maximal ill-formed part.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(t.text(id, skipSpecial))
	}
	return validText(b.String())
}

// text returns the bytes of id, if it has some that are wanted.
func (t *Tokenizer) text(id int32, skipSpecial bool) string {
	if id < 0 || int(id) >= len(t.tokens) || skipSpecial && t.special[id] {
		return ""
	}
	return t.tokens[id]
}

// Stream decodes ids one at a time and holds back the beginning of a character
// whose other bytes are to come. The texts that it returns add up to what
// Decode returns for all ids. A Stream is for one goroutine.
type Stream struct {
	tokenizer   *Tokenizer
	skipSpecial bool
	held        string // at most 3 bytes
}

// Stream returns a decoder that has seen nothing.
func (t *Tokenizer) Stream(skipSpecial bool) *Stream {
	return &Stream{tokenizer: t, skipSpecial: skipSpecial}
}

// Next takes id and returns the text that is certain now, maybe none.
func (s *Stream) Next(id int32) string {
	all := s.held + s.tokenizer.text(id, s.skipSpecial)
	n := len(all) - unfinished(all)
	s.held = all[n:]
	return validText(all[:n])
}

// Flush returns U+FFFD if a character was left unfinished, else nothing, and
// makes s as it was at the start.
func (s *Stream) Flush() string {
	rest := validText(s.held)
	s.held = ""
	return rest
}

// unfinished returns the length of the character that s ends in the midst of,
// or 0.
func unfinished(s string) int {
	for n := 1; n < utf8.UTFMax && n <= len(s); n++ {
		if tail := s[len(s)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRuneInString(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
