package dataset

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestPass(t *testing.T) {
	use := func(a string) string { return one("computer_use", a) }
	tests := []struct {
		name      string
		want, got string // arguments of computer_use; other tools with the tool's name before
		reason    string // "" if it passes
	}{
		{"same", `{"action": "left_click", "coordinate": [500, 466]}`, use(`{"action": "left_click", "coordinate": [500, 466]}`), ""},
		{"at the edge", `{"action": "left_click", "coordinate": [500, 466]}`, use(`{"action": "left_click", "coordinate": [575, 416]}`), ""},
		{"beyond x", `{"action": "left_click", "coordinate": [500, 466]}`, use(`{"action": "left_click", "coordinate": [576, 466]}`), "coordinate: got [576 466], want [500 466] within [75 50]"},
		{"beyond y", `{"action": "left_click", "coordinate": [500, 466]}`, use(`{"action": "left_click", "coordinate": [500, 415]}`), "coordinate"},
		{"other action", `{"action": "left_click", "coordinate": [500, 466]}`, use(`{"action": "double_click", "coordinate": [500, 466]}`), "got double_click, want left_click"},
		{"older tool name", `{"action": "left_click", "coordinate": [500, 466]}`, one("computer", `{"action": "left_click", "coordinate": [500, 466]}`), ""},
		{"no coordinate", `{"action": "left_click", "coordinate": [500, 466]}`, use(`{"action": "left_click"}`), "coordinate: got nothing"},
		{"no call", `{"action": "left_click", "coordinate": [500, 466]}`, "there", "no <tool_call>"},
		{"more calls", `{"action": "wait", "time": 3.0}`, use(`{"action": "wait", "time": 1}`) + use(`{"action": "key", "keys": ["a"]}`), ""},
		{"scroll, same way", `{"action": "scroll", "coordinate": [5, 5], "pixels": 300}`, use(`{"action": "scroll", "coordinate": [5, 5], "pixels": 1}`), ""},
		{"scroll, other way", `{"action": "scroll", "coordinate": [5, 5], "pixels": 300}`, use(`{"action": "scroll", "coordinate": [5, 5], "pixels": -300}`), "pixels: got -300"},
		{"scroll, in words", `{"action": "scroll", "coordinate": [5, 5], "pixels": -300}`, use(`{"action": "scroll", "coordinate": [5, 5], "direction": "up", "amount": 9}`), ""},
		{"text folded", `{"action": "type", "text": "a b"}`, use(`{"action": "type", "text": " a \n b "}`), ""},
		{"text in other case", `{"action": "answer", "text": "a b"}`, use(`{"action": "answer", "text": "A b"}`), "text: got"},
		{"keys", `{"action": "key", "keys": ["Ctrl", "s"]}`, use(`{"action": "key", "keys": ["ctrl", "S"]}`), ""},
		{"keys in other order", `{"action": "key", "keys": ["Ctrl", "s"]}`, use(`{"action": "key", "keys": ["s", "ctrl"]}`), "keys: got"},
		{"wait", `{"action": "wait", "time": 3.0}`, use(`{"action": "wait", "duration": 9}`), ""},
		{"wait for nothing", `{"action": "wait", "time": 3.0}`, use(`{"action": "wait", "time": 0}`), "time: got 0, want more than 0"},
		{"status", `{"action": "terminate", "status": "success"}`, use(`{"action": "terminate", "status": "failure"}`), "status: got"},
		{"box, half", `get_bbox {"bbox_2d": [0, 0, 200, 200]}`, one("get_bbox", `{"bbox_2d": [0, 0, 200, 101]}`), ""},
		{"box, less", `get_bbox {"bbox_2d": [0, 0, 200, 200]}`, one("get_bbox", `{"bbox_2d": [0, 0, 200, 99]}`), "intersection over union is 0.49"},
		{"box, edges near", `get_bbox {"bbox_2d": [100, 100, 110, 110]}`, one("get_bbox", `{"bbox_2d": [130, 130, 140, 140]}`), ""},
		{"box, no box", `get_bbox {"bbox_2d": [100, 100, 110, 110]}`, one("get_bbox", `{}`), "want boxes as in"},
	}
	for _, tt := range tests {
		tool, arguments, ok := strings.Cut(tt.want, " ")
		if strings.HasPrefix(tool, "{") || !ok {
			tool, arguments = ComputerUse, tt.want
		}
		test := Test{ExpectedAction: ToolCall{tool, []byte(arguments)}, Tolerance: []int{75, 50}}
		ok, reason := Pass(test, tt.got)
		if ok != (tt.reason == "") || !strings.Contains(reason, tt.reason) {
			t.Errorf("%s: got %v, %q, want %q", tt.name, ok, reason, tt.reason)
		}
	}
}

func TestPassStrictWait(t *testing.T) {
	test := Test{ExpectedAction: ToolCall{ComputerUse, []byte(`{"action": "wait", "time": 3.0}`)}}
	test.Metadata.Extra = map[string]json.RawMessage{"strict": json.RawMessage("true")}
	if ok, reason := Pass(test, one(ComputerUse, `{"action": "wait", "time": 3}`)); !ok {
		t.Error(reason)
	}
	if ok, _ := Pass(test, one(ComputerUse, `{"action": "wait", "time": 4}`)); ok {
		t.Error("another time passed")
	}
}

func TestPassSeveralCalls(t *testing.T) {
	click, text := `{"action": "left_click", "coordinate": [500, 466]}`, `{"action": "type", "text": "abc"}`
	test := Test{ExpectedAction: ToolCall{ComputerUse, []byte(click)}, Tolerance: []int{5, 5}}
	test.Metadata.Extra = map[string]json.RawMessage{
		"tool_calls": json.RawMessage(`[{"name": "computer_use", "arguments": ` + click + `}, {"name": "computer_use", "arguments": ` + text + `}]`),
	}
	both := one(ComputerUse, click) + "\n" + one(ComputerUse, text)
	tests := []struct {
		got, reason string
	}{
		{both, ""},
		{one(ComputerUse, click), "tool calls: got 1, want 2"},
		{one(ComputerUse, click) + one(ComputerUse, `{"action": "type", "text": "x"}`), "text: got"},
		{both + one(ComputerUse, click), "tool calls: got 3, want 2"},
	}
	for _, tt := range tests {
		if ok, reason := Pass(test, tt.got); ok != (tt.reason == "") || !strings.Contains(reason, tt.reason) {
			t.Errorf("%s: got %v, %q, want %q", tt.got, ok, reason, tt.reason)
		}
	}
}

// TestPassEachAction goes through all actions of 4.2: the expected call passes,
// another action does not, nor a point beyond the tolerance, nor another argument
// (specification mole, 4.4; acceptance scenario 16).
func TestPassEachAction(t *testing.T) {
	// Of each action: arguments beside the point, and the same that must not pass.
	arguments := map[string][2]string{
		"scroll": {`, "pixels": 300`, `, "pixels": -300`}, "hscroll": {`, "pixels": -10`, `, "pixels": 10`},
		"key": {`, "keys": ["ctrl", "c"]`, `, "keys": ["ctrl"]`}, "type": {`, "text": "a"`, `, "text": "b"`}, "answer": {`, "text": "no"`, `, "text": ""`},
		"ocr": {`, "text": "x y"`, `, "text": "xy"`}, "wait": {`, "time": 3.0`, `, "time": -1`}, "terminate": {`, "status": "success"`, `, "status": "failure"`},
	}
	for action, required := range actions {
		point := required[0].key == "coordinate"
		call := func(action string, x int, rest string) string {
			text := `{"action": "` + action + `"` + rest
			if point {
				text += fmt.Sprintf(`, "coordinate": [%d, 40]`, x)
			}
			return text + "}"
		}
		rest := arguments[action]
		test := Test{ExpectedAction: ToolCall{ComputerUse, []byte(call(action, 500, rest[0]))}, Tolerance: []int{20, 0}}
		for answer, want := range map[string]bool{
			call(action, 500, rest[0]): true, call(action, 520, rest[0]): true, call(action, 480, rest[0]): true, call(action, 521, rest[0]): !point,
			call("drag", 500, rest[0]): false, call(action, 500, rest[1]): rest[1] == "",
		} {
			if ok, reason := Pass(test, one(ComputerUse, answer)); ok != want {
				t.Errorf("%s, want %v: got %v, %s", answer, want, ok, reason)
			}
		}
	}
}

// TestPassRegions compares the two boxes of a text_verification.
func TestPassRegions(t *testing.T) {
	regions := func(x int) string {
		return fmt.Sprintf(`{"regions": [{"bbox_2d": [0, 0, 200, 200], "label": "a"}, {"bbox_2d": [%d, 0, %d, 200], "label": "b"}]}`, x, x+200)
	}
	test := Test{ExpectedAction: ToolCall{TextVerification, []byte(regions(500))}, Tolerance: []int{10, 10}}
	for x, want := range map[int]bool{500: true, 560: true, 600: false, 800: false} {
		if ok, reason := Pass(test, one(TextVerification, regions(x))); ok != want {
			t.Errorf("second box at %d, want %v: got %v, %s", x, want, ok, reason)
		}
	}
}
