package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// cursor walks through JSON that encoding/json has found valid. Vocabulary
// and merges hold some 450,000 strings; reading them here, without values in
// between, takes a fifth of the time that decoding into maps and slices does.
type cursor struct {
	data []byte
	pos  int
}

// peek skips white space and returns the byte that follows, 0 at the end.
func (c *cursor) peek() byte {
	for c.pos < len(c.data) {
		switch b := c.data[c.pos]; b {
		case ' ', '\t', '\r', '\n':
			c.pos++
		default:
			return b
		}
	}
	return 0
}

// take skips b if it is what follows.
func (c *cursor) take(b byte) bool {
	if c.peek() != b {
		return false
	}
	c.pos++
	return true
}

// text reads a string. The result is valid while the data are.
func (c *cursor) text() ([]byte, error) {
	if c.peek() != '"' {
		return nil, fmt.Errorf("%s where a string is wanted", c.found())
	}
	raw := c.data[c.pos:c.literalEnd()]
	c.pos += len(raw)
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	return []byte(s), nil
}

// integer reads a number between 0 and 2³¹−1.
func (c *cursor) integer() (int32, error) {
	c.peek()
	word := c.data[c.pos:c.literalEnd()]
	n, err := strconv.ParseUint(string(word), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%s where an id is wanted", c.found())
	}
	c.pos += len(word)
	return int32(n), nil
}

// literalEnd returns the end of the string, or of the number or word, that
// begins at the cursor.
func (c *cursor) literalEnd() int {
	if c.pos >= len(c.data) || c.data[c.pos] != '"' {
		n := bytes.IndexAny(c.data[c.pos:], ",]}: \t\r\n")
		if n < 0 {
			return len(c.data)
		}
		return c.pos + n
	}
	i := c.pos + 1
	for c.data[i] != '"' {
		if c.data[i] == '\\' {
			i++
		}
		i++
	}
	return i + 1
}

// found describes what follows for an error message.
func (c *cursor) found() string {
	switch c.peek() {
	case 0, ']', '}':
		return "nothing"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	word := c.data[c.pos:c.literalEnd()]
	if len(word) > 40 {
		return fmt.Sprintf("%s…", word[:40])
	}
	return string(word)
}
