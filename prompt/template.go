package prompt

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"mole/vision"
)

// What the template says about tools, before and after their descriptions. The
// wording is Qwen's; the network was trained on it.
const (
	toolsBefore = "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n" +
		"You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
	toolsAfter = "\n</tools>\n\n" +
		"For each function call, return a json object with function name and arguments within " +
		"<tool_call></tool_call> XML tags:\n<tool_call>\n" +
		`{"name": <function-name>, "arguments": <args-json-object>}` + "\n</tool_call>"
)

// conversation renders all of c and, if generate is true, the header of an
// answer.
func (p *page) conversation(c Conversation, generate bool) error {
	if len(c.Messages) == 0 {
		return errors.New("conversation has no messages")
	}
	if err := checkCalls(c.Messages); err != nil {
		return err
	}
	p.visionIDs = c.VisionIDs
	if err := p.opening(c); err != nil {
		return err
	}
	for i, m := range c.Messages {
		if i == 0 && m.Role == System {
			continue // part of the opening
		}
		if err := p.message(m, roleAt(c.Messages, i-1), roleAt(c.Messages, i+1)); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	if generate {
		p.control(imStart)
		p.own("assistant\n")
	}
	return nil
}

// roleAt returns the role of message i, or none where there is no message.
func roleAt(messages []Message, i int) Role {
	if i < 0 || i >= len(messages) {
		return ""
	}
	return messages[i].Role
}

// checkCalls refuses calls where the template has no place for them.
func checkCalls(messages []Message) error {
	for i, m := range messages {
		if len(m.Calls) > 0 && m.Role != Assistant {
			return fmt.Errorf("message %d: calls in a message of role %q, want them in one of the assistant", i, m.Role)
		}
	}
	return nil
}

// opening renders the system turn: the system message and the tools.
func (p *page) opening(c Conversation) error {
	system := c.Messages[0].Role == System
	if !system && len(c.Tools) == 0 {
		return nil
	}
	p.control(imStart)
	p.own("system\n")
	if system {
		text, err := c.Messages[0].text()
		if err != nil {
			return fmt.Errorf("message 0: %w", err)
		}
		p.plain(text)
		if len(c.Tools) > 0 {
			p.own("\n\n")
		}
	}
	if err := p.tools(c); err != nil {
		return err
	}
	p.endTurn()
	return nil
}

// tools renders the descriptions of the tools.
func (p *page) tools(c Conversation) error {
	if len(c.Tools) == 0 {
		return nil
	}
	p.own(toolsBefore)
	for i, t := range c.Tools {
		s, err := pythonJSON(t)
		if err != nil {
			return fmt.Errorf("tool %d: %w", i, err)
		}
		p.plain("\n" + s)
	}
	p.own(toolsAfter)
	return nil
}

// endTurn ends a turn that is not supervised.
func (p *page) endTurn() {
	p.control(imEnd)
	p.own("\n")
}

// message renders a message between those of roles before and after.
func (p *page) message(m Message, before, after Role) error {
	switch m.Role {
	case User:
		p.control(imStart)
		p.own("user\n")
		if err := p.content(m); err != nil {
			return err
		}
		p.endTurn()
		return nil
	case Assistant:
		return p.assistant(m)
	case Tool:
		return p.toolReply(m, before, after)
	case System:
		return errors.New("system message after the first, where the template drops it: join it with the first message")
	default:
		return fmt.Errorf("role %q, want system, user, assistant or tool", m.Role)
	}
}

// toolReply renders the result of a tool. Neighbouring results share one turn
// of the user.
func (p *page) toolReply(m Message, before, after Role) error {
	if before != Tool {
		p.control(imStart)
		p.own("user")
	}
	p.own("\n")
	p.control(toolReply)
	p.own("\n")
	if err := p.content(m); err != nil {
		return err
	}
	p.own("\n")
	p.control(toolReplyEnd)
	if after != Tool {
		p.endTurn()
	}
	return nil
}

// content renders text and images of a user or a tool.
func (p *page) content(m Message) error {
	for i, part := range m.Parts {
		if part.Image == nil {
			p.plain(part.Text)
			continue
		}
		if part.Text != "" {
			return fmt.Errorf("part %d is text and an image, want two parts", i)
		}
		if err := p.picture(part.Image); err != nil {
			return fmt.Errorf("part %d: %w", i, err)
		}
	}
	return nil
}

// picture renders an image.
func (p *page) picture(image *vision.Patches) error {
	g, merge := image.Grid, p.renderer.merge
	if g.T != 1 || g.H < 1 || g.W < 1 || g.H%merge != 0 || g.W%merge != 0 {
		return fmt.Errorf("image of %dx%dx%d patches, want one frame of sides divisible by %d", g.T, g.H, g.W, merge)
	}
	p.pictures++
	if p.visionIDs {
		p.own(fmt.Sprintf("Picture %d: ", p.pictures))
	}
	p.control(visionStart)
	p.placeholder(image)
	p.control(visionEnd)
	return nil
}

// text returns the content of a message that must be text.
func (m Message) text() (string, error) {
	var b strings.Builder
	for i, part := range m.Parts {
		if part.Image != nil {
			return "", fmt.Errorf("part %d: image in a message of role %q, where the template drops it: put it into one of the user", i, m.Role)
		}
		b.WriteString(part.Text)
	}
	return b.String(), nil
}

// assistant renders an answer, with labels if they are wanted.
func (p *page) assistant(m Message) error {
	content, err := m.text()
	if err != nil {
		return err
	}
	calls, err := renderCalls(m.Calls, content != "")
	if err != nil {
		return err
	}
	answer := content + calls
	// Behind the line break of the header, other characters begin a token of
	// their own; a break or space could be one token with it.
	if first, _ := utf8.DecodeRuneInString(answer); p.supervise != None && unicode.IsSpace(first) {
		return fmt.Errorf("answer %.20q begins with white space, want it trimmed: it cannot be supervised", answer)
	}
	p.control(imStart)
	p.own("assistant\n")
	p.answered = true
	p.supervised = p.supervise != None
	p.own(answer)
	p.control(imEnd)
	p.supervised = p.supervise == AnswerNewline
	p.own("\n")
	p.supervised = false
	return nil
}

// renderCalls returns tool calls as text. A line break goes before each but the
// first of an answer.
func renderCalls(calls []Call, content bool) (string, error) {
	var b strings.Builder
	for i, c := range calls {
		if strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) || c.Name == "" {
			return "", fmt.Errorf("call %d: name %q, want one that JSON holds without escapes", i, c.Name)
		}
		arguments, err := renderArguments(c.Arguments)
		if err != nil {
			return "", fmt.Errorf("call %d (%s): arguments: %w", i, c.Name, err)
		}
		if content || i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s\n{\"name\": \"%s\", \"arguments\": %s}\n%s", toolCall, c.Name, arguments, toolCallEnd)
	}
	return b.String(), nil
}
