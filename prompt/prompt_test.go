package prompt

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"mole/batch"
	"mole/tokenizer"
	"mole/vision"
)

// newRenderer returns a renderer for the small vocabulary, merge size 2.
func newRenderer(t testing.TB) *Renderer {
	t.Helper()
	tok, err := tokenizer.Load("../tokenizer/testdata")
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(tok, 2)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// picture returns an image of h by w patches, without pixels.
func picture(h, w int) *vision.Patches { return &vision.Patches{Grid: vision.Grid{T: 1, H: h, W: w}} }

// say returns a message of text.
func say(role Role, text string) Message { return Message{Role: role, Parts: []Part{{Text: text}}} }

// recordedChat is a conversation, its rendering by the template, and the ids
// that the tokenizers library gives for that.
type recordedChat struct {
	Messages []recordedMessage
	Tools    []json.RawMessage
	Generate bool
	Rendered string
	IDs      []int32
}

type recordedMessage struct {
	Role    Role
	Content recordedContent
	Calls   []Call `json:"tool_calls"`
}

// recordedContent is text or a list of parts.
type recordedContent []Part

func (c *recordedContent) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*c = recordedContent{{Text: text}}
		return nil
	}
	var parts []struct {
		Text string
		Grid []int
	}
	err := json.Unmarshal(data, &parts)
	for _, p := range parts {
		part := Part{Text: p.Text}
		if p.Grid != nil {
			part.Image = picture(p.Grid[0], p.Grid[1])
		}
		*c = append(*c, part)
	}
	return err
}

func (r recordedChat) conversation() Conversation {
	c := Conversation{Tools: r.Tools}
	for _, m := range r.Messages {
		c.Messages = append(c.Messages, Message{m.Role, m.Content, m.Calls})
	}
	return c
}

func readRecorded(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func TestRecorded(t *testing.T) {
	r := newRenderer(t)
	var chats []recordedChat
	readRecorded(t, "testdata/recorded.json", &chats)
	for i, chat := range chats {
		c := chat.conversation()
		if got, err := r.Text(c, chat.Generate); err != nil || got != chat.Rendered {
			t.Errorf("%d: Text: got %v\n%q\nwant\n%q", i, err, got, chat.Rendered)
		}
		e, err := r.Example(c, Options{Generate: chat.Generate})
		if err != nil || !slices.Equal(e.Tokens, chat.IDs) {
			t.Errorf("%d: Example(%q): got %v\n%v\nwant\n%v", i, chat.Rendered, err, e.Tokens, chat.IDs)
		}
		if e.Labels != nil {
			t.Errorf("%d: got labels %v, want none", i, e.Labels)
		}
	}
}

// TestReference compares with renderings of the template of Qwen3, whose
// plain conversations look the same.
func TestReference(t *testing.T) {
	r := newRenderer(t)
	var file struct {
		Chats []struct {
			recordedChat
			Generate bool `json:"generation_prompt"`
		} `json:"chat_qwen3_template"`
	}
	readRecorded(t, "../tokenizer/testdata/reference.json", &file)
	if len(file.Chats) == 0 {
		t.Fatal("got no conversations")
	}
	for i, chat := range file.Chats {
		if got, err := r.Text(chat.conversation(), chat.Generate); err != nil || got != chat.Rendered {
			t.Errorf("%d: got %q, %v, want %q", i, got, err, chat.Rendered)
		}
	}
}

// row is the training row of the specification, section 7.2.
func row() Conversation {
	return Conversation{Messages: []Message{
		say(System, "moe-router"),
		{Role: User, Parts: []Part{{Image: picture(4, 4)}, {Text: "Click OK"}}},
		say(Assistant, "0"),
	}}
}

// TestRow needs the directory of Qwen3's tokenizer.json, 11 MB.
func TestRow(t *testing.T) {
	dir := os.Getenv("MOLE_TOKENIZER")
	if os.Getenv("MOLE_TEST_HEAVY") != "1" || dir == "" {
		t.Skip("wants MOLE_TEST_HEAVY=1 and a directory in MOLE_TOKENIZER")
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(tok, 2)
	if err != nil {
		t.Fatal(err)
	}
	e, err := r.Example(row(), Options{})
	want := []int32{
		151644, 8948, 198, 76, 4644, 14266, 151645, 198, 151644, 872, 198, 151652, 151655, 151655, 151655, 151655,
		151653, 2612, 10402, 151645, 198, 151644, 77091, 198, 15, 151645, 198,
	}
	if err != nil || !slices.Equal(e.Tokens, want) {
		t.Errorf("got %v, %v, want %v", e.Tokens, err, want)
	}
}

func TestText(t *testing.T) {
	r := newRenderer(t)
	two := Message{Role: User, Parts: []Part{{Image: picture(2, 2)}, {Image: picture(2, 4)}, {Text: "Compare"}}}
	for _, tt := range []struct {
		name     string
		c        Conversation
		generate bool
		want     string
	}{
		{"two images with ids", Conversation{Messages: []Message{two}, VisionIDs: true}, true,
			"<|im_start|>user\nPicture 1: <|vision_start|><|image_pad|><|vision_end|>" +
				"Picture 2: <|vision_start|><|image_pad|><|vision_end|>Compare<|im_end|>\n<|im_start|>assistant\n"},
		{"ids count on", Conversation{Messages: []Message{
			two, {Role: Tool, Parts: []Part{{Image: picture(2, 2)}}}}, VisionIDs: true}, false,
			"<|im_start|>user\nPicture 1: <|vision_start|><|image_pad|><|vision_end|>" +
				"Picture 2: <|vision_start|><|image_pad|><|vision_end|>Compare<|im_end|>\n<|im_start|>user\n<tool_response>\n" +
				"Picture 3: <|vision_start|><|image_pad|><|vision_end|>\n</tool_response><|im_end|>\n"},
		{"nothing said", Conversation{Messages: []Message{{Role: User}, {Role: Assistant}}}, false,
			"<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n"},
		{"arguments in a string", Conversation{Messages: []Message{
			{Role: Assistant, Calls: []Call{{"f", json.RawMessage(`"{\"x\":1}"`)}}}}}, false,
			"<|im_start|>assistant\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\":1}}\n</tool_call><|im_end|>\n"},
	} {
		got, err := r.Text(tt.c, tt.generate)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %v\n%q\nwant\n%q", tt.name, err, got, tt.want)
		}
	}
}

func TestErrors(t *testing.T) {
	r := newRenderer(t)
	call := func(name, arguments string) []Message {
		return []Message{{Role: Assistant, Calls: []Call{{name, json.RawMessage(arguments)}}}}
	}
	image := []Part{{Image: picture(2, 2)}}
	for _, tt := range []struct {
		name string
		c    Conversation
		o    Options
		want string
	}{
		{"empty", Conversation{}, Options{}, "conversation has no messages"},
		{"late system", Conversation{Messages: []Message{say(User, "a"), say(System, "b")}}, Options{},
			"message 1: system message after the first"},
		{"second system", Conversation{Messages: []Message{say(System, "a"), say(System, "b")}}, Options{},
			"message 1: system message after the first"},
		{"role", Conversation{Messages: []Message{say("developer", "a")}}, Options{}, `message 0: role "developer", want`},
		{"system image", Conversation{Messages: []Message{{Role: System, Parts: image}}}, Options{}, `message 0: part 0: image in a message of role "system"`},
		{"assistant image", Conversation{Messages: []Message{{Role: Assistant, Parts: image}}}, Options{},
			`message 0: part 0: image in a message of role "assistant"`},
		{"text and image", Conversation{Messages: []Message{{Role: User, Parts: []Part{{"a", picture(2, 2)}}}}}, Options{},
			"message 0: part 0 is text and an image"},
		{"odd grid", Conversation{Messages: []Message{{Role: Tool, Parts: []Part{{}, {Image: picture(2, 3)}}}}}, Options{},
			"message 0: part 1: image of 1x2x3 patches, want one frame of sides divisible by 2"},
		{"empty grid", Conversation{Messages: []Message{{Role: User, Parts: []Part{{Image: picture(0, 2)}}}}}, Options{}, "image of 1x0x2"},
		{"calls of the user", Conversation{Messages: []Message{{Role: User, Calls: []Call{{"f", json.RawMessage("1")}}}}}, Options{},
			`message 0: calls in a message of role "user"`},
		{"name", Conversation{Messages: call(`a"b`, "{}")}, Options{}, `message 0: call 0: name "a\"b", want`},
		{"no name", Conversation{Messages: call("", "{}")}, Options{}, `call 0: name "", want`},
		{"no arguments", Conversation{Messages: call("f", "")}, Options{}, "call 0 (f): arguments: not JSON: unexpected end of JSON input"},
		{"bad arguments", Conversation{Messages: call("f", "{")}, Options{}, "arguments: not JSON"},
		{"large number", Conversation{Messages: call("f", "[1e999]")}, Options{}, "number 1e999, want one that a float64 holds"},
		{"bad tool", Conversation{Messages: []Message{say(User, "")}, Tools: []json.RawMessage{[]byte("1"), []byte("x")}}, Options{},
			"tool 1: not JSON"},
		{"deep tool", Conversation{Messages: []Message{say(User, "")}, Tools: []json.RawMessage{[]byte(strings.Repeat("[", 1<<20))}},
			Options{}, "exceeded max depth"},
		{"nothing to supervise", Conversation{Messages: []Message{say(User, "a")}}, Options{Supervise: Answer}, "no assistant message to supervise"},
		{"answer begins with a break", Conversation{Messages: []Message{say(User, "a"), say(Assistant, "\nb")}}, Options{Supervise: Answer},
			`message 1: answer "\nb" begins with white space`},
	} {
		e, err := r.Example(tt.c, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) || e.Tokens != nil {
			t.Errorf("%s: got %v, error %v, want error with %q", tt.name, e.Tokens, err, tt.want)
		}
	}
}

func TestNew(t *testing.T) {
	r := newRenderer(t)
	if _, err := New(r.tokenizer, 0); err == nil || !strings.Contains(err.Error(), "merge size 0") {
		t.Errorf("merge size 0: got error %v", err)
	}
	data, err := os.ReadFile("../tokenizer/testdata/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	renamed := strings.NewReplacer("<|im_start|>", "<|a|>", "</tool_call>", "<|b|>").Replace(string(data))
	tok, err := tokenizer.Parse([]byte(renamed))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(tok, 2); err == nil || !strings.Contains(err.Error(), "no <|im_start|>, </tool_call>, want") {
		t.Errorf("got error %v, want one with the missing tokens", err)
	}
}

// labelled returns the text of the tokens that have labels, a bar before each
// span.
func labelled(t *testing.T, r *Renderer, e batch.Example) string {
	t.Helper()
	if len(e.Labels) != len(e.Tokens) {
		t.Fatalf("got %d labels for %d tokens", len(e.Labels), len(e.Tokens))
	}
	var b strings.Builder
	for i, label := range e.Labels {
		if label == batch.Ignore {
			continue
		}
		if label != e.Tokens[i] {
			t.Errorf("label %d is %d, want %d or none", i, label, e.Tokens[i])
		}
		if e.Labels[i-1] == batch.Ignore {
			b.WriteString("|")
		}
		b.WriteString(r.tokenizer.Decode([]int32{label}, false))
	}
	return b.String()
}

func TestLabels(t *testing.T) {
	r := newRenderer(t)
	c := row()
	c.Messages = append(c.Messages, say(User, "assistant\n7"),
		Message{Role: Assistant, Parts: []Part{{Text: "<think>\n"}, {Text: "x</think>I click."}}, Calls: []Call{{"f", json.RawMessage("{}")}}},
		say(Tool, "ok"), Message{Role: Assistant}, say(User, "end"))
	call := "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>"
	for _, tt := range []struct {
		s    Supervise
		want string
	}{
		{Answer, "|0<|im_end|>|<think>\nx</think>I click.\n" + call + "<|im_end|>|<|im_end|>"},
		{AnswerNewline, "|0<|im_end|>\n|<think>\nx</think>I click.\n" + call + "<|im_end|>\n|<|im_end|>\n"},
	} {
		e, err := r.Example(c, Options{Supervise: tt.s, Generate: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := labelled(t, r, e); got != tt.want {
			t.Errorf("%d: got %q, want %q", tt.s, got, tt.want)
		}
		plain, err := r.Example(c, Options{Generate: true})
		if err != nil || !slices.Equal(plain.Tokens, e.Tokens) {
			t.Errorf("%d: tokens %v differ from those without labels, %v (%v)", tt.s, e.Tokens, plain.Tokens, err)
		}
	}
}
