package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// file is the part of tokenizer.json that decides about ids. Most of it stays
// raw: what is large is read by a cursor, and an error can show what was found.
type file struct {
	Added         json.RawMessage `json:"added_tokens"`
	Normalizer    *component      `json:"normalizer"`
	PreTokenizer  *sequence       `json:"pre_tokenizer"`
	PostProcessor *component      `json:"post_processor"`
	Decoder       *component      `json:"decoder"`
	Model         *model          `json:"model"`
}

// component is a normaliser, pre-tokeniser, post-processor or decoder.
type component struct {
	Type           json.RawMessage `json:"type"`
	Pattern        json.RawMessage `json:"pattern"`
	Behavior       json.RawMessage `json:"behavior"`
	Invert         json.RawMessage `json:"invert"`
	AddPrefixSpace json.RawMessage `json:"add_prefix_space"`
	UseRegex       json.RawMessage `json:"use_regex"`
}

// sequence is a pre-tokeniser of two steps; the third must stay empty.
type sequence struct {
	Type  json.RawMessage `json:"type"`
	Steps [3]component    `json:"pretokenizers"`
}

// model is the BPE model.
type model struct {
	Type         json.RawMessage `json:"type"`
	Dropout      json.RawMessage `json:"dropout"`
	UnkToken     json.RawMessage `json:"unk_token"`
	Prefix       json.RawMessage `json:"continuing_subword_prefix"`
	Suffix       json.RawMessage `json:"end_of_word_suffix"`
	FuseUnk      json.RawMessage `json:"fuse_unk"`
	ByteFallback json.RawMessage `json:"byte_fallback"`
	IgnoreMerges json.RawMessage `json:"ignore_merges"`
	Vocab        json.RawMessage `json:"vocab"`
	Merges       json.RawMessage `json:"merges"`
}

// absent is the raw text of a setting that the file leaves out.
const absent = ""

// setting is a value of the file and the values that are supported, as JSON.
type setting struct {
	key  string
	got  json.RawMessage
	want []string
}

// readFile decodes data and refuses settings that are not those of Qwen.
func readFile(data []byte) (*file, error) {
	f := new(file)
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fieldError(err)
	}
	if f.Model == nil {
		return nil, errors.New(`no model, want one of type "BPE"`)
	}
	if err := check(f.Model.settings()); err != nil {
		return nil, err
	}
	if err := check(f.settings()); err != nil {
		return nil, err
	}
	return f, f.PreTokenizer.check()
}

// check refuses the first setting that is not supported.
func check(list []setting) error {
	for _, s := range list {
		if !slices.Contains(s.want, string(s.got)) {
			return s.refuse()
		}
	}
	return nil
}

// refuse says what a setting is and what it should be.
func (s setting) refuse() error {
	if len(s.got) == 0 {
		return fmt.Errorf("%s is missing, want %s", s.key, s.want[0])
	}
	return fmt.Errorf("%s is %s, want %s", s.key, shorten(s.got), s.want[0])
}

// settings lists what is fixed in the model. Any of these would change ids.
func (m *model) settings() []setting {
	null, no := []string{"null", absent}, []string{"false", absent}
	return []setting{
		{"model.type", m.Type, []string{`"BPE"`}},
		{"model.dropout", m.Dropout, append(null, "0", "0.0")},
		{"model.unk_token", m.UnkToken, null},
		{"model.continuing_subword_prefix", m.Prefix, append(null, `""`)},
		{"model.end_of_word_suffix", m.Suffix, append(null, `""`)},
		{"model.fuse_unk", m.FuseUnk, no},
		{"model.byte_fallback", m.ByteFallback, no},
		{"model.ignore_merges", m.IgnoreMerges, no},
	}
}

// settings lists what is fixed around the model. A post-processor of type
// ByteLevel only moves offsets.
func (f *file) settings() []setting {
	list := []setting{{"decoder.type", f.Decoder.kind(), []string{`"ByteLevel"`}}}
	if f.Normalizer != nil {
		list = append(list, setting{"normalizer.type", f.Normalizer.Type, []string{`"NFC"`}})
	}
	if f.PostProcessor != nil {
		list = append(list, setting{"post_processor.type", f.PostProcessor.Type, []string{`"ByteLevel"`}})
	}
	return list
}

// kind returns the type of a component that may be missing.
func (c *component) kind() json.RawMessage {
	if c == nil {
		return nil
	}
	return c.Type
}

// check makes sure that a pre-tokeniser splits as package tokenizer does.
func (q *sequence) check() error {
	if q == nil || string(q.Type) != `"Sequence"` || q.Steps[1].Type == nil || q.Steps[2].Type != nil {
		return errors.New("pre_tokenizer is not a Sequence of Split and ByteLevel")
	}
	split, level := q.Steps[0], q.Steps[1]
	err := check([]setting{
		{"pre_tokenizer.pretokenizers[0].type", split.Type, []string{`"Split"`}},
		{"pre_tokenizer.pretokenizers[0].behavior", split.Behavior, []string{`"Isolated"`}},
		{"pre_tokenizer.pretokenizers[0].invert", split.Invert, []string{"false"}},
		{"pre_tokenizer.pretokenizers[1].type", level.Type, []string{`"ByteLevel"`}},
		{"pre_tokenizer.pretokenizers[1].add_prefix_space", level.AddPrefixSpace, []string{"false"}},
		{"pre_tokenizer.pretokenizers[1].use_regex", level.UseRegex, []string{"false"}},
	})
	if err != nil {
		return err
	}
	var p struct{ Regex string }
	if json.Unmarshal(split.Pattern, &p) != nil || p.Regex != Pattern {
		return fmt.Errorf("pre_tokenizer splits by %s, want Qwen's %q", shorten(split.Pattern), Pattern)
	}
	return nil
}

// fieldError says where a file is not JSON, or which key has a wrong type, in
// words that do not speak of Go.
func fieldError(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("not JSON at byte %d: %w", syntax.Offset, err)
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("%s is a JSON %s, want %s", cmp.Or(kind.Field, "tokenizer.json"), kind.Value, jsonKind(kind.Type.Kind()))
	}
	return err
}

// jsonKind names what a field of kind k is read from.
func jsonKind(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.Int64:
		return "an integer below 2⁶³"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

// shorten cuts raw JSON for an error message.
func shorten(raw []byte) []byte {
	const most = 200
	if len(raw) <= most {
		return raw
	}
	return append(slices.Clone(raw[:most]), "…"...)
}
