package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
)

const testFile = "test/test.json"

// parseTests yields the tests of a test.json (4.4), each with its index from 0.
// What is broken is given to broken, which says whether to go on.
func parseTests(data []byte, each func(i int, t Test, err error) bool) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return fmt.Errorf("got %s, want an array of tests", abridged(data[:min(len(data), 200)]))
	}
	for i := 0; d.More(); i++ {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			each(i, Test{}, fmt.Errorf("no JSON: %w", err))
			return nil
		}
		var t Test
		if err := t.UnmarshalJSON(raw); !each(i, t, err) {
			return nil
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("the array is not closed: %w", err)
	}
	return nil
}

// UnmarshalJSON reads one test. A tolerance of one number means both axes.
func (t *Test) UnmarshalJSON(data []byte) error {
	o, err := parseObject(data)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		key string
		dst *string
	}{{"test_id", &t.ID}, {"screenshot", &t.Screenshot}, {"prompt", &t.Prompt}} {
		if *f.dst, err = asString(o.get(f.key)); err != nil {
			return fmt.Errorf("%s: %w", f.key, err)
		}
	}
	if err := t.ExpectedAction.UnmarshalJSON(o.get("expected_action")); err != nil {
		return fmt.Errorf("expected_action: %w", err)
	}
	if t.Tolerance, err = asTolerance(o.get("tolerance")); err != nil {
		return fmt.Errorf("tolerance: %w", err)
	}
	if t.Metadata, err = parseMetadata(o.get("metadata")); err != nil {
		return err
	}
	return t.check()
}

var testID = regexp.MustCompile(`^test_\d{4,}[A-Za-z0-9_-]*$`)

// check looks at the fields that name things.
func (t *Test) check() error {
	if !testID.MatchString(t.ID) {
		return fmt.Errorf("test_id %q: want test_ and four digits or more", t.ID)
	}
	if err := checkImagePath(t.Screenshot); err != nil {
		return errors.New(strings.Replace(err.Error(), "image", "screenshot", 1))
	}
	return nil
}

// tests reads test/test.json.
func (l *loader) tests(dst *[]Test) error {
	at := l.place(testFile, WholeFile)
	data, err := readJSON(l.fsys, testFile)
	if err != nil {
		return l.absent(at, err, false, true)
	}
	var broken error
	err = parseTests(data, func(i int, t Test, err error) bool {
		if err != nil {
			broken = l.place(testFile, i).wrap(err)
			return false
		}
		l.testAnswer(l.place(testFile, i), &t)
		*dst = append(*dst, t)
		return true
	})
	if err != nil {
		return at.wrap(err)
	}
	return broken
}

// testAnswer normalises the expected call of a test.
func (l *loader) testAnswer(at place, t *Test) {
	call, kinds := t.ExpectedAction.Normalise()
	for _, kind := range kinds {
		l.note(at, kind)
	}
	t.ExpectedAction = call
	l.answers = append(l.answers, answer{at: at, calls: []ToolCall{call}, picture: path.Join("test", t.Screenshot)})
}
