package lora

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// recorded is what Python's re module gave: for each expression the indices of
// the names that it matches.
type recorded struct {
	Expr string
	Hits []int
}

func TestPattern(t *testing.T) {
	text, err := os.ReadFile("testdata/patterns.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases struct {
		Names []string
		Whole []recorded // re.fullmatch(expr, name)
		Tail  []recorded // re.match("(.*\\.)?(" + expr + ")$", name)
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases.Whole {
		checkHits(t, c, cases.Names, (*pattern).match)
	}
	for _, c := range cases.Tail {
		checkHits(t, c, cases.Names, (*pattern).matchTail)
	}
}

// checkHits compares one expression with the record.
func checkHits(t *testing.T, c recorded, names []string, match func(*pattern, string) bool) {
	t.Helper()
	p, err := compile(c.Expr)
	if err != nil {
		t.Error(err)
		return
	}
	for i, name := range names {
		if got, want := match(p, name), slices.Contains(c.Hits, i); got != want {
			t.Errorf("%q on %q: got %v, want %v", c.Expr, name, got, want)
		}
	}
}

func TestPatternErrors(t *testing.T) {
	tests := []struct{ expr, want string }{
		{`(?<=visual).*`, "invalid"},
		{`(?<!visual).*`, "invalid"},
		{`(a)\1`, "invalid escape sequence"},
		{`(?=a(?=b))ab`, "invalid or unsupported Perl syntax"},
		{`(?=a`, `missing closing bracket of "(?=a"`},
		{`(?=[)]a`, "missing closing bracket"},
		{`(a`, "missing closing )"},
		{`a)`, "unexpected )"},
		{`(?=a))(b`, "unexpected )"},
		{`[a`, "missing closing ]"},
		{`a\`, "trailing backslash"},
		{`a{,3}`, "repetition {,n}; write {0,n}"},
		{`a{1000}`, "repetition counts are too large"},
		{`(((a{10}){10}){10})`, "repetition counts are too large"},
		{`\pL`, "invalid escape sequence"},
		{strings.Repeat("(", 2000) + strings.Repeat(")", 2000), "nests too deeply"},
		{strings.Repeat("a", maxPattern+1), "regular expression of 32769 bytes"},
	}
	for _, tt := range tests {
		_, err := compile(tt.expr)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: got error %v, want one with %q", tt.expr, err, tt.want)
		}
	}
}

// TestPatternWithoutLooks compares expressions without look-ahead with package
// regexp.
func TestPatternWithoutLooks(t *testing.T) {
	atoms := []string{"a", "b", `\.`, ".", "[ab]", "[^a]", "(?:ab)", "^", "$", `\b`, "|", "*", "+?", "?", "{1,2}", "(", ")"}
	rapid.Check(t, func(t *rapid.T) {
		expr := strings.Join(rapid.SliceOfN(rapid.SampledFrom(atoms), 0, 8).Draw(t, "expr"), "")
		name := rapid.StringMatching(`[ab.]{0,8}`).Draw(t, "name")
		p, err := compile(expr)
		if _, wantErr := regexp.Compile(expr); (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: got error %v, want %v", expr, err, wantErr)
		}
		if err != nil {
			return
		}
		if got, want := p.match(name), regexp.MustCompile(`\A(?:`+expr+`)\z`).MatchString(name); got != want {
			t.Errorf("%q on %q: got %v, want %v", expr, name, got, want)
		}
		if got, want := p.matchTail(name), regexp.MustCompile(`\A(?:.*\.)?(?:`+expr+`)\z`).MatchString(name); got != want {
			t.Errorf("tail of %q on %q: got %v, want %v", expr, name, got, want)
		}
	})
}
