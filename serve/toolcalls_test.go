package serve

import (
	"fmt"
	"strings"
	"testing"
)

// split returns the segments of an answer in pieces as one line.
func split(pieces []string) string {
	var s splitter
	var list []segment
	for _, p := range pieces {
		list = append(list, s.add(p)...)
	}
	var b strings.Builder
	for _, g := range append(list, s.flush()...) {
		if g.call != nil {
			fmt.Fprintf(&b, "[%s %s]", g.call.Name, g.call.Arguments)
		}
		b.WriteString(g.text)
	}
	return b.String()
}

// TestSplit cuts answers in all places where they can be cut in two: that
// changes nothing.
func TestSplit(t *testing.T) {
	const call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": [1, 2]}}\n</tool_call>"
	for text, want := range map[string]string{
		"":                       "",
		"text":                   "text",
		"text \n":                "text \n",
		"a <b> < tool_call> </x": "a <b> < tool_call> </x",
		call:                     `[f {"x":[1,2]}]`,
		"text\n" + call + "\n":   `text[f {"x":[1,2]}]`,
		call + "\n" + call:       `[f {"x":[1,2]}][f {"x":[1,2]}]`,
		call + "\nmore\n":        "[f {\"x\":[1,2]}]\nmore",
		strings.ToUpper(call[:11]) + `{"name":"f","arguments":"{\"x\": 1}"}</TOOL_call>`: `[f {"x": 1}]`,
		"<tool_call>no JSON</tool_call>":                                                 "<tool_call>no JSON</tool_call>",
		`<tool_call>{"name":"f"}</tool_call>`:                                            `<tool_call>{"name":"f"}</tool_call>`,
		"x<tool_call>{\"name\"":                                                          "x<tool_call>{\"name\"",
		"x<tool_ca":                                                                      "x<tool_ca",
		"<<tool_call>1</tool_call>" + call:                                               "<<tool_call>1</tool_call>[f {\"x\":[1,2]}]",
	} {
		for i := range len(text) + 1 {
			if got := split([]string{text[:i], text[i:]}); got != want {
				t.Errorf("%q cut at %d: got %q, want %q", text, i, got, want)
			}
		}
		if got := split(strings.Split(text, "")); got != want {
			t.Errorf("%q in bytes: got %q, want %q", text, got, want)
		}
	}
}

// FuzzSplit cuts any answer in two: nothing changes, and nothing panics.
func FuzzSplit(f *testing.F) {
	f.Add("a<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call> b", 5)
	f.Add("<tool_call><tool_call></tool_call>", 20)
	f.Fuzz(func(t *testing.T, text string, at int) {
		if at < 0 || at > len(text) {
			return
		}
		if a, b := split([]string{text}), split([]string{text[:at], text[at:]}); a != b {
			t.Errorf("%q cut at %d: got %q, want %q", text, at, b, a)
		}
	})
}
