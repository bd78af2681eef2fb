package prompt

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"mole/batch"
	"mole/vision"
)

// answer is one that experts are trained to give.
const answer = "<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"left_click\", \"coordinate\": [412, 655]}}\n</tool_call>"

// TestComputerSystem pins the prompt: experts in use were trained with it.
func TestComputerSystem(t *testing.T) {
	got, err := ComputerSystem(ComputerV1)
	const want = "a3a9c214df77d7895e6c7fe8f31a162c9c3132ae260a7badd04649ae2f522c19"
	if err != nil || Digest(got) != want {
		t.Errorf("got digest %s, error %v, want %s: a changed text needs an id of its own", Digest(got), err, want)
	}
	if _, err := ComputerSystem("cua-v0"); err == nil {
		t.Error("an unknown prompt was rendered")
	}
}

// TestComputerTools checks the signature in the prompt: JSON, with the actions of
// specification mole 4.2.
func TestComputerTools(t *testing.T) {
	_, text, _ := strings.Cut(computerV1, "<tools>\n")
	text, _, _ = strings.Cut(text, "\n</tools>")
	var tool struct {
		Function struct {
			Name       string
			Parameters struct {
				Properties map[string]struct{ Enum []string }
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &tool); err != nil {
		t.Fatal(err)
	}
	want := strings.Fields("left_click right_click middle_click double_click triple_click mouse_move left_click_drag scroll hscroll key type wait terminate answer ocr")
	p := tool.Function.Parameters.Properties
	if got := p["action"].Enum; tool.Function.Name != "computer_use" || !slices.Equal(got, want) {
		t.Errorf("got function %q with actions %q, want computer_use with %q", tool.Function.Name, got, want)
	}
	for _, name := range []string{"coordinate", "pixels", "keys", "text", "time", "status"} {
		if _, ok := p[name]; !ok {
			t.Errorf("no argument %q", name)
		}
	}
}

// TestComputerExample checks that training and serving read the same tokens up
// to the answer, and what is supervised.
func TestComputerExample(t *testing.T) {
	r := routerRenderer(t)
	q := Computer{System: computerV1, Image: &vision.Patches{Grid: vision.Grid{T: 1, H: 4, W: 4}}, Instruction: " Click <tool_call> now\n"}
	serve, err := r.Computer(q)
	if err != nil {
		t.Fatal(err)
	}
	q.Answer = answer
	train, err := r.Computer(q)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(serve.Tokens); !slices.Equal(train.Tokens[:n], serve.Tokens) {
		t.Errorf("got %v for serving, %v for training", serve.Tokens, train.Tokens)
	}
	supervised := slices.DeleteFunc(slices.Clone(train.Labels), func(l int32) bool { return l == batch.Ignore })
	if got, want := r.tokenizer.Decode(supervised, false), answer+"<|im_end|>"; got != want {
		t.Errorf("supervised %q, want %q", got, want)
	}
	call, _ := r.tokenizer.ID("<tool_call>")
	if i := slices.Index(train.Tokens, call); i != len(serve.Tokens) || supervised[len(supervised)-1] != r.End() {
		t.Errorf("the first <tool_call> is token %d, want %d: only that of the answer", i, len(serve.Tokens))
	}
	if text := r.tokenizer.Decode(serve.Tokens, false); !strings.HasSuffix(text, "<|vision_end|>Click <tool_call> now<|im_end|>\n<|im_start|>assistant\n") {
		t.Errorf("got %q", text)
	}
}
