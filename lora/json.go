package lora

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// member is one key of a JSON object with its value, not yet decoded.
type member struct {
	name  string
	value json.RawMessage
}

// members returns the members of the JSON object that text holds, in order. A
// key that occurs twice is an error: readers disagree on which one counts.
func members(text []byte) ([]member, error) {
	var whole json.RawMessage // syntax and depth of nesting are checked here
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(whole))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%s, want an object", shown(whole))
	}
	var out []member
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: key.(string)} // a key: the decoder accepts nothing else here
		if seen[m.name] {
			return nil, fmt.Errorf("key %.100q occurs twice", m.name)
		}
		seen[m.name] = true
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// decode sets what out points to. A null changes nothing.
func decode(value json.RawMessage, out any, want string) error {
	if err := json.Unmarshal(value, out); err != nil {
		return fmt.Errorf("%s, want %s", shown(value), want)
	}
	return nil
}

// decodeTargets reads a list of names, or a string, which is an expression.
func decodeTargets(value json.RawMessage, t *Targets) error {
	if json.Unmarshal(value, &t.Regexp) == nil {
		return nil // a string, or null
	}
	err := decode(value, &t.List, "a list of names or a regular expression")
	if len(t.List) == 0 {
		t.List = nil // as null
	}
	return err
}

// decodeOneOrMore reads a value or a list of values; null and an empty list
// are nil.
func decodeOneOrMore[T any](value json.RawMessage, out *[]T, what string) error {
	if isUnset(value) {
		return nil
	}
	var one T
	if json.Unmarshal(value, &one) == nil {
		*out = []T{one}
		return nil
	}
	return decode(value, out, "one or a list of "+what)
}

// decodeOverrides reads an object of numbers, whose order counts.
func decodeOverrides(value json.RawMessage, out *[]Override) error {
	if isUnset(value) {
		return nil
	}
	list, err := members(value)
	if err != nil {
		return err
	}
	for _, m := range list {
		o := Override{Key: m.name}
		if err := decode(m.value, &o.Value, "a number"); err != nil {
			return fmt.Errorf("%.100q: %w", m.name, err)
		}
		*out = append(*out, o)
	}
	return nil
}

// decodeInit reads init_lora_weights, and sets zero to whether B started at
// zero. The ways of starting that change the base weights as well are errors:
// the adapter means nothing without that change.
func decodeInit(value json.RawMessage, zero *bool) error {
	if json.Unmarshal(value, zero) == nil {
		return nil // true, false or null
	}
	var way string
	if err := decode(value, &way, "true, false or a string"); err != nil {
		return err
	}
	switch way {
	case "gaussian", "eva":
		*zero = true
	case "orthogonal":
		*zero = false
	default:
		return fmt.Errorf("%.60q is not supported", way)
	}
	return nil
}

// checkBias returns an error unless no bias is trained.
func checkBias(value json.RawMessage) error {
	bias := "none"
	if err := decode(value, &bias, `"none"`); err != nil {
		return err
	}
	if bias != "none" {
		return fmt.Errorf("%.60q is not supported, want \"none\"", bias)
	}
	return nil
}

// isUnset reports whether value is null, false or empty.
func isUnset(value json.RawMessage) bool {
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil {
		return false
	}
	switch b.String() {
	case "null", "false", `""`, "[]", "{}":
		return true
	}
	return false
}

// shown returns the beginning of a value, on one line, for a message.
func shown(value json.RawMessage) string {
	const limit = 60
	if len(value) <= limit {
		return strings.Join(strings.Fields(string(value)), " ")
	}
	return strings.Join(strings.Fields(string(value[:limit])), " ") + "..."
}
