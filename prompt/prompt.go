// Package prompt renders conversations as the chat template of Qwen3-VL Instruct
// does (specification qwen3-vl section 7). It is the only package that does:
// what trains, evaluates and serves goes through the same [Renderer].
//
// A conversation is rendered into pieces of which only the template's own may
// become control tokens. What a user, a system prompt or a tool says stays
// text, whatever it spells; text of the assistant may hold the added tokens
// that are not special, such as <think>. Where no text spells a control token,
// the ids are those of the rendered string. Labels are set while rendering.
//
// The template silently drops what it has no place for; here that is an error.
package prompt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"mole/batch"
	"mole/tokenizer"
	"mole/vision"
)

// Role says who speaks in a message.
type Role string

// The roles that the template knows.
const (
	System    Role = "system" // first or nowhere; text only
	User      Role = "user"
	Assistant Role = "assistant" // text and calls
	Tool      Role = "tool"      // the result of a call
)

// Part is an image or, if Image is nil, text.
type Part struct {
	Text  string
	Image *vision.Patches
}

// Call is a tool call.
type Call struct {
	Name string
	// Arguments is any JSON value. A string is rendered as its content, which
	// is how some interfaces carry an object.
	Arguments json.RawMessage
}

// Message is what one speaker says. Parts follow each other with nothing
// between.
type Message struct {
	Role  Role
	Parts []Part
	Calls []Call // assistant only, after the parts
}

// Conversation is what a network is asked or taught.
type Conversation struct {
	Messages []Message
	// Tools holds the JSON of the functions that may be called.
	Tools []json.RawMessage
	// VisionIDs puts "Picture 1: " and so on before the images.
	VisionIDs bool
}

// Supervise says which tokens of each assistant message get a label.
type Supervise uint8

// What can be supervised.
const (
	// None gives no labels.
	None Supervise = iota
	// Answer is the content, calls included, and <|im_end|>.
	Answer
	// AnswerNewline is Answer and the line break after it, as the vendor's
	// training script has it.
	AnswerNewline
)

// Options says what an example is for.
type Options struct {
	Generate  bool      // end with the header of an assistant message
	Supervise Supervise // label answers; a conversation must have one then
}

// Control tokens that the template writes.
const (
	imStart      = "<|im_start|>"
	imEnd        = "<|im_end|>"
	visionStart  = "<|vision_start|>"
	visionEnd    = "<|vision_end|>"
	imagePad     = "<|image_pad|>"
	toolCall     = "<tool_call>"
	toolCallEnd  = "</tool_call>"
	toolReply    = "<tool_response>"
	toolReplyEnd = "</tool_response>"
)

// Renderer renders for one tokenizer and one merge size of the vision tower.
// It is safe for concurrent use.
type Renderer struct {
	tokenizer *tokenizer.Tokenizer
	merge     int
	ids       map[string]int32 // of the control tokens
}

// New returns a renderer. The tokenizer must have the control tokens of the
// template; merge patches in a row become one token (spatial_merge_size).
func New(t *tokenizer.Tokenizer, merge int) (*Renderer, error) {
	if merge < 1 {
		return nil, fmt.Errorf("merge size %d, want at least 1", merge)
	}
	r := &Renderer{tokenizer: t, merge: merge, ids: make(map[string]int32)}
	var missing []string
	for _, c := range []string{
		imStart, imEnd, visionStart, visionEnd, imagePad, toolCall, toolCallEnd, toolReply, toolReplyEnd,
	} {
		id, ok := t.ID(c)
		if !ok {
			missing = append(missing, c)
		}
		r.ids[c] = id
	}
	if missing != nil {
		return nil, fmt.Errorf("tokenizer has no %s, want those of Qwen3-VL", strings.Join(missing, ", "))
	}
	return r, nil
}

// Text renders c as the template does, each image as one placeholder. It is
// for people: text that spells a control token cannot be told from one.
func (r *Renderer) Text(c Conversation, generate bool) (string, error) {
	p := page{renderer: r}
	if err := p.conversation(c, generate); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, s := range p.pieces {
		b.WriteString(s.text)
	}
	return b.String(), nil
}

// Example renders c for a network. Each image takes as many placeholders as it
// has tokens.
func (r *Renderer) Example(c Conversation, o Options) (batch.Example, error) {
	p := page{renderer: r, supervise: o.Supervise}
	if err := p.conversation(c, o.Generate); err != nil {
		return batch.Example{}, err
	}
	if o.Supervise != None && !p.answered {
		return batch.Example{}, errors.New("no assistant message to supervise")
	}
	return p.example(), nil
}
