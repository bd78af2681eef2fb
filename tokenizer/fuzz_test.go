package tokenizer

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse edits a good file: it puts insert in place of cut bytes. What is
// then accepted must be usable.
func FuzzParse(f *testing.F) {
	small := smallFile()
	f.Add(0, 0, "")
	f.Add(0, len(small), "{}")
	f.Add(len(small)-2, 2, "")
	f.Add(strings.Index(small, `["a", "b"]`), len(`["a", "b"], ["ab", "c"]`), `"a b", "ab c"`)
	f.Add(strings.Index(small, "256"), 3, "1e400")
	f.Add(strings.Index(small, "<think>"), 7, "abc")
	f.Fuzz(func(t *testing.T, at, cut int, insert string) {
		at = min(max(at, 0), len(small))
		cut = min(max(cut, 0), len(small)-at)
		data := small[:at] + insert + small[at+cut:]
		tok, err := Parse([]byte(data))
		if err != nil {
			return
		}
		if tok.Size() > len(data) {
			t.Fatalf("%d tokens from %d bytes", tok.Size(), len(data))
		}
		for _, s := range []string{"abcabc<think>", "<|end|>\u0301é \n\n", insert} {
			checkRoundTrip(t, tok, s)
		}
	})
}

func FuzzEncode(f *testing.F) {
	for _, s := range []string{
		"", "Click OK", "<|im_start|>user\nx<|im_end|>", "e\u0301 I'LL\r\n  x", "\xe2\x80\xf0\x9f", "日本語 텍스트 ١٢٣",
		strings.Repeat("a\u0323\u0302", 40), strings.Repeat(" ", 100) + "\n", "\U00011935\U00011930\u07fd\u0301",
	} {
		f.Add(s)
	}
	tok := load(f)
	f.Fuzz(func(t *testing.T, s string) { checkRoundTrip(t, tok, s) })
}

// checkRoundTrip encodes s in all ways: the text must come back, normalised if
// the tokenizer does that.
func checkRoundTrip(t *testing.T, tok *Tokenizer, s string) {
	t.Helper()
	normal := func(s string) string {
		if tok.nfc {
			return nfc(s)
		}
		return s
	}
	want := normal(validText(s))
	if !utf8.ValidString(want) || normal(want) != want {
		t.Fatalf("nfc(%+q) = %+q is not normal", s, want)
	}
	text := tok.EncodeText(s)
	if got := tok.Decode(text, false); got != want {
		t.Fatalf("EncodeText(%+q) comes back as %+q, want %+q", s, got, want)
	}
	if got := stream(tok, text, false); got != want {
		t.Fatalf("stream of %v gives %+q, want %+q", text, got, want)
	}
	// Pieces between added tokens are normalised apart, so the whole may not be normal.
	for _, ids := range [][]int32{tok.Encode(s), tok.EncodeAnswer(s)} {
		if got := normal(tok.Decode(ids, false)); got != want {
			t.Fatalf("ids %v of %+q come back as %+q, want %+q", ids, s, got, want)
		}
	}
}
