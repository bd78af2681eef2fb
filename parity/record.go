package parity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// record is one JSON object of case.json. It remembers which keys were read,
// so that the rest can be reported. The first problem is kept and reported by
// the run; after it, reads return zero values.
type record struct {
	path   string // of the object in its file: "case.json: runs.text"
	prefix string // of its keys below the top: "runs.text."
	values map[string]json.RawMessage
	known  map[string]bool // keys that were read
	inner  []*record
	fail   func(error)
}

// parseRecord reads data, the contents of file, as one object.
func parseRecord(file string, data []byte, fail func(error)) *record {
	r := &record{path: file, known: map[string]bool{}, fail: fail}
	r.decode(data, &r.values, "an object")
	return r
}

// decode reads raw into v. JSON null, which the decoder would take for any
// zero value, is refused.
func (r *record) decode(raw []byte, v any, want string) {
	if len(raw) == 0 {
		return // absent, which the caller has reported, or an earlier problem
	}
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		r.fail(fmt.Errorf("%s: null, want %s", r.path, want))
		return
	}
	if err := json.Unmarshal(raw, v); err != nil {
		r.fail(fmt.Errorf("%s: %w, want %s", r.path, err, want))
	}
}

// raw returns the text of a key that must be there.
func (r *record) raw(key string) json.RawMessage {
	v, ok := r.values[key]
	if !ok {
		r.fail(fmt.Errorf("%s: no key %q", r.path, r.prefix+key))
	}
	r.known[key] = true
	return v
}

// has reports whether key is there.
func (r *record) has(key string) bool {
	_, ok := r.values[key]
	return ok
}

// keys returns all keys, sorted.
func (r *record) keys() []string { return slices.Sorted(maps.Keys(r.values)) }

// read decodes a key that must be there.
func (r *record) read(key string, v any, want string) {
	r.at(key).decode(r.raw(key), v, want)
}

// at returns a record for messages about one key.
func (r *record) at(key string) *record {
	at := *r
	at.path = r.path + ": " + r.prefix + key
	return &at
}

// text returns a string.
func (r *record) text(key string) string {
	var v string
	r.read(key, &v, "a string")
	return v
}

// flag returns a truth value, false where there is no such key.
func (r *record) flag(key string) bool {
	var v bool
	if r.has(key) {
		r.read(key, &v, "true or false")
	}
	return v
}

// number returns a number; JSON has no NaN and no infinity.
func (r *record) number(key string) float64 {
	var v float64
	r.read(key, &v, "a number")
	return v
}

// integer returns a whole number in lo..hi.
func (r *record) integer(key string, lo, hi int) int {
	v := lo
	r.read(key, &v, "a whole number")
	if v < lo || v > hi {
		r.fail(fmt.Errorf("%s: %s%s: %d, want %d to %d", r.path, r.prefix, key, v, lo, hi))
		return lo
	}
	return v
}

// seed returns a whole number modulo 2⁶⁴.
func (r *record) seed(key string) uint64 {
	raw := string(r.raw(key))
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
		return uint64(n)
	}
	n, err := strconv.ParseUint(raw, 10, 64)
	if err != nil && raw != "" {
		r.fail(fmt.Errorf("%s: %s%s: want a whole number of 64 bits", r.path, r.prefix, key))
	}
	return n
}

// integers returns a list of whole numbers that fit 32 bits.
func (r *record) integers(key string) []int32 {
	var v []*int32 // pointers, because null would pass for 0
	r.read(key, &v, "a list of whole numbers")
	return present(r.at(key), v)
}

// numbers returns a list of numbers.
func (r *record) numbers(key string) []float64 {
	var v []*float64
	r.read(key, &v, "a list of numbers")
	return present(r.at(key), v)
}

// texts returns a list of strings.
func (r *record) texts(key string) []string {
	var v []*string
	r.read(key, &v, "a list of strings")
	return present(r.at(key), v)
}

// present returns what the pointers point to; nil is a problem.
func present[T any](at *record, list []*T) []T {
	out := make([]T, 0, len(list))
	for i, p := range list {
		if p == nil {
			at.fail(fmt.Errorf("%s: element %d is null", at.path, i))
			return nil
		}
		out = append(out, *p)
	}
	return out
}

// object returns the object at key. Its own keys count as read one by one.
func (r *record) object(key string) *record {
	return r.enter(key, r.raw(key))
}

// objects returns the list of objects at key.
func (r *record) objects(key string) []*record {
	var list []json.RawMessage
	r.read(key, &list, "a list of objects")
	var out []*record
	for i, raw := range list {
		out = append(out, r.enter(fmt.Sprintf("%s[%d]", key, i), raw))
	}
	return out
}

func (r *record) enter(key string, raw json.RawMessage) *record {
	in := &record{path: r.path, prefix: r.prefix + key + ".", known: map[string]bool{}, fail: r.fail}
	r.at(key).decode(raw, &in.values, "an object")
	r.inner = append(r.inner, in)
	return in
}

// unread returns the keys that nobody read, with the objects they are in.
func (r *record) unread() []string {
	var out []string
	for _, key := range r.keys() {
		if !r.known[key] {
			out = append(out, r.prefix+key)
		}
	}
	for _, in := range r.inner {
		out = append(out, in.unread()...)
	}
	return out
}

// errorf returns an error about r that names file and object.
func (r *record) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s%w", r.path, r.prefix, fmt.Errorf(format, args...))
}
