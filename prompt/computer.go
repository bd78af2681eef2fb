package prompt

import (
	"fmt"
	"strings"

	"mole/batch"
	"mole/vision"
)

// ComputerV1 is the id of the first prompt of experts, which operate a computer.
// The text of an id never changes: experts were trained with it.
const ComputerV1 = "cua-v1"

// computerV1 is the text of ComputerV1 (specification mole, 4.2 and 6.2). What
// it asks for is what experts are trained to give: tool-call blocks alone.
const computerV1 = `You operate a computer by mouse and keyboard. All that you see of it is a screenshot.
- Whatever its size in pixels, the screen measures 1000 by 1000 units. [0, 0] is its top left corner.
- Programs are started by their icons. One that is slow needs time: wait.
- Find the target on the screenshot before you move the pointer there, and aim at its centre.
- Where a click had no effect, correct its place.

This function can be called:
<tools>
{"type": "function", "function": {"name": "computer_use", "description": "One action of mouse or keyboard, or a statement about the task.", "parameters": {"type": "object", "properties": {` +
	`"action": {"type": "string", "enum": ["left_click", "right_click", "middle_click", "double_click", "triple_click", "mouse_move", "left_click_drag", "scroll", "hscroll", "key", "type", "wait", "terminate", "answer", "ocr"]}, ` +
	`"coordinate": {"type": "array", "description": "[x, y] in units: clicks, mouse_move, left_click_drag (from where the pointer is), scroll, hscroll."}, ` +
	`"pixels": {"type": "integer", "description": "How far: scroll (positive is down), hscroll (positive is right)."}, ` +
	`"keys": {"type": "array", "description": "Names of keys, pressed in this order: key."}, ` +
	`"text": {"type": "string", "description": "What is written: type; said: answer; read: ocr."}, ` +
	`"time": {"type": "number", "description": "Seconds: wait."}, ` +
	`"status": {"type": "string", "enum": ["success", "failure"], "description": "How the task ended: terminate."}` +
	`}, "required": ["action"]}}}
</tools>

Answer with one block for each call, in the order of the calls, and with nothing else:
<tool_call>
{"name": "computer_use", "arguments": {"action": "left_click", "coordinate": [x, y]}}
</tool_call>
Where the screen does not have what is asked for, say so with answer. When a task is over, call terminate.`

// ComputerSystem returns the system prompt of experts.
func ComputerSystem(id string) (string, error) {
	if id != ComputerV1 {
		return "", fmt.Errorf("prompt of experts %q, want %q", id, ComputerV1)
	}
	return computerV1, nil
}

// Computer is what an expert is asked to do with one screenshot, and the answer
// that it should give.
type Computer struct {
	System      string
	Image       *vision.Patches
	Instruction string // may be empty
	// Answer is tool-call blocks, or empty where there is none yet: the example
	// then ends where the answer begins.
	Answer string
}

// Computer renders what an expert reads, for training with its answer, for
// serving without. The answer and the end of the turn are supervised.
func (r *Renderer) Computer(q Computer) (batch.Example, error) {
	user := []Part{{Image: q.Image}}
	if instruction := strings.TrimSpace(q.Instruction); instruction != "" {
		user = append(user, Part{Text: instruction})
	}
	c := Conversation{Messages: []Message{{Role: System, Parts: []Part{{Text: q.System}}}, {Role: User, Parts: user}}}
	if q.Answer == "" {
		return r.Example(c, Options{Generate: true})
	}
	c.Messages = append(c.Messages, Message{Role: Assistant, Parts: []Part{{Text: q.Answer}}})
	return r.Example(c, Options{Supervise: Answer})
}

// End returns the token that ends an answer.
func (r *Renderer) End() int32 { return r.ids[imEnd] }
