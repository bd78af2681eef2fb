package store

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest name and the longest part of one, in bytes.
const (
	MaxName = 1024
	MaxPart = 255
)

// CheckName returns an error that wraps [ErrName] unless name may be stored:
// one or more parts between slashes, none empty, none that begins with a dot,
// valid UTF-8 without control characters and backslashes, at most [MaxName]
// bytes and [MaxPart] a part.
func CheckName(name string) error { return checkName(name, false) }

// CheckPath is CheckName for a file of a tree. A part may begin with a dot, but
// not be "." or "..".
func CheckPath(path string) error { return checkName(path, true) }

// CheckPrefix returns an error that wraps [ErrName] unless prefix is the
// beginning of a name, or empty.
func CheckPrefix(prefix string) error {
	whole, rest := "", prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		whole, rest = prefix[:i], prefix[i+1:]
		if err := CheckName(whole); err != nil {
			return err
		}
	}
	if rest == "" {
		return nil
	}
	return CheckName(prefix)
}

func checkName(name string, hidden bool) error {
	reason := ""
	switch {
	case len(name) > MaxName:
		reason = fmt.Sprintf("%d bytes, want at most %d", len(name), MaxName)
	case !utf8.ValidString(name):
		reason = "not valid UTF-8"
	case strings.ContainsFunc(name, unprintable):
		reason = "control character or backslash"
	default:
		for part := range strings.SplitSeq(name, "/") {
			if reason = badPart(part, hidden); reason != "" {
				break
			}
		}
	}
	if reason == "" {
		return nil
	}
	return fmt.Errorf("%w %.100q: %s", ErrName, name, reason)
}

// unprintable reports whether a character can hide what a name is. Backslashes
// separate folders on some systems.
func unprintable(r rune) bool { return unicode.IsControl(r) || r == '\\' }

// badPart says what is wrong with a part of a name, "" if nothing is.
func badPart(part string, hidden bool) string {
	switch {
	case part == "":
		return "empty part"
	case part == "." || part == "..":
		return fmt.Sprintf("part %q", part)
	case part[0] == '.' && !hidden:
		return fmt.Sprintf("part %.40q begins with a dot", part)
	case len(part) > MaxPart:
		return fmt.Sprintf("part of %d bytes, want at most %d", len(part), MaxPart)
	}
	return ""
}
