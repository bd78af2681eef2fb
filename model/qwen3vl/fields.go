package qwen3vl

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// fields reads one JSON object strictly. The first problem is kept and
// reported by err; after it, reads return zero values. Objects inside share
// the place where the problem is kept.
type fields struct {
	path    string // where the object is, for messages
	values  map[string]json.RawMessage
	problem *error
}

// parseFields reads data as one object.
func parseFields(path string, data []byte) (*fields, error) {
	f := &fields{path: path, problem: new(error)}
	if err := json.Unmarshal(data, &f.values); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.values == nil {
		return nil, fmt.Errorf("%s: null, want an object", path)
	}
	return f, nil
}

func (f *fields) err() error { return *f.problem }

func (f *fields) fail(key, text string) {
	if *f.problem == nil {
		*f.problem = fmt.Errorf("%s: %s: %s", f.path, key, text)
	}
}

// has reports whether key is there and not null.
func (f *fields) has(key string) bool {
	v, ok := f.values[key]
	return ok && string(v) != "null"
}

// read decodes key into v.
func (f *fields) read(key string, v any) {
	if !f.has(key) {
		f.fail(key, "missing")
		return
	}
	if err := json.Unmarshal(f.values[key], v); err != nil {
		f.fail(key, err.Error())
	}
}

func (f *fields) object(key string) *fields {
	in := &fields{path: f.path + ": " + key, problem: f.problem}
	f.read(key, &in.values)
	return in
}

// int returns a whole number in lo..hi. A value outside is a problem, and lo
// is returned so that what is derived from it stays defined.
func (f *fields) int(key string, lo, hi int) int {
	n := int64(lo)
	f.read(key, &n)
	if n < int64(lo) || n > int64(hi) {
		f.fail(key, fmt.Sprintf("%d, want %d to %d", n, lo, hi))
		return lo
	}
	return int(n)
}

// ints returns a list of whole numbers in lo..hi.
func (f *fields) ints(key string, lo, hi int) []int {
	var list []int64
	f.read(key, &list)
	var out []int
	for _, n := range list {
		if n < int64(lo) || n > int64(hi) {
			f.fail(key, fmt.Sprintf("%d, want %d to %d", n, lo, hi))
			return nil
		}
		out = append(out, int(n))
	}
	return out
}

func (f *fields) float(key string) float64 {
	var v float64
	f.read(key, &v)
	return v
}

func (f *fields) bool(key string) bool {
	var v bool
	f.read(key, &v)
	return v
}

func (f *fields) string(key string) string {
	var v string
	f.read(key, &v)
	return v
}

// oneOf demands that key holds one of the values.
func (f *fields) oneOf(key string, values ...string) {
	if got := f.string(key); !slices.Contains(values, got) {
		f.fail(key, fmt.Sprintf("%q, want %s", got, strings.Join(values, " or ")))
	}
}

// optionalFalse demands that key, if it is there, is false.
func (f *fields) optionalFalse(key string) {
	if f.has(key) && f.bool(key) {
		f.fail(key, "true, want false")
	}
}
