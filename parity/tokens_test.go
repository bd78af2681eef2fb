package parity

import (
	"strings"
	"testing"
)

// TestTokensWithoutTokenizer checks that a case of token ids does not pass
// for want of a tokenizer.
func TestTokensWithoutTokenizer(t *testing.T) {
	files := load(t, "tokens-small")
	delete(files, tokenizerFile)
	r := check(t, files, Options{})
	report := Report{Results: []*Result{r}}
	if r.Status() != StatusNotChecked || !report.OK(false) || report.OK(true) {
		t.Errorf("got %s, want %s, which fails only a strict run", r.Status(), StatusNotChecked)
	}
	digest := "77a88b1cf4fb9ee0df8e5e09aaeb6dcd4fcc3e9d9e2de0c54f31e26b7e2ba3c5"
	set(t, files, "tokenizer_sha256", digest)
	r = check(t, files, Options{})
	if q := r.quantity("strings", NotChecked, 0); q.Note != "needs --tokenizer, sha256 "+digest {
		t.Errorf("got note %q, want the digest of the file that is needed", q.Note)
	}
	r = check(t, files, Options{Tokenizer: "testdata/tokens-small"})
	if r.Err == nil || !strings.Contains(r.Err.Error(), "want "+digest) {
		t.Errorf("got %v, want both digests", r.Err)
	}
	if r = check(t, files, Options{Tokenizer: "testdata/none"}); r.Err == nil {
		t.Error("no such folder: got no error")
	}
}

// TestTokenizerOption checks that a case finds the tokenizer of the options.
func TestTokenizerOption(t *testing.T) {
	files := load(t, "tokens-small")
	delete(files, tokenizerFile)
	if r := check(t, files, Options{Tokenizer: "testdata/tokens-small"}); r.Status() != StatusOK {
		t.Errorf("got %s (%v), want ok", r.Status(), r.Err)
	}
}
