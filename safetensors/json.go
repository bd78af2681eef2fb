package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// jsonReader reads JSON of a known form token by token, so that duplicate keys,
// unknown keys and surprising nesting are seen, and nothing is built that the
// form does not ask for.
type jsonReader struct{ dec *json.Decoder }

// readJSON checks that text is one object and nothing else, and reads it into a
// map, as object does.
func readJSON[V any](text []byte, into map[string]V, value func(r *jsonReader, key string) (V, error)) error {
	if !utf8.Valid(text) { // the decoder would replace what is wrong
		return errors.New("not valid UTF-8")
	}
	r := &jsonReader{json.NewDecoder(bytes.NewReader(text))}
	r.dec.UseNumber()
	if err := object(r, into, func(key string) (V, error) { return value(r, key) }); err != nil {
		return fmt.Errorf("at byte %d: %w", r.dec.InputOffset(), err)
	}
	end := r.dec.InputOffset()
	if rest := bytes.TrimLeft(text[end:], " \t\r\n"); len(rest) > 0 {
		return fmt.Errorf("at byte %d: %.20q after the end of the object", end, rest)
	}
	return nil
}

// object reads an object into a map, which must be empty; value is called after
// each key and must read its value. A key that is in the map already occurs
// twice: there is no second list of keys, to keep memory small.
func object[V any](r *jsonReader, into map[string]V, value func(key string) (V, error)) error {
	if err := r.delim('{', "an object"); err != nil {
		return err
	}
	for r.dec.More() {
		key, err := r.string()
		if err != nil {
			return err
		}
		if _, ok := into[key]; ok {
			return fmt.Errorf("key %.100q occurs twice", key)
		}
		if into[key], err = value(key); err != nil {
			return err
		}
	}
	_, err := r.token()
	return err
}

// token returns the next token.
func (r *jsonReader) token() (json.Token, error) {
	t, err := r.dec.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return t, err
}

// delim reads the delimiter d, the beginning of what.
func (r *jsonReader) delim(d json.Delim, what string) error {
	t, err := r.token()
	if err == nil && t != d {
		err = fmt.Errorf("found %s, want %s", describe(t), what)
	}
	return err
}

// string reads a string.
func (r *jsonReader) string() (string, error) {
	t, err := r.token()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", fmt.Errorf("found %s, want a string", describe(t))
	}
	return s, nil
}

// ints reads an array of at most limit integers of 0 to the largest int.
func (r *jsonReader) ints(limit int) ([]int, error) {
	if err := r.delim('[', "an array"); err != nil {
		return nil, err
	}
	list := []int{}
	for r.dec.More() {
		t, err := r.token()
		if err != nil {
			return nil, err
		}
		number, _ := t.(json.Number)
		n, err := strconv.ParseUint(number.String(), 10, strconv.IntSize-1)
		if err != nil {
			return nil, fmt.Errorf("found %s, want an integer of 0 to %d", describe(t), math.MaxInt)
		}
		if len(list) == limit {
			return nil, fmt.Errorf("more than %d numbers", limit)
		}
		list = append(list, int(n))
	}
	_, err := r.token()
	return list, err
}

// skip reads a value of any kind, with at most depth arrays and objects in one
// another.
func (r *jsonReader) skip(depth int) error {
	open := 0
	for {
		t, err := r.token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			open++
		case json.Delim('}'), json.Delim(']'):
			open--
		}
		if open > depth {
			return fmt.Errorf("nested more than %d deep", depth)
		}
		if open == 0 {
			return nil
		}
	}
}

// describe names a token in a message, however long it is.
func describe(t json.Token) string {
	switch t := t.(type) {
	case json.Delim:
		return strconv.Quote(t.String())
	case string:
		return fmt.Sprintf("the string %.40q", t)
	case json.Number:
		return fmt.Sprintf("%.40s", t.String())
	case nil:
		return "null"
	}
	return fmt.Sprint(t)
}
