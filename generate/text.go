package generate

import (
	"slices"

	"mole/tokenizer"
)

// writer turns the tokens of an answer into its text. It holds back what is not
// certain: the beginning of a character, and text that a stop text may begin
// with; nothing else.
type writer struct {
	stream *tokenizer.Stream
	stops  []stopText
	tokens []pending // not handed out, in order
	text   []byte    // certain as text, but maybe the beginning of a stop text
	base   int       // of text in the answer, in bytes
	ended  bool      // a stop text was found
}

// pending is a token whose text was not handed out yet.
type pending struct {
	Token
	begin, end int // of its text in the answer
}

// newWriter returns the writer of an answer.
func newWriter(t *tokenizer.Tokenizer, stops []string) *writer {
	w := &writer{stream: t.Stream(true)}
	for _, s := range stops {
		w.stops = append(w.stops, newStopText(s))
	}
	return w
}

// add takes the next token. After a stop text there is none.
func (w *writer) add(t Token) {
	begin := w.base + len(w.text)
	w.take(w.stream.Next(t.ID))
	w.tokens = append(w.tokens, pending{t, begin, w.base + len(w.text)})
}

// take appends text, and cuts it where a stop text begins.
func (w *writer) take(text string) {
	for i := range len(text) {
		w.text = append(w.text, text[i])
		longest := 0
		for s := range w.stops {
			if w.stops[s].next(text[i]) {
				longest = max(longest, len(w.stops[s].text))
			}
		}
		if longest > 0 {
			w.text = w.text[:len(w.text)-longest]
			w.ended = true
			return
		}
	}
}

// certain hands out the text that nothing can change any more, and the tokens
// behind it.
func (w *writer) certain() (string, []Token) {
	held := 0
	for _, s := range w.stops {
		held = max(held, s.at)
	}
	if w.ended {
		held = 0
	}
	return w.cut(len(w.text) - held)
}

// finish hands out all that is left. A character that stayed unfinished is
// U+FFFD.
func (w *writer) finish() (string, []Token) {
	if !w.ended {
		w.take(w.stream.Flush())
	}
	text, tokens := w.cut(len(w.text))
	for _, t := range w.tokens { // those that end in a stop text, or have no text
		if t.begin < w.base {
			tokens = append(tokens, t.Token)
		}
	}
	w.tokens = nil
	return text, tokens
}

// cut hands out the first n bytes of the text, and the tokens that end there.
func (w *writer) cut(n int) (string, []Token) {
	text := string(w.text[:n])
	w.text = w.text[n:]
	w.base += n
	var tokens []Token
	for len(w.tokens) > 0 && w.tokens[0].end <= w.base && w.tokens[0].begin < w.base {
		tokens = append(tokens, w.tokens[0].Token)
		w.tokens = slices.Delete(w.tokens, 0, 1)
	}
	return text, tokens
}

// stopText finds one stop text in text that comes a byte at a time (Knuth,
// Morris and Pratt, "Fast Pattern Matching in Strings", 1977).
type stopText struct {
	text string
	back []int // [len(text)+1]: longest beginning of text that its first n bytes end in, below n
	at   int   // how much of text the text so far ends in
}

// newStopText returns the finder of text, which is not empty.
func newStopText(text string) stopText {
	s := stopText{text: text, back: make([]int, len(text)+1)}
	for n := 2; n <= len(text); n++ {
		k := s.back[n-1]
		for k > 0 && text[k] != text[n-1] {
			k = s.back[k]
		}
		if text[k] == text[n-1] {
			k++
		}
		s.back[n] = k
	}
	return s
}

// next takes a byte and reports whether the text ends here.
func (s *stopText) next(b byte) bool {
	for s.at > 0 && s.text[s.at] != b {
		s.at = s.back[s.at]
	}
	if s.text[s.at] == b {
		s.at++
	}
	if s.at < len(s.text) {
		return false
	}
	s.at = s.back[s.at]
	return true
}
