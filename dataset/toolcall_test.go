package dataset

import (
	"slices"
	"strings"
	"testing"
)

// one returns an answer of one call of a tool.
func one(tool, arguments string) string {
	return "<tool_call>\n{\"name\": \"" + tool + "\", \"arguments\": " + arguments + "}\n</tool_call>"
}

func TestParseCalls(t *testing.T) {
	click := `{"action": "left_click", "coordinate": [412, 655]}`
	tests := []struct {
		name, in string
		want     int    // calls
		wantErr  string // "" for none
	}{
		{"usual", one("computer_use", click), 1, ""},
		{"two", one("computer_use", click) + "\n" + one("computer_use", `{"action": "type", "text": "x"}`), 2, ""},
		{"upper case", strings.ToUpper("<tool_call>") + `{"name":"computer_use","arguments":{}}</Tool_Call>`, 1, ""},
		{"text around", "Action: click.\n" + one("computer_use", click) + " done", 1, ""},
		{"tag in text", one("computer_use", `{"action": "type", "text": "</tool_call>"}`), 1, ""},
		{"empty", "", 0, `no <tool_call> in ""`},
		{"name", "calendar", 0, `no <tool_call> in "calendar"`},
		{"not closed", "<tool_call>\n{\"name\": \"a\", \"arguments\": {}}", 0, "no </tool_call> after the JSON"},
		{"no JSON", "<tool_call></tool_call>", 0, "no JSON after <tool_call>"},
		{"no name", "<tool_call>{\"arguments\": {}}</tool_call>", 0, "name: got nothing, want a string"},
		{"no arguments", "<tool_call>{\"name\": \"a\"}</tool_call>", 0, "arguments: got nothing, want an object"},
		{"list", "<tool_call>[1]</tool_call>", 0, "got [1], want an object"},
		{"second broken", one("computer_use", click) + "<tool_call>{", 1, "tool call 2: no JSON"},
	}
	for _, tt := range tests {
		calls, err := ParseCalls(tt.in)
		if len(calls) != tt.want {
			t.Errorf("%s: got %d calls, want %d", tt.name, len(calls), tt.want)
		}
		if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.wantErr)
		}
	}
}

// TestRenderCalls reads calls in other spellings and writes them as the
// format wants them: order of the arguments kept, numbers as they are written.
func TestRenderCalls(t *testing.T) {
	calls, err := ParseCalls("<tool_call>{\"arguments\":{\"action\":\"wait\",\"time\":3.0,\"note\":\"a, b: \\\"c\\\" <\"},\"name\":\"computer_use\"}</tool_call>")
	if err != nil {
		t.Fatal(err)
	}
	want := one("computer_use", `{"action": "wait", "time": 3.0, "note": "a, b: \"c\" <"}`)
	if got := RenderCalls(calls...); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := RenderCalls(calls[0], calls[0]); got != want+"\n"+want {
		t.Errorf("got %s", got)
	}
}

func TestNormalise(t *testing.T) {
	tests := []struct {
		tool, in string
		want     string // name and arguments
		kinds    []string
	}{
		{"computer_use", `{"action": "left_click", "coordinate": [1, 2]}`, `computer_use {"action": "left_click", "coordinate": [1, 2]}`, nil},
		{"computer", `{"action": "key", "keys": ["a"]}`, `computer_use {"action": "key", "keys": ["a"]}`, []string{ToolName}},
		{"computer_use", `{"action": "wait", "duration": 3.0}`, `computer_use {"action": "wait", "time": 3.0}`, []string{WaitDuration}},
		{"computer_use", `{"action": "wait", "duration": 3, "time": 4}`, `computer_use {"action": "wait", "duration": 3, "time": 4}`, nil},
		{"computer", `{"action": "scroll", "direction": "up", "amount": 300, "coordinate": [5, 6]}`,
			`computer_use {"action": "scroll", "coordinate": [5, 6], "pixels": -300}`, []string{ToolName, ScrollAmount}},
		{"computer_use", `{"action": "scroll", "direction": "right", "scroll_amount": 20}`, `computer_use {"action": "hscroll", "pixels": 20}`, []string{ScrollAmount}},
		{"computer_use", `{"action": "scroll", "direction": "sideways", "amount": 20}`, `computer_use {"action": "scroll", "direction": "sideways", "amount": 20}`, nil},
		{"get_bbox", `{"bbox_2d": [1, 2, 3, 4], "element": "ok"}`, `get_bbox {"bbox_2d": [1, 2, 3, 4], "label": "ok"}`, []string{BoxElement}},
	}
	for _, tt := range tests {
		got, kinds := ToolCall{tt.tool, []byte(tt.in)}.Normalise()
		if s := got.Name + " " + string(got.Arguments); s != tt.want || !slices.Equal(kinds, tt.kinds) {
			t.Errorf("%s %s: got %s %q, want %s %q", tt.tool, tt.in, s, kinds, tt.want, tt.kinds)
		}
	}
}

func TestCheck(t *testing.T) {
	tests := []struct{ tool, in, want string }{
		{"computer_use", `{"action": "left_click", "coordinate": [0, 1000]}`, ""},
		{"computer_use", `{"action": "left_click", "coordinate": [5.0, 6]}`, ""},
		{"computer_use", `{"action": "left_click", "coordinate": [5.5, 6]}`, "left_click: coordinate: got [5.5, 6], want two integers"},
		{"computer_use", `{"action": "left_click"}`, "left_click: coordinate: got nothing, want two integers"},
		{"computer_use", `{"action": "left_click", "coordinate": [-1, 6]}`, "left_click: coordinate: [-1 6] is outside 0..1000"},
		{"computer_use", `{"coordinate": [1, 6]}`, "action: got nothing, want a string"},
		{"computer_use", `{"action": "key", "keys": []}`, "key: keys: list is empty"},
		{"computer_use", `{"action": "key", "keys": "ctrl"}`, `key: keys: got "ctrl", want a list of names`},
		{"computer_use", `{"action": "wait", "time": 0}`, "wait: time: 0 s, want more than 0"},
		{"computer_use", `{"action": "terminate", "status": "done"}`, `terminate: status: got "done", want success or failure`},
		{"computer_use", `{"action": "ocr", "text": "a\tb", "more": 1}`, ""},
		{"computer_use", `{"action": "hscroll", "coordinate": [1, 2], "pixels": -5}`, ""},
		{"get_bbox", `{"bbox_2d": [1, 2, 3, 4]}`, ""},
		{"get_bbox", `{"bbox_2d": [3, 2, 1, 4]}`, "bbox_2d [3 2 1 4]: want x1 < x2, y1 < y2, all in 0..1000"},
		{"get_bbox", `{}`, "bbox_2d: got nothing, want 4 numbers"},
		{"text_verification", `{"regions": [{"bbox_2d": [1, 2, 3, 4], "label": "a"}, {"bbox_2d": [1, 2, 3, 4], "label": "b"}]}`, ""},
		{"text_verification", `{"regions": [{"bbox_2d": [1, 2, 3, 4], "label": "a"}]}`, "want two objects {bbox_2d, label}"},
		{"text_verification", `{"regions": [{"bbox_2d": [1, 2, 3, 4]}, {}]}`, "regions: label: got nothing, want a string"},
		{"browser", `{}`, `tool "browser": want computer_use, get_bbox or text_verification`},
	}
	for _, tt := range tests {
		err := ToolCall{tt.tool, []byte(tt.in)}.Check()
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: got %v, want %q", tt.tool, tt.in, err, tt.want)
		}
	}
}

func FuzzParseCalls(f *testing.F) {
	f.Add(one("computer_use", `{"action": "left_click", "coordinate": [412, 655]}`))
	f.Add(one("computer", `{"action": "scroll", "direction": "up", "amount": 3}`))
	f.Add(one("text_verification", `{"regions": [{"bbox_2d": [1, 2, 3, 4], "label": "a"}]}`))
	f.Add("<TOOL_CALL><tool_call>{}")
	f.Fuzz(func(t *testing.T, s string) {
		calls, err := ParseCalls(s)
		if err == nil && len(calls) == 0 {
			t.Error("neither a call nor an error")
		}
		test := Test{ExpectedAction: ToolCall{ComputerUse, []byte(`{"action": "answer", "text": "x"}`)}}
		Pass(test, s)
		for i, c := range calls {
			calls[i], _ = c.Normalise()
			_, _ = c.mapPoints(func(x, y float64) (float64, float64) { return y, x })
			test.ExpectedAction = calls[i]
			if ok, reason := Pass(test, RenderCalls(calls[i])); !ok && calls[i].Check() == nil {
				t.Errorf("%s does not pass as its own answer: %s", RenderCalls(calls[i]), reason)
			}
		}
		if calls == nil {
			return
		}
		text := RenderCalls(calls...)
		again, err := ParseCalls(text)
		if err != nil || RenderCalls(again...) != text {
			t.Errorf("got %q, %v, want %q again", RenderCalls(again...), err, text)
		}
	})
}
