package prompt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// renderArguments returns the arguments of a call as the template writes them:
// the content of a string, or else JSON.
func renderArguments(raw json.RawMessage) (string, error) {
	var s string
	if raw = bytes.TrimSpace(raw); len(raw) > 0 && raw[0] == '"' {
		err := json.Unmarshal(raw, &s)
		return s, err
	}
	return pythonJSON(raw)
}

// pythonJSON writes JSON as Python's json.dumps(ensure_ascii=False) does, which
// is what the templates of the library call: a space after every comma and
// colon, keys in their order, nothing escaped that need not be, numbers as
// Python reads and prints them.
func pythonJSON(raw json.RawMessage) (string, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return "", fmt.Errorf("not JSON: %w", err)
	}
	var b strings.Builder
	b.Grow(compact.Len() + compact.Len()/8)
	for s := compact.Bytes(); len(s) > 0; {
		n, err := pythonToken(&b, s)
		if err != nil {
			return "", err
		}
		s = s[n:]
	}
	return b.String(), nil
}

// pythonToken writes the first token of s, compact and valid JSON, and returns
// its length in s.
func pythonToken(b *strings.Builder, s []byte) (int, error) {
	switch c := s[0]; {
	case c == ',' || c == ':':
		b.WriteByte(c)
		b.WriteByte(' ')
		return 1, nil
	case c == '"':
		n := stringLen(s)
		var text string
		if err := json.Unmarshal(s[:n], &text); err != nil {
			return 0, err
		}
		pythonString(b, text)
		return n, nil
	case c == '-' || c >= '0' && c <= '9':
		n := len(s) - len(bytes.TrimLeft(s, "+-.0123456789eE"))
		return n, pythonNumber(b, string(s[:n]))
	default: // brackets, or a letter of true, false and null
		b.WriteByte(c)
		return 1, nil
	}
}

// stringLen returns the length of the JSON string that s begins with.
func stringLen(s []byte) int {
	n := 1
	for s[n] != '"' {
		if s[n] == '\\' {
			n++
		}
		n++
	}
	return n + 1
}

// pythonString writes a string with the escapes that Python uses.
func pythonString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch i := strings.IndexRune("\"\\\b\f\n\r\t", r); {
		case i >= 0:
			b.WriteByte('\\')
			b.WriteByte(`"\bfnrt`[i])
		case r < ' ':
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// pythonNumber writes a number: integers as they are, others as the shortest
// decimal of their float64, with an exponent below 1e-4 and from 1e16 on.
func pythonNumber(b *strings.Builder, s string) error {
	if !strings.ContainsAny(s, ".eE") {
		if s == "-0" {
			s = "0"
		}
		b.WriteString(s)
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("number %.40s, want one that a float64 holds", s)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		b.WriteString(strconv.FormatFloat(f, 'e', -1, 64))
		return nil
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	b.WriteString(s)
	if !strings.Contains(s, ".") {
		b.WriteString(".0")
	}
	return nil
}
