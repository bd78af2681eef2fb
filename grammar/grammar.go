// Package grammar constrains answers to tool calls: it says which tokens may
// follow, so that whatever a network prefers, the answer is one or more blocks
//
//	<tool_call>
//	{"name": "click", "arguments": {"x": 12}}
//	</tool_call>
//
// with a line break between them, and then the end of the turn. The JSON is
// valid, the name is that of one of the given tools, and the arguments follow
// its JSON schema in these respects: type (also a list of them), properties,
// required, additionalProperties, items, minItems, maxItems, enum and const. An
// object that declares properties has no others unless additionalProperties
// allows them; if nothing is declared, anything may stand there.
//
// Not enforced, so that values may break them: patterns, formats, lengths of
// strings, ranges of numbers, uniqueness, $ref, anyOf, oneOf, allOf, not, if,
// and everything else. Narrower than JSON: after a comma or colon stands at most
// one space and nowhere else is any; numbers have up to 15 digits before and
// behind the dot and two in the exponent; keys that nobody declared have no
// escapes and may repeat; \u escapes do not begin with d (surrogates); values of
// no declared type nest twelve deep.
//
// The grammar is a pushdown automaton over bytes. A token is allowed if the
// automaton takes all its bytes, and if what is then left of the answer suffices
// to close everything that is open.
package grammar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"mole/tokenizer"
)

// Vocabulary is the tokens of a tokenizer, ready for grammars. It is safe for
// concurrent use.
type Vocabulary struct {
	tokenizer *tokenizer.Tokenizer
	open      int32   // <tool_call>
	shut      int32   // </tool_call>
	ends      []int32 // of a turn
	all       trie    // of text; control tokens stand for no bytes
	quoted    trie    // those of all with a quotation mark

	mu   sync.Mutex
	stay map[inside][]uint64 // tokens that stay inside a string
}

// NewVocabulary prepares the tokens of t, which must have the tags and an end
// of turn.
func NewVocabulary(t *tokenizer.Tokenizer) (*Vocabulary, error) {
	v := &Vocabulary{tokenizer: t, stay: map[inside][]uint64{}}
	tags := control(t, "<tool_call>", "</tool_call>")
	if len(tags) < 2 {
		return nil, errors.New("tokenizer has no <tool_call> and </tool_call>")
	}
	v.open, v.shut = tags[0], tags[1]
	if v.ends = control(t, "<|im_end|>", "<|endoftext|>"); v.ends == nil {
		return nil, errors.New("tokenizer has neither <|im_end|> nor <|endoftext|>")
	}
	var words, quoted []word
	for id := range int32(t.Size()) {
		if t.Added(id) {
			continue
		}
		w := word{string(t.Token(id)), id}
		words = append(words, w)
		if strings.Contains(w.text, `"`) {
			quoted = append(quoted, w)
		}
	}
	v.all, v.quoted = newTrie(words), newTrie(quoted)
	return v, nil
}

// control returns the ids of those control tokens that t has.
func control(t *tokenizer.Tokenizer, names ...string) (ids []int32) {
	for _, name := range names {
		if id, ok := t.ID(name); ok && t.Added(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// words returns the length of a mask.
func (v *Vocabulary) words() int { return (v.tokenizer.Size() + 63) / 64 }

// State is a place in an answer. It is for one goroutine.
type State struct {
	grammar *Grammar
	state   state
	mask    []uint64
	free    bool // the answer is too short for any call: nothing is said about its length
}

// Start returns the beginning of an answer of up to so many tokens. If that is
// too few for the shortest call, the answer is cut off where it ends.
func (g *Grammar) Start(tokens int) *State {
	s := &State{grammar: g, state: state{top: frame{op: opCall}}}
	s.free = g.cost(&s.state) > tokens
	return s
}

// Mask returns the tokens that may be next, bit id%64 of word id/64, if left
// tokens are left for the answer, that one included. There is at least one. The
// next call overwrites it.
func (s *State) Mask(left int) []uint64 {
	g := s.grammar
	s.mask = slices.Grow(s.mask[:0], g.vocabulary.words())[:g.vocabulary.words()]
	clear(s.mask)
	most := left - 1
	if s.free {
		most = maxCost
	}
	for _, id := range g.tags(&s.state) {
		set(s.mask, id)
	}
	in, text := s.state.inside()
	if text && g.roomy(s.state, in, most) {
		for i, word := range g.vocabulary.staying(in) {
			s.mask[i] |= word
		}
		g.walk(&g.vocabulary.quoted, &s.state, s.mask, most)
		return s.mask
	}
	g.walk(&g.vocabulary.all, &s.state, s.mask, most)
	return s.mask
}

// roomy reports whether every token that stays inside the string or key that s
// is in leaves no more than most tokens to be written.
func (g *Grammar) roomy(s state, in inside, most int) bool {
	if in.key { // which the token may make one that is not declared
		s.top.at = free
	}
	return g.cost(&s)+maxPending <= most
}

// Accept takes the token that was chosen. It panics if that was not allowed.
func (s *State) Accept(id int32) {
	if !s.grammar.accept(&s.state, id) {
		panic(fmt.Sprintf("grammar: token %d (%q) is not allowed here", id, s.grammar.vocabulary.tokenizer.Token(id)))
	}
}

// Done reports whether the answer has ended.
func (s *State) Done() bool { return s.state.top.op == opCall && s.state.top.phase == callDone }

// accept takes a token and reports whether it is allowed.
func (g *Grammar) accept(s *state, id int32) bool {
	if g.vocabulary.tokenizer.Added(id) {
		return g.tag(s, id)
	}
	text := g.vocabulary.tokenizer.Token(id)
	for _, b := range text {
		if !g.step(s, b) {
			return false
		}
	}
	return text != nil
}

// tags returns the control tokens that may be next.
func (g *Grammar) tags(s *state) []int32 {
	v := g.vocabulary
	if s.top.op != opCall {
		return nil
	}
	switch s.top.phase {
	case callStart, callAgain:
		return []int32{v.open}
	case callShut:
		return []int32{v.shut}
	case callNext, callDone:
		return v.ends
	}
	return nil
}

// tag takes a control token.
func (g *Grammar) tag(s *state, id int32) bool {
	if !slices.Contains(g.tags(s), id) {
		return false
	}
	switch s.top.phase {
	case callStart, callAgain:
		s.top.phase = callHead
	case callShut:
		s.top.phase = callNext
	default:
		s.top.phase = callDone
	}
	s.top.at = 0
	return true
}

// staying returns the tokens that stay inside a string.
func (v *Vocabulary) staying(in inside) []uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	if mask := v.stay[in]; mask != nil {
		return mask
	}
	mask := make([]uint64, v.words())
	g := &Grammar{vocabulary: v}
	s := state{top: frame{op: opString, text: in.text, key: in.key}}
	g.walkInside(&v.all, &s, mask)
	v.stay[in] = mask
	return mask
}

// set sets a bit.
func set(mask []uint64, id int32) { mask[id/64] |= 1 << (id % 64) }
