package prompt

import (
	"fmt"
	"strings"
	"testing"

	"mole/batch"
)

// block returns a tool call of computer_use.
func block(arguments string) string {
	return "<tool_call>\n{\"name\": \"computer_use\", \"arguments\": " + arguments + "}\n</tool_call>"
}

// parted renders an answer and returns what is supervised, by part: the texts of
// runs of one part, each behind the part's name.
func parted(t testing.TB, answer string, by Division) (string, error) {
	t.Helper()
	r := newRenderer(t)
	e, err := r.Computer(Computer{System: "s", Image: picture(4, 4), Instruction: "Click <tool_call>", Answer: answer})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := r.CallParts(e.Tokens, e.Labels, by)
	var b strings.Builder
	last := batch.Part(99)
	for i, p := range parts {
		if e.Labels[i] == batch.Ignore {
			if p != batch.NoPart {
				t.Errorf("token %d of the question is of part %v", i, p)
			}
			continue
		}
		if p != last {
			fmt.Fprintf(&b, "[%v]", p)
		}
		b.Write(r.tokenizer.Token(e.Tokens[i]))
		last = p
	}
	return b.String(), err
}

// TestCallParts reads real answers by JSON.
func TestCallParts(t *testing.T) {
	const before = "[base]<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \""
	tests := []struct{ name, answer, want string }{
		{
			"click", answer,
			before + `[action]left_click[base]", "coordinate": [[arg]412[base], [arg]655[base]]}}` + "\n</tool_call>[]<|im_end|>",
		},
		{
			"text", block(`{"action": "type", "text": "left_click \"type\": é"}`),
			before + `[action]type[base]", "text": "[arg]left_click \"type\": é[base]"}}` + "\n</tool_call>[]<|im_end|>",
		},
		{
			"lists, numbers, truth", block(`{"keys": ["ctrl", "a"], "time": -1.5e3, "deep": {"action": [true, null]}, "action": "key"}`),
			"[base]<tool_call>\n" + `{"name": "computer_use", "arguments": {"keys": ["[arg]ctrl[base]", "[arg]a[base]"], "time": [arg]-1.5e3[base], ` +
				`"deep": {"action": [[arg]true[base], [arg]null[base]]}, "action": "[action]key[base]"}}` + "\n</tool_call>[]<|im_end|>",
		},
		{
			"no action: the name", "<tool_call>\n" + `{"id": "x", "arguments": {"element": "ok"}, "name": "get_bbox"}` + "\n</tool_call>",
			"[base]<tool_call>\n" + `{"id": "x", "arguments": {"element": "[arg]ok[base]"}, "name": "[action]get_bbox[base]"}` + "\n</tool_call>[]<|im_end|>",
		},
		{
			"two, and text around", "So:\n" + block(`{"action": "wait"}`) + "\n" + block(`{"action": "key"}`),
			"[]So:\n" + before + "[action]wait[base]\"}}\n</tool_call>[]\n" + before + "[action]key[base]\"}}\n</tool_call>[]<|im_end|>",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := parted(t, tt.answer, ByJSON); err != nil || got != tt.want {
				t.Errorf("got %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

// TestCallPartsLegacy divides calls of given lengths, tags included.
func TestCallPartsLegacy(t *testing.T) {
	r := newRenderer(t)
	open, end, plain := r.ids[toolCall], r.ids[toolCallEnd], r.tokenizer.EncodeText("a")[0]
	for length, want := range map[int][3]int{2: {2, 0, 0}, 10: {10, 0, 0}, 11: {0, 2, 9}, 32: {0, 6, 26}, 100: {0, 20, 80}, 300: {0, 20, 280}} {
		tokens := []int32{plain, open}
		for range length - 2 {
			tokens = append(tokens, plain)
		}
		tokens = append(tokens, end, plain)
		parts, err := r.CallParts(tokens, tokens, ByLength)
		if err != nil {
			t.Fatal(err)
		}
		var got [3]int
		last := batch.CallBase
		for _, p := range parts[1 : length+1] {
			if p < last {
				t.Errorf("%d tokens: part %v after %v", length, p, last)
			}
			got[p-batch.CallBase]++
			last = p
		}
		if got != want || parts[0] != batch.NoPart || parts[length+1] != batch.NoPart {
			t.Errorf("%d tokens: got %v of base, action and argument, want %v", length, got, want)
		}
	}
}

// TestCallPartsErrors says of answers that cannot be divided why.
func TestCallPartsErrors(t *testing.T) {
	for answer, want := range map[string]string{
		"click it":                                 "no <tool_call> in the answer",
		"<tool_call>\n{}":                          "tool call 1: no </tool_call> after <tool_call>",
		answer + "<tool_call>\n{]\n</tool_call>":   `tool call 2: "\n{]\n": invalid character`,
		"<tool_call>[1]</tool_call>":               "cannot unmarshal array",
		"<tool_call>{} {}</tool_call>":             "invalid character '{' after top-level value",
		block("[1]"):                               "want a name and an object of arguments",
		block("null"):                              "want a name and an object of arguments",
		`<tool_call>{"arguments": {}}</tool_call>`: "want a name and an object of arguments",
	} {
		_, err := parted(t, answer, ByJSON)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", answer, err, want)
		}
	}
	if _, err := newRenderer(t).CallParts(make([]int32, 2), make([]int32, 1), ByJSON); err == nil {
		t.Error("labels of other tokens were taken")
	}
	if by, err := ParseDivision(""); by != ByJSON || err != nil {
		t.Errorf("got %q, %v", by, err)
	}
	if _, err := ParseDivision("xml"); err == nil || !strings.Contains(err.Error(), `division "xml", want "json" or "legacy"`) {
		t.Errorf("got %v", err)
	}
}

// FuzzCallValues checks that values lie in the text, in order and apart from each
// other.
func FuzzCallValues(f *testing.F) {
	f.Add(`{"name": "computer_use", "arguments": {"action": "key", "keys": ["a", 1.5, null], "x": {"y": ""}}}`)
	f.Add("\n{\"name\":\"a\",\"arguments\":{\"b\":\"\\\"\\u00e9\"}}\n")
	f.Add(`{"name": "a", "name": 1, "arguments": {"action": {}, "action": []}}`)
	f.Fuzz(func(t *testing.T, text string) {
		values, err := callValues([]byte(text))
		if err != nil {
			return
		}
		last := 0
		for _, v := range values {
			if v.begin < last || v.end < v.begin || v.end >= len(text) {
				t.Fatalf("%q: value %+v after %d", text, v, last)
			}
			last = v.end
		}
	})
}
