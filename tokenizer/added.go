package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// addedToken is a token that is found in raw text.
type addedToken struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// readAdded reads the list of added tokens, one at a time so that a bad one
// ends it.
func readAdded(raw []byte) ([]addedToken, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	c := cursor{data: raw}
	if c.peek() != '[' {
		return nil, fmt.Errorf("added_tokens: %s where a list is wanted", c.found())
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("added_tokens: %w", err)
	}
	var list []addedToken
	for d.More() {
		var a addedToken
		err := d.Decode(&a)
		if err == nil {
			err = a.check()
		}
		if err != nil {
			return nil, fmt.Errorf("added_tokens[%d]: %w", len(list), fieldError(err))
		}
		list = append(list, a)
	}
	return list, nil
}

// check refuses tokens that would have to be matched in another way.
func (a addedToken) check() error {
	switch {
	case a.Content == "":
		return errors.New("no content")
	case a.SingleWord:
		return a.refuse("single_word")
	case a.LStrip:
		return a.refuse("lstrip")
	case a.RStrip:
		return a.refuse("rstrip")
	case a.Normalized:
		return a.refuse("normalized")
	}
	return nil
}

func (a addedToken) refuse(key string) error {
	return fmt.Errorf("%s of %q is true, want false", key, a.Content)
}

// addTokens puts the added tokens into tokens, special, added and plain.
func (t *Tokenizer) addTokens(list []addedToken) error {
	var plain []addedToken
	seen := make(map[string]bool, len(list))
	for _, a := range list {
		if seen[a.Content] {
			return fmt.Errorf("added_tokens: %q appears twice", a.Content)
		}
		seen[a.Content] = true
		if err := t.place(a); err != nil {
			return fmt.Errorf("added_tokens: %w", err)
		}
		if !a.Special {
			plain = append(plain, a)
		}
	}
	t.added, t.plain = newAddedSet(list), newAddedSet(plain)
	return nil
}

// place gives a its id. The vocabulary may hold the token too, under the same
// spelling and id.
func (t *Tokenizer) place(a addedToken) error {
	if a.ID < 0 || a.ID >= int64(len(t.tokens)) {
		return fmt.Errorf("id %d of %q, want one below %d, the number of tokens", a.ID, a.Content, len(t.tokens))
	}
	content := addedBytes(a.Content)
	id, inVocab := t.vocab[content]
	if inVocab && int64(id) != a.ID {
		return fmt.Errorf("%q has the id %d, but %d in model.vocab", a.Content, a.ID, id)
	}
	if old := t.tokens[a.ID]; !inVocab && old != "" {
		return fmt.Errorf("id %d is that of %q and of %q", a.ID, old, a.Content)
	}
	t.tokens[a.ID], t.special[a.ID] = content, a.Special
	return nil
}

// addedBytes returns what an added token decodes to: its text, unless that
// could be the spelling of bytes, which is how the library takes it then. For
// printable ASCII both are the same.
func addedBytes(content string) string {
	if b, ok := appendBytes(nil, []byte(content)); ok {
		return string(b)
	}
	return content
}

// addedSet finds added tokens in text.
type addedSet struct {
	text  []string // sorted
	id    []int32
	first [256]bool // bytes that a token begins with
}

// newAddedSet returns a set for list, whose contents must differ.
func newAddedSet(list []addedToken) (s addedSet) {
	list = slices.SortedFunc(slices.Values(list), func(a, b addedToken) int {
		return strings.Compare(a.Content, b.Content)
	})
	for _, a := range list {
		s.text = append(s.text, a.Content)
		s.id = append(s.id, int32(a.ID))
		s.first[a.Content[0]] = true
	}
	return s
}

// find returns where the first token in s begins and ends, and its id; of
// tokens that begin there it takes the longest. Without one, begin is len(s).
func (a *addedSet) find(s string) (begin, end int, id int32) {
	for i := 0; len(a.text) > 0 && i < len(s); i++ {
		if !a.first[s[i]] {
			continue
		}
		if id, n := a.match(s[i:]); n > 0 {
			return i, i + n, id
		}
	}
	return len(s), len(s), 0
}

// match returns the longest token that s begins with and its length, or 0. It
// narrows the range of tokens that share the first bytes with s, one byte a
// round.
func (a *addedSet) match(s string) (id int32, n int) {
	lo, hi := 0, len(a.text)
	for d := 0; lo < hi; d++ {
		if len(a.text[lo]) == d { // sorts before those it begins
			id, n = a.id[lo], d
			lo++
		}
		if d == len(s) {
			break
		}
		next := a.text[lo:hi]
		b := s[d]
		hi = lo + sort.Search(len(next), func(i int) bool { return next[i][d] > b })
		lo += sort.Search(hi-lo, func(i int) bool { return next[i][d] >= b })
	}
	return id, n
}
