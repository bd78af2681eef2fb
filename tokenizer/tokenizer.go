// Package tokenizer turns text into the token ids of Qwen models and back:
// byte-level BPE read from tokenizer.json, exact to the Hugging Face
// tokenizers library 0.23 (specification qwen3-vl section 6).
//
// Text passes through four steps: added tokens such as <|im_end|> are found in
// the raw text; what lies between them is normalised (NFC), split into pieces
// by the pattern of the model, and each piece is merged byte by byte. Which
// added tokens are found is the caller's choice, because text that comes from
// users must not be able to write control tokens.
//
// Go strings may hold ill-formed UTF-8, the library's cannot: before anything
// else each maximal ill-formed part becomes one U+FFFD, in both directions.
package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// FileName is the name of the file in the directory of a model.
const FileName = "tokenizer.json"

// Tokenizer is a vocabulary with its merges. It does not change once loaded
// and is safe for concurrent use.
type Tokenizer struct {
	digest  string
	nfc     bool             // text is normalised first
	tokens  []string         // bytes of every token, by id
	special []bool           // by id
	vocab   map[string]int32 // bytes of a token to its id, without added tokens
	byteID  [256]int32       // token of each single byte
	merges  pairTable
	added   addedSet  // all added tokens
	plain   addedSet  // those that are not special
	memory  sync.Pool // of *memory
}

// Load reads a tokenizer.json, or the one in a directory.
func Load(path string) (*Tokenizer, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, FileName)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	t, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer %s: %w", path, err)
	}
	return t, nil
}

// Parse reads the contents of a tokenizer.json. It accepts what Qwen models
// use and refuses every setting that would give other ids, naming its key. The
// settings for truncation and padding are those of a caller and are ignored.
func Parse(data []byte) (*Tokenizer, error) {
	f, err := readFile(data)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{nfc: f.Normalizer != nil}
	t.memory.New = func() any { return new(memory) }
	sum := sha256.Sum256(data)
	t.digest = hex.EncodeToString(sum[:])
	added, err := readAdded(f.Added)
	if err != nil {
		return nil, err
	}
	if err := t.addVocabulary(f.Model.Vocab, len(added)); err != nil {
		return nil, err
	}
	if err := t.addMerges(f.Model.Merges); err != nil {
		return nil, err
	}
	if err := t.addTokens(added); err != nil {
		return nil, err
	}
	return t, t.trim()
}

// trim cuts off the ids above the highest one and makes sure that no other is
// without a token.
func (t *Tokenizer) trim() error {
	for t.tokens[len(t.tokens)-1] == "" {
		t.tokens = t.tokens[:len(t.tokens)-1]
	}
	if id := slices.Index(t.tokens, ""); id >= 0 {
		return fmt.Errorf("id %d has no token, but ids reach %d", id, len(t.tokens)-1)
	}
	return nil
}

// Size returns the highest id plus one. A network may have more rows in its
// embedding; the rest is padding.
func (t *Tokenizer) Size() int { return len(t.tokens) }

// Digest returns the SHA-256 of the file in hexadecimal.
func (t *Tokenizer) Digest() string { return t.digest }

// ID returns the token whose text is content: the added token, or else the
// entry of the vocabulary with these bytes.
func (t *Tokenizer) ID(content string) (int32, bool) {
	if id, n := t.added.match(content); n > 0 && n == len(content) {
		return id, true
	}
	id, ok := t.vocab[content]
	return id, ok
}

// Token returns a copy of the bytes that id decodes to, which need not be
// valid UTF-8, or nil if there is no such token.
func (t *Tokenizer) Token(id int32) []byte {
	if id < 0 || int(id) >= len(t.tokens) {
		return nil
	}
	return []byte(t.tokens[id])
}

// Added reports whether id is an added token, which EncodeText never gives.
func (t *Tokenizer) Added(id int32) bool { return slices.Contains(t.added.id, id) }
