package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The tools (4.2).
const (
	ComputerUse      = "computer_use"
	GetBox           = "get_bbox"
	TextVerification = "text_verification"
)

// The tags around a tool call (4.2).
const (
	openTag  = "<tool_call>"
	closeTag = "</tool_call>"
)

// UnmarshalJSON reads {"name": ..., "arguments": {...}}.
func (c *ToolCall) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	if c.Name, err = asString(o.get("name")); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	arguments, err := parseObject(o.get("arguments"))
	if err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	c.Arguments = arguments.raw()
	return nil
}

// Arg returns the value of an argument, nil if there is none.
func (c ToolCall) Arg(key string) json.RawMessage {
	o, err := parseObject(c.Arguments)
	if err != nil {
		return nil
	}
	return o.get(key)
}

// Action returns the action of a computer_use call, else the tool's name.
func (c ToolCall) Action() string {
	if c.Name != ComputerUse {
		return c.Name
	}
	s, _ := asString(c.Arg("action"))
	return s
}

// Render returns the call on one line, name first, as it stands between the
// tags (4.2).
func (c ToolCall) Render() string {
	return string(object{{"name", quote(c.Name)}, {"arguments", c.Arguments}}.raw())
}

// RenderCalls returns an answer of one block for each call (4.2).
func RenderCalls(calls ...ToolCall) string {
	blocks := make([]string, len(calls))
	for i, c := range calls {
		blocks[i] = openTag + "\n" + c.Render() + "\n" + closeTag
	}
	return strings.Join(blocks, "\n")
}

// ParseCalls reads the tool calls of an answer (4.2). The tags may be written
// in any case, with any white space inside; text around the blocks is passed
// over. It never panics, whatever the text. The error says why there is no call,
// or what is wrong with one; calls before that one are returned.
func ParseCalls(text string) ([]ToolCall, error) {
	var calls []ToolCall
	for rest := text; ; {
		at := indexFold(rest, openTag)
		if at < 0 {
			if calls == nil {
				return nil, fmt.Errorf("no %s in %s", openTag, abridged(quote(text)))
			}
			return calls, nil
		}
		call, n, err := parseBlock(rest[at+len(openTag):])
		if err != nil {
			return calls, fmt.Errorf("tool call %d: %w", len(calls)+1, err)
		}
		calls = append(calls, call)
		rest = rest[at+len(openTag)+n:]
	}
}

// parseBlock reads a call and its closing tag; n is their length.
func parseBlock(s string) (call ToolCall, n int, err error) {
	d := json.NewDecoder(strings.NewReader(s))
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return call, 0, fmt.Errorf("no JSON after %s", openTag)
	}
	if err := call.UnmarshalJSON(raw); err != nil {
		return call, 0, err
	}
	n = int(d.InputOffset())
	after := strings.TrimLeft(s[n:], " \t\r\n")
	if len(after) < len(closeTag) || !strings.EqualFold(after[:len(closeTag)], closeTag) {
		return call, 0, fmt.Errorf("no %s after the JSON", closeTag)
	}
	return call, len(s) - len(after) + len(closeTag), nil
}

// indexFold returns where an ASCII mark begins in s, in any case, -1 if nowhere.
func indexFold(s, mark string) int {
	for at := 0; ; at++ {
		i := strings.IndexByte(s[at:], mark[0])
		if at += i; i < 0 || len(s)-at < len(mark) {
			return -1
		}
		if strings.EqualFold(s[at:at+len(mark)], mark) {
			return at
		}
	}
}

// Normalise returns the call with the variants of 4.2 in their present form:
// tool "computer", argument "duration" of wait, "direction" with "amount" or
// "scroll_amount", "element" of get_bbox. kinds names what was changed.
func (c ToolCall) Normalise() (out ToolCall, kinds []string) {
	o, err := parseObject(c.Arguments)
	if err != nil {
		return c, nil
	}
	if c.Name == "computer" {
		c.Name = ComputerUse
		kinds = append(kinds, ToolName)
	}
	if o, kind := variant(c.Name, o); kind != "" {
		kinds = append(kinds, kind)
		c.Arguments = o.raw()
	}
	return c, kinds
}

// variant returns the arguments of a tool in their present form, and the kind
// of the change, "" if there is none.
func variant(tool string, o object) (object, string) {
	changed, kind := false, ""
	switch action, _ := asString(o.get("action")); {
	case tool == GetBox:
		kind = BoxElement
		o, changed = o.rename("element", "label")
	case action == "wait":
		kind = WaitDuration
		o, changed = o.rename("duration", "time")
	case action == "scroll" || action == "hscroll":
		kind = ScrollAmount
		o, changed = scrollPixels(o)
	}
	if !changed {
		kind = ""
	}
	return o, kind
}

// rename gives a member another key, unless there is one of that key already.
func (o object) rename(from, to string) (object, bool) {
	if o.get(from) == nil || o.get(to) != nil {
		return o, false
	}
	for i := range o {
		if o[i].key == from {
			o[i].key = to
		}
	}
	return o, true
}

// scrollPixels replaces direction and amount by pixels, positive for down and
// right. A direction across makes the action hscroll.
func scrollPixels(o object) (object, bool) {
	direction, err := asString(o.get("direction"))
	raw := o.get("amount")
	if raw == nil {
		raw = o.get("scroll_amount")
	}
	amount, errAmount := asFloat(raw)
	if err != nil || errAmount != nil || o.get("pixels") != nil {
		return o, false
	}
	action, sign := "scroll", 1.0
	switch strings.ToLower(direction) {
	case "down":
	case "up":
		sign = -1
	case "right":
		action = "hscroll"
	case "left":
		action, sign = "hscroll", -1
	default:
		return o, false
	}
	pixels := strconv.FormatFloat(sign*math.Abs(amount), 'f', -1, 64)
	o = o.set("action", quote(action)).set("pixels", json.RawMessage(pixels))
	return o.without("direction", "amount", "scroll_amount"), true
}

// normaliseAnswer returns an answer in the form of 4.2 and its calls. What is
// changed is noted. An "Action:" line before the calls is dropped; other text
// there is an error.
func normaliseAnswer(text string, at place, note noter) (string, []ToolCall, error) {
	calls, err := ParseCalls(text)
	if err != nil {
		return text, nil, err
	}
	before := text[:indexFold(text, openTag)]
	switch trimmed := strings.TrimSpace(before); {
	case strings.HasPrefix(trimmed, "Action:"):
		note(at, ActionLine)
	case trimmed != "":
		return text, nil, fmt.Errorf("got %s, want %s at the beginning", abridged(quote(text)), openTag)
	case before != "":
		note(at, LeadingNewline)
	}
	changed := false
	for i, c := range calls {
		var kinds []string
		calls[i], kinds = c.Normalise()
		changed = changed || kinds != nil
		for _, kind := range kinds {
			note(at, kind)
		}
	}
	out := RenderCalls(calls...)
	if !changed && out != text[len(before):] {
		note(at, CallRewritten)
	}
	return out, calls, nil
}

// point returns the coordinate of a call.
func (c ToolCall) point() (xy [2]float64, ok bool) {
	v, err := asNumbers(c.Arg("coordinate"), 2)
	if err != nil {
		return xy, false
	}
	return [2]float64(v), true
}

// boxes returns the boxes of a get_bbox or text_verification call,
// [x1, y1, x2, y2] in RU.
func (c ToolCall) boxes() ([][4]float64, error) {
	switch c.Name {
	case GetBox:
		b, err := asNumbers(c.Arg("bbox_2d"), 4)
		if err != nil {
			return nil, fmt.Errorf("bbox_2d: %w", err)
		}
		return [][4]float64{[4]float64(b)}, nil
	case TextVerification:
		return c.regionBoxes()
	}
	return nil, nil
}

// regionBoxes returns the boxes of the two regions of a text_verification.
func (c ToolCall) regionBoxes() ([][4]float64, error) {
	var regions []json.RawMessage
	if raw := c.Arg("regions"); isNull(raw) || json.Unmarshal(raw, &regions) != nil || len(regions) != 2 {
		return nil, fmt.Errorf("regions: got %s, want two objects {bbox_2d, label}", abridged(raw))
	}
	out := make([][4]float64, 2)
	for i, raw := range regions {
		o, err := parseObject(raw)
		if err != nil {
			return nil, fmt.Errorf("regions: %w", err)
		}
		b, err := asNumbers(o.get("bbox_2d"), 4)
		if err != nil {
			return nil, fmt.Errorf("regions: bbox_2d: %w", err)
		}
		if _, err := asString(o.get("label")); err != nil {
			return nil, fmt.Errorf("regions: label: %w", err)
		}
		out[i] = [4]float64(b)
	}
	return out, nil
}

// mapPoints returns the call with every coordinate and box moved by f, which
// takes and gives RU.
func (c ToolCall) mapPoints(f func(x, y float64) (float64, float64)) (ToolCall, error) {
	o, err := parseObject(c.Arguments)
	if err != nil {
		return c, err
	}
	for i, m := range o {
		switch m.key {
		case "coordinate", "bbox_2d":
			o[i].value, err = mapNumbers(m.value, f)
		case "regions":
			o[i].value, err = mapRegions(m.value, f)
		}
		if err != nil {
			return c, fmt.Errorf("%s: %w", m.key, err)
		}
	}
	c.Arguments = o.raw()
	return c, nil
}

// mapNumbers moves a list of x, y, x, y, ... and rounds to whole RU.
func mapNumbers(raw json.RawMessage, f func(x, y float64) (float64, float64)) (json.RawMessage, error) {
	var v []float64
	if err := json.Unmarshal(raw, &v); err != nil || len(v)%2 != 0 {
		return nil, fmt.Errorf("got %s, want pairs of numbers", abridged(raw))
	}
	texts := make([]string, len(v))
	for i := 0; i < len(v); i += 2 {
		x, y := f(v[i], v[i+1])
		texts[i], texts[i+1] = strconv.Itoa(roundEven(x)), strconv.Itoa(roundEven(y))
	}
	return json.RawMessage("[" + strings.Join(texts, ", ") + "]"), nil
}

// mapRegions moves the boxes of the regions of a text_verification.
func mapRegions(raw json.RawMessage, f func(x, y float64) (float64, float64)) (json.RawMessage, error) {
	var regions []json.RawMessage
	if err := json.Unmarshal(raw, &regions); err != nil {
		return nil, errors.New("want an array")
	}
	for i, one := range regions {
		o, err := parseObject(one)
		if err != nil {
			return nil, err
		}
		box, err := mapNumbers(o.get("bbox_2d"), f)
		if err != nil {
			return nil, err
		}
		regions[i] = o.set("bbox_2d", box).raw()
	}
	return append(append([]byte{'['}, bytes.Join(asBytes(regions), []byte(", "))...), ']'), nil
}

// asBytes returns the same slices under their plain type.
func asBytes(raw []json.RawMessage) [][]byte {
	out := make([][]byte, len(raw))
	for i, r := range raw {
		out[i] = r
	}
	return out
}
