package serve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// file returns the path of a new file with a text.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadTokens(t *testing.T) {
	secret, line, err := NewToken("alice")
	if err != nil {
		t.Fatal(err)
	}
	other, second, err := NewToken("bob-2")
	if err != nil || strings.Contains(line, secret) {
		t.Fatal(line, err)
	}
	for _, tt := range []struct {
		text string
		want map[string]string // token to name
	}{
		{"0123456789abcdef\n", map[string]string{"0123456789abcdef": "token", "0123456789abcdeF": ""}},
		{line, map[string]string{secret: "alice", other: "", line: "", strings.TrimPrefix(line, "alice:"): ""}},
		{"# ours\n\n" + line + " # until May\r\n" + second + "\n", map[string]string{secret: "alice", other: "bob-2", "": ""}},
	} {
		list, err := readTokens(file(t, tt.text))
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
		}
		for token, name := range tt.want {
			if got := list.find(token); got != name {
				t.Errorf("%q: %q is %q, want %q", tt.text, token, got, name)
			}
		}
	}
}

func TestReadTokensRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "no tokens",
		"# none\n":                        "no tokens",
		"short\n":                         "token of 5 bytes, want at least 16",
		"a-token-of-some-length\nanother": ":1: want NAME:SHA256",
		"\nalice:12345":                   "token of 11 bytes",
	} {
		if _, err := readTokens(file(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	for _, name := range []string{"", "a b", "a:b", strings.Repeat("x", 65), "-"} {
		if _, _, err := NewToken(name); err == nil {
			t.Errorf("%q: got no error", name)
		}
	}
}

// TestTokensChange changes the file of a running server.
func TestTokensChange(t *testing.T) {
	const first, second = "the-first-token-1", "the-second-token-2"
	path := file(t, first)
	s, err := New(Options{Source: fixed(deployment("1", &fake{})), TokenFile: path})
	if err != nil {
		t.Fatal(err)
	}
	s.users.every = 0
	for _, tt := range []struct{ text, in, out string }{{second, second, first}, {"short", second, "short"}, {first, first, second}} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		now := time.Now().Add(time.Duration(len(tt.text)) * time.Minute) // file systems count time in steps
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
		s.users.next = time.Time{}
		if _, rank := s.caller("Bearer " + tt.in); rank != users {
			t.Errorf("%q: %q may not call", tt.text, tt.in)
		}
		if _, rank := s.caller("Bearer " + tt.out); rank != anyone {
			t.Errorf("%q: %q may call", tt.text, tt.out)
		}
	}
}
