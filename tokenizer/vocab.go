package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
)

// entry is one token of the vocabulary while it is read.
type entry struct {
	begin, end int // in the bytes of all tokens, in the order of the file
	id         int32
}

// addVocabulary reads the object that maps spellings to ids and sets vocab,
// tokens and byteID. Ids must be below the number of tokens, added ones
// included.
func (t *Tokenizer) addVocabulary(raw []byte, added int) error {
	text, entries, err := readVocabulary(raw)
	if err != nil {
		return fmt.Errorf("model.vocab: %w", err)
	}
	t.vocab = make(map[string]int32, len(entries))
	t.tokens = make([]string, len(entries)+added)
	t.special = make([]bool, len(t.tokens))
	for _, e := range entries {
		b := text[e.begin:e.end]
		if int(e.id) >= len(t.tokens) {
			return fmt.Errorf("model.vocab: token %q: id %d, want one below %d, the number of tokens", b, e.id, len(t.tokens))
		}
		if old := t.tokens[e.id]; old != "" {
			return fmt.Errorf("model.vocab: id %d is that of %q and of %q", e.id, old, b)
		}
		if old, ok := t.vocab[b]; ok {
			return fmt.Errorf("model.vocab: token %q has the ids %d and %d", b, old, e.id)
		}
		t.tokens[e.id], t.vocab[b] = b, e.id
	}
	return t.findBytes()
}

// readVocabulary returns the bytes of all tokens and where each one lies.
func readVocabulary(raw []byte) (string, []entry, error) {
	c := cursor{data: raw}
	if !c.take('{') {
		return "", nil, fmt.Errorf("%s where an object is wanted", c.found())
	}
	text := make([]byte, 0, len(raw)/2)
	entries := make([]entry, 0, len(raw)/16)
	for c.peek() != '}' {
		spelling, err := c.text()
		if err != nil {
			return "", nil, err
		}
		e := entry{begin: len(text)}
		var ok bool
		if text, ok = appendBytes(text, spelling); !ok || len(spelling) == 0 {
			return "", nil, fmt.Errorf("token %q is not spelled in the byte alphabet", spelling)
		}
		e.end = len(text)
		c.take(':')
		if e.id, err = c.integer(); err != nil {
			return "", nil, fmt.Errorf("token %q: %w", spelling, err)
		}
		entries = append(entries, e)
		c.take(',')
	}
	return string(text), entries, nil
}

// findBytes sets byteID. Without all 256, some text would have no tokens.
func (t *Tokenizer) findBytes() error {
	for b := range t.byteID {
		id, ok := t.vocab[string([]byte{byte(b)})]
		if !ok {
			return fmt.Errorf("model.vocab: no token for the single byte %#02x", b)
		}
		t.byteID[b] = id
	}
	return nil
}

// addMerges reads the list of merges, in order of rank, and sets merges.
func (t *Tokenizer) addMerges(raw []byte) error {
	list, err := t.readMerges(raw)
	if err != nil {
		return err
	}
	t.merges.init(len(list))
	for rank, m := range list {
		if !t.merges.add(m.left, m.right, uint32(rank), m.id) {
			return fmt.Errorf("model.merges[%d]: %q and %q appear twice", rank, t.tokens[m.left], t.tokens[m.right])
		}
	}
	return nil
}

// merge says that left and right become the token id.
type merge struct{ left, right, id int32 }

// readMerges reads the list of merges. A merge is a list of two spellings, or
// both in one string with a space between.
func (t *Tokenizer) readMerges(raw []byte) ([]merge, error) {
	c := cursor{data: raw}
	if !c.take('[') {
		return nil, fmt.Errorf("model.merges: %s where a list is wanted", c.found())
	}
	list := make([]merge, 0, len(t.tokens))
	var buf []byte
	for c.peek() != ']' {
		left, right, err := c.merge()
		if err != nil {
			return nil, fmt.Errorf("model.merges[%d]: %w", len(list), err)
		}
		m, ok := t.lookUp(&buf, left, right)
		if !ok {
			return nil, fmt.Errorf("model.merges[%d]: %q and %q, or the two together, are not in model.vocab", len(list), left, right)
		}
		list = append(list, m)
		c.take(',')
	}
	return list, nil
}

// merge reads the two spellings of a merge.
func (c *cursor) merge() (left, right []byte, err error) {
	if !c.take('[') {
		both, err := c.text()
		if err != nil {
			return nil, nil, err
		}
		left, right, ok := bytes.Cut(both, []byte{' '})
		if !ok {
			return nil, nil, fmt.Errorf("%q has no space between two tokens", both)
		}
		return left, right, nil
	}
	if left, err = c.text(); err != nil {
		return nil, nil, err
	}
	c.take(',')
	if right, err = c.text(); err != nil {
		return nil, nil, err
	}
	if !c.take(']') {
		return nil, nil, errors.New("more than two tokens")
	}
	return left, right, nil
}

// lookUp finds the tokens of a merge by their spellings. It uses buf.
func (t *Tokenizer) lookUp(buf *[]byte, left, right []byte) (m merge, ok bool) {
	b, _ := appendBytes((*buf)[:0], left)
	cut := len(b)
	b, _ = appendBytes(b, right)
	*buf = b
	var found [3]bool
	m.left, found[0] = t.vocab[string(b[:cut])]
	m.right, found[1] = t.vocab[string(b[cut:])]
	m.id, found[2] = t.vocab[string(b)]
	return m, found == [3]bool{true, true, true}
}
