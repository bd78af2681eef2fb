package dataset

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// argument checks one argument of an action.
type argument struct {
	key   string
	check func(json.RawMessage) error
}

// actions lists what the actions of computer_use require (4.2).
var actions = map[string][]argument{
	"left_click":      {coordinate},
	"right_click":     {coordinate},
	"middle_click":    {coordinate},
	"double_click":    {coordinate},
	"triple_click":    {coordinate},
	"mouse_move":      {coordinate},
	"left_click_drag": {coordinate},
	"scroll":          {coordinate, pixels},
	"hscroll":         {coordinate, pixels},
	"key":             {{"keys", checkKeys}},
	"type":            {text},
	"wait":            {{"time", checkTime}},
	"terminate":       {{"status", checkStatus}},
	"answer":          {text},
	"ocr":             {text},
}

var (
	coordinate = argument{"coordinate", checkCoordinate}
	pixels     = argument{"pixels", func(raw json.RawMessage) error { _, err := asInt(raw); return err }}
	text       = argument{"text", func(raw json.RawMessage) error { _, err := asString(raw); return err }}
)

// Check says what is wrong with a call in its present form (4.2): an unknown
// tool or action, a missing argument, a coordinate outside 0..1000. Further
// arguments are allowed.
func (c ToolCall) Check() error {
	switch c.Name {
	case ComputerUse:
		return c.checkAction()
	case GetBox, TextVerification:
		boxes, err := c.boxes()
		for _, b := range boxes {
			err = cmp.Or(err, checkBox(b))
		}
		return err
	}
	return fmt.Errorf("tool %q: want %s, %s or %s", c.Name, ComputerUse, GetBox, TextVerification)
}

// checkAction checks a call of computer_use.
func (c ToolCall) checkAction() error {
	o, err := parseObject(c.Arguments)
	if err != nil {
		return err
	}
	action, err := asString(o.get("action"))
	if err != nil {
		return fmt.Errorf("action: %w", err)
	}
	required, ok := actions[action]
	if !ok {
		return fmt.Errorf("action %q: want one of %s", action, strings.Join(slices.Sorted(maps.Keys(actions)), ", "))
	}
	for _, a := range required {
		if err := a.check(o.get(a.key)); err != nil {
			return fmt.Errorf("%s: %s: %w", action, a.key, err)
		}
	}
	return nil
}

// checkCoordinate wants two whole RU.
func checkCoordinate(raw json.RawMessage) error {
	p, err := asPair(raw)
	if err != nil {
		return err
	}
	if p == nil {
		return errors.New("got nothing, want two integers")
	}
	if min(p[0], p[1]) < 0 || max(p[0], p[1]) > ruMax {
		return fmt.Errorf("%v is outside 0..%d", p, ruMax)
	}
	return nil
}

// checkKeys wants a list of names of keys.
func checkKeys(raw json.RawMessage) error {
	keys, err := asKeys(raw)
	if err == nil && len(keys) == 0 {
		err = errors.New("list is empty")
	}
	return err
}

// asKeys reads a list of strings.
func asKeys(raw json.RawMessage) ([]string, error) {
	var keys []string
	if isNull(raw) || json.Unmarshal(raw, &keys) != nil {
		return nil, fmt.Errorf("got %s, want a list of names", abridged(raw))
	}
	return keys, nil
}

// checkTime wants seconds.
func checkTime(raw json.RawMessage) error {
	seconds, err := asFloat(raw)
	if err == nil && seconds <= 0 {
		err = fmt.Errorf("%v s, want more than 0", seconds)
	}
	return err
}

// checkStatus wants how a task ended.
func checkStatus(raw json.RawMessage) error {
	s, err := asString(raw)
	if err == nil && s != "success" && s != "failure" {
		err = fmt.Errorf("got %q, want success or failure", s)
	}
	return err
}

// checkBox wants corners in order and inside the image.
func checkBox(b [4]float64) error {
	if b[0] < 0 || b[1] < 0 || b[2] > ruMax || b[3] > ruMax || b[0] >= b[2] || b[1] >= b[3] {
		return fmt.Errorf("bbox_2d %v: want x1 < x2, y1 < y2, all in 0..%d", b, ruMax)
	}
	return nil
}
