package dataset

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// field is one member of a JSON object.
type field struct {
	key   string
	value json.RawMessage
}

// object is a JSON object whose members keep their order.
type object []field

// parseObject reads a JSON object. A key that occurs twice is an error.
func parseObject(data []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("got %s, want an object", abridged(data))
	}
	var o object
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string) // the decoder lets nothing else through
		if seen[key] {
			return nil, fmt.Errorf("key %q occurs twice", key)
		}
		seen[key] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		o = append(o, field{key, value})
	}
	_, err := d.Token()
	return o, err
}

// get returns the value of a key, nil if there is none.
func (o object) get(key string) json.RawMessage {
	for _, f := range o {
		if f.key == key {
			return f.value
		}
	}
	return nil
}

// set replaces the value of a key, or appends it.
func (o object) set(key string, value json.RawMessage) object {
	for i := range o {
		if o[i].key == key {
			o[i].value = value
			return o
		}
	}
	return append(o, field{key, value})
}

// without returns the members that have none of the keys.
func (o object) without(keys ...string) object {
	return slices.DeleteFunc(slices.Clone(o), func(f field) bool { return slices.Contains(keys, f.key) })
}

// raw returns the object as JSON on one line, a space after each comma and
// colon (4.2).
func (o object) raw() json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteString(", ")
		}
		b.Write(quote(f.key))
		b.WriteString(": ")
		b.Write(spaced(f.value))
	}
	b.WriteByte('}')
	return b.Bytes()
}

// spaced returns JSON on one line with a space after each comma and colon.
// Numbers and strings stay as they are written.
func spaced(raw json.RawMessage) []byte {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return raw
	}
	out := make([]byte, 0, compact.Len()+compact.Len()/8)
	inString, escaped := false, false
	for _, c := range compact.Bytes() {
		out = append(out, c)
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == ':'):
			out = append(out, ' ')
		}
	}
	return out
}

// encode returns v as JSON on one line; <, > and & stay readable.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// quote returns s as JSON.
func quote(s string) []byte {
	text, err := encode(s)
	if err != nil {
		panic(fmt.Sprintf("dataset: %v", err)) // a string can always be encoded
	}
	return text
}

// writer builds a JSON object member by member.
type writer struct {
	b    bytes.Buffer
	keys []string
	err  error
}

// add appends a member.
func (w *writer) add(key string, v any) {
	value, err := encode(v)
	if err != nil {
		w.err = cmp.Or(w.err, fmt.Errorf("%s: %w", key, err))
		return
	}
	if w.b.Len() > 0 {
		w.b.WriteByte(',')
	}
	w.b.Write(quote(key))
	w.b.WriteByte(':')
	w.b.Write(value)
	w.keys = append(w.keys, key)
}

// addSorted appends members in the order of their keys, but for those that are
// there already.
func (w *writer) addSorted(m map[string]json.RawMessage) {
	there := w.keys // few; m may be of any size
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(there, key) {
			w.add(key, m[key])
		}
	}
}

// bytes returns the object.
func (w *writer) bytes() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	return slices.Concat([]byte{'{'}, w.b.Bytes(), []byte{'}'}), nil
}

// isNull reports whether a value is missing or null.
func isNull(raw json.RawMessage) bool {
	return len(raw) == 0 || string(bytes.TrimSpace(raw)) == "null"
}

// asString reads a JSON string.
func asString(raw json.RawMessage) (string, error) {
	var s string
	if isNull(raw) || json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("got %s, want a string", abridged(raw))
	}
	return s, nil
}

// asInt reads a whole number, also one that is written as 3.0.
func asInt(raw json.RawMessage) (int, error) {
	f, err := asFloat(raw)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<52 {
		return 0, fmt.Errorf("got %s, want an integer", abridged(raw))
	}
	return int(f), nil
}

// asFloat reads a number.
func asFloat(raw json.RawMessage) (float64, error) {
	f, err := strconv.ParseFloat(string(bytes.TrimSpace(raw)), 64)
	if err != nil || !json.Valid(raw) {
		return 0, fmt.Errorf("got %s, want a number", abridged(raw))
	}
	return f, nil
}

// asNumbers reads an array of n numbers.
func asNumbers(raw json.RawMessage, n int) ([]float64, error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) != n {
		return nil, fmt.Errorf("got %s, want %d numbers", abridged(raw), n)
	}
	out := make([]float64, n)
	for i, one := range list {
		f, err := asFloat(one)
		if err != nil {
			return nil, fmt.Errorf("got %s, want %d numbers", abridged(raw), n)
		}
		out[i] = f
	}
	return out, nil
}

// asPair reads an array of two integers; null gives nil.
func asPair(raw json.RawMessage) ([]int, error) {
	if isNull(raw) {
		return nil, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) != 2 {
		return nil, fmt.Errorf("got %s, want two integers", abridged(raw))
	}
	x, errX := asInt(list[0])
	y, errY := asInt(list[1])
	if errX != nil || errY != nil {
		return nil, fmt.Errorf("got %s, want two integers", abridged(raw))
	}
	return []int{x, y}, nil
}

// asTolerance reads a tolerance: two integers, or one that means both (4.4).
func asTolerance(raw json.RawMessage) ([]int, error) {
	if n, err := asInt(raw); err == nil {
		return []int{n, n}, nil
	}
	return asPair(raw)
}

// abridged returns JSON for a message, at most about 40 bytes of it.
func abridged(raw []byte) string {
	s := strings.Join(strings.Fields(string(raw)), " ")
	switch {
	case s == "":
		return "nothing"
	case len(s) > 40:
		return strings.ToValidUTF8(s[:37], "") + "..."
	}
	return s
}
