package tokenizer

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// smallFile returns a tokenizer.json that knows the single bytes, "ab", "abc"
// and two added tokens. Byte b has the id b.
func smallFile() string {
	var vocab []string
	for r, b := range standIn {
		if b != noByte {
			key, _ := json.Marshal(string(rune(r)))
			vocab = append(vocab, fmt.Sprintf("%s:%d", key, b))
		}
	}
	pattern, _ := json.Marshal(Pattern)
	return `{"version": "1.0", "truncation": null, "added_tokens": [
		{"id": 258, "content": "<|end|>", "special": true},
		{"id": 259, "content": "<think>", "special": false, "lstrip": false}],
	"normalizer": {"type": "NFC"},
	"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
		{"type": "Split", "pattern": {"Regex": ` + string(pattern) + `}, "behavior": "Isolated", "invert": false},
		{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
	"post_processor": null,
	"decoder": {"type": "ByteLevel"},
	"model": {"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false, "byte_fallback": false,
		"vocab": {"ab": 256, "abc": 257, ` + strings.Join(vocab, ",") + `},
		"merges": [["a", "b"], ["ab", "c"]]}}`
}

func TestParse(t *testing.T) {
	tok, err := Parse([]byte(smallFile()))
	if err != nil {
		t.Fatal(err)
	}
	if tok.Size() != 260 {
		t.Errorf("Size: got %d, want 260", tok.Size())
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(smallFile()))); tok.Digest() != sum {
		t.Errorf("Digest: got %q, want %s", tok.Digest(), sum)
	}
	sameIDs(t, "Encode", "abcab<|end|>b", tok.Encode("abcab<|end|>b"), []int32{257, 256, 258, 'b'})
	for _, tt := range []struct {
		content string
		id      int32
		ok      bool
	}{{"abc", 257, true}, {"\xff", 255, true}, {"<|end|>", 258, true}, {"<|end|>x", 0, false}, {"ba", 0, false}, {"", 0, false}} {
		if id, ok := tok.ID(tt.content); id != tt.id || ok != tt.ok {
			t.Errorf("ID(%q): got %d, %v, want %d, %v", tt.content, id, ok, tt.id, tt.ok)
		}
	}
	for id, want := range map[int32][]byte{257: []byte("abc"), 255: {0xff}, 259: []byte("<think>"), 260: nil, -1: nil} {
		if got := tok.Token(id); !bytes.Equal(got, want) {
			t.Errorf("Token(%d): got %q, want %q", id, got, want)
		}
	}
}

// TestParseVariants reads files that say the same in another way, or a little
// more or less.
func TestParseVariants(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		text           string
		want           []int32
	}{
		{"merges in one string", `["a", "b"], ["ab", "c"]`, `"a b", "ab c"`, "abc", []int32{257}},
		{"no merges", `["a", "b"], ["ab", "c"]`, ``, "abc", []int32{'a', 'b', 'c'}},
		{"escaped spelling", `"ab": 256`, `"\u0061b": 256`, "ab", []int32{256}},
		{"no normaliser", `{"type": "NFC"}`, `null`, "e\u0301", []int32{'e', 0xcc, 0x81}},
		{"a normaliser", `{"type": "NFC"}`, `{"type":"NFC"}`, "e\u0301", []int32{0xc3, 0xa9}},
		{"empty prefix", `"dropout": null`, `"dropout": 0.0, "continuing_subword_prefix": ""`, "ab", []int32{256}},
		{"post-processor", `"post_processor": null`, `"post_processor": {"type": "ByteLevel"}`, "ab", []int32{256}},
		{"no added tokens", smallFile()[strings.Index(smallFile(), `"added_tokens"`):strings.Index(smallFile(), `"normalizer"`)],
			``, "<think>", []int32{'<', 't', 'h', 'i', 'n', 'k', '>'}},
		{"added token in the vocabulary", `"id": 259, "content": "<think>"`, `"id": 257, "content": "abc"`, "abcab", []int32{257, 256}},
		{"added token of stand-ins", `<|end|>`, `Ġb`, "aĠb", []int32{'a', 258}},
		{"not ASCII", `<|end|>`, `終 り`, "終 りa", []int32{258, 'a'}},
		{"token that no merge reaches", `["a", "b"], ["ab", "c"]`, `["a", "b"]`, "abc", []int32{256, 'c'}},
	} {
		tok, err := Parse([]byte(replace(t, tt.old, tt.new)))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		sameIDs(t, tt.name, tt.text, tok.Encode(tt.text), tt.want)
	}
}

func replace(t *testing.T, old, new string) string {
	t.Helper()
	f := smallFile()
	if strings.Count(f, old) != 1 {
		t.Fatalf("%q occurs %d times in the file, want 1", old, strings.Count(f, old))
	}
	return strings.Replace(f, old, new, 1)
}

func TestParseRefuses(t *testing.T) {
	split, _ := json.Marshal(Pattern)
	for _, tt := range []struct{ name, old, new, want string }{
		{"model type", `"type": "BPE"`, `"type": "Unigram"`, `model.type is "Unigram", want "BPE"`},
		{"no model type", `"type": "BPE", `, ``, `model.type is missing, want "BPE"`},
		{"byte fallback", `"byte_fallback": false`, `"byte_fallback": true`, "model.byte_fallback is true, want false"},
		{"ignore merges", `"fuse_unk": false`, `"ignore_merges": true`, "model.ignore_merges is true, want false"},
		{"fuse unk", `"fuse_unk": false`, `"fuse_unk": true`, "model.fuse_unk is true, want false"},
		{"dropout", `"dropout": null`, `"dropout": 0.1`, "model.dropout is 0.1, want null"},
		{"unk", `"unk_token": null`, `"unk_token": "<unk>"`, `model.unk_token is "<unk>", want null`},
		{"prefix", `"dropout": null`, `"continuing_subword_prefix": "##"`, `model.continuing_subword_prefix is "##", want null`},
		{"suffix", `"dropout": null`, `"end_of_word_suffix": "</w>"`, `model.end_of_word_suffix is "</w>", want null`},
		{"normaliser", `"type": "NFC"`, `"type": "NFKC"`, `normalizer.type is "NFKC", want "NFC"`},
		{"decoder", `"decoder": {"type": "ByteLevel"}`, `"decoder": null`, `decoder.type is missing, want "ByteLevel"`},
		{"post-processor", `"post_processor": null`, `"post_processor": {"type": "TemplateProcessing"}`,
			`post_processor.type is "TemplateProcessing", want "ByteLevel"`},
		{"pattern", string(split), `"\\s+"`, `pre_tokenizer splits by {"Regex": "\\s+"}, want Qwen's`},
		{"behaviour", `"Isolated"`, `"Removed"`, `pretokenizers[0].behavior is "Removed", want "Isolated"`},
		{"invert", `"invert": false`, `"invert": true`, "pretokenizers[0].invert is true, want false"},
		{"prefix space", `"add_prefix_space": false, `, ``, "pretokenizers[1].add_prefix_space is missing, want false"},
		{"second regex", `"use_regex": false`, `"use_regex": true`, "pretokenizers[1].use_regex is true, want false"},
		{"third step", `"use_regex": false}`, `"use_regex": false}, {"type": "Digits"}`, "not a Sequence of Split and ByteLevel"},
		{"lstrip", `"lstrip": false`, `"lstrip": true`, `added_tokens[1]: lstrip of "<think>" is true, want false`},
		{"normalized", `"lstrip": false`, `"normalized": true`, `normalized of "<think>" is true, want false`},
	} {
		refuses(t, tt.name, replace(t, tt.old, tt.new), tt.want)
	}
}

func TestParseDamaged(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"id used twice", `"ab": 256`, `"ab": 255`, `model.vocab: id 255 is that of "ab" and of "\xff"`},
		{"hole", `"id": 258, "content": "<|end|>"`, `"id": 257, "content": "abc"`, "id 258 has no token, but ids reach 259"},
		{"id too high", `"id": 259`, `"id": 260`, `id 260 of "<think>", want one below 260`},
		{"token twice", `"ab": 256`, `"abc": 256`, `model.vocab: token "abc" has the ids 256 and 257`},
		{"added id of the vocabulary", `"ab": 256`, `"ab": 259`, `added_tokens: id 259 is that of "ab" and of "<think>"`},
		{"huge id", `"ab": 256`, `"ab": 2147483647`, `token "ab": id 2147483647, want one below 260, the number of tokens`},
		{"larger id", `"ab": 256`, `"ab": 1e999`, `model.vocab: token "ab": 1e999 where an id is wanted`},
		{"negative id", `"ab": 256`, `"ab": -1`, `token "ab": -1 where an id is wanted`},
		{"id of another kind", `"ab": 256`, `"ab": {"x": [1]}`, `token "ab": an object where an id is wanted`},
		{"no byte", `"ab": 256, "abc": 257, "!":33`, `"ab": 256, "abc": 257, "abcd":33`, "no token for the single byte 0x21"},
		{"character outside the alphabet", `"ab": 256`, `"a b": 256`, `token "a b" is not spelled in the byte alphabet`},
		{"empty token", `"ab": 256`, `"": 256`, `token "" is not spelled in the byte alphabet`},
		{"unknown token", `["ab", "c"]`, `["abc", "x"]`, `model.merges[1]: "abc" and "x", or the two together, are not in model.vocab`},
		{"unknown result", `["ab", "c"]`, `["a", "a"]`, `model.merges[1]: "a" and "a", or`},
		{"merge twice", `["ab", "c"]`, `["a", "b"]`, `model.merges[1]: "a" and "b" appear twice`},
		{"merge of three", `["ab", "c"]`, `["a", "b", "c"]`, "model.merges[1]: more than two tokens"},
		{"merge of one", `["ab", "c"]`, `["a"]`, "model.merges[1]: nothing where a string is wanted"},
		{"merge without space", `["ab", "c"]`, `"abc"`, `model.merges[1]: "abc" has no space between two tokens`},
		{"merge of numbers", `["ab", "c"]`, `[1, 2]`, "model.merges[1]: 1 where a string is wanted"},
		{"merges of another kind", `[["a", "b"], ["ab", "c"]]`, `{"a": "b"}`, "model.merges: an object where a list is wanted"},
		{"vocabulary of another kind", `"vocab": {`, `"vocab": [], "x": {`, "model.vocab: a list where an object is wanted"},
		{"empty added token", `"<think>"`, `""`, "added_tokens[1]: no content"},
		{"added twice", `"id": 259, "content": "<think>"`, `"id": 259, "content": "<|end|>"`, `added_tokens: "<|end|>" appears twice`},
		{"added id taken", `"id": 259`, `"id": 258`, `added_tokens: id 258 is that of "<|end|>" and of "<think>"`},
		{"added under another id", `"content": "<think>"`, `"content": "ab"`, `"ab" has the id 259, but 256 in model.vocab`},
		{"huge added id", `"id": 259`, `"id": 123456789123`, `id 123456789123 of "<think>", want one below 260`},
		{"added id of another kind", `"id": 259`, `"id": 2.5`, "added_tokens[1]: id is a JSON number 2.5, want an integer"},
		{"added tokens of another kind", `"added_tokens": [`, `"added_tokens": 7, "x": [`, "added_tokens: 7 where a list is wanted"},
		{"wrong kind", `"normalizer": {"type": "NFC"}`, `"normalizer": "NFC"`, "normalizer is a JSON string, want an object"},
	} {
		refuses(t, tt.name, replace(t, tt.old, tt.new), tt.want)
	}
}

func TestParseNotJSON(t *testing.T) {
	full := smallFile()
	deep := strings.Repeat("[", 1<<20)
	for _, tt := range []struct{ name, data, want string }{
		{"empty", "", "not JSON at byte 0: unexpected end of JSON input"},
		{"truncated", full[:len(full)/2], "not JSON at byte"},
		{"list", "[1]", "tokenizer.json is a JSON array, want an object"},
		{"null", "null", `no model, want one of type "BPE"`},
		{"deep", deep, "exceeded max depth"},
		{"deep inside", strings.Replace(full, `"NFC"`, deep, 1), "exceeded max depth"},
		{"binary", "\x00\xff", "not JSON at byte 1"},
	} {
		refuses(t, tt.name, tt.data, tt.want)
	}
}

func refuses(t *testing.T, name, data, want string) {
	t.Helper()
	_, err := Parse([]byte(data))
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got error %v, want one with %q", name, err, want)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), FileName) {
		t.Errorf("empty directory: got error %v, want one that names %s", err, FileName)
	}
	path := dir + "/" + FileName
	if err := os.WriteFile(path, []byte(smallFile()), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{dir, path} {
		if _, err := Load(p); err != nil {
			t.Errorf("Load(%s): %v", p, err)
		}
	}
	if err := os.WriteFile(path, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("bad file: got error %v, want one that names it", err)
	}
}
