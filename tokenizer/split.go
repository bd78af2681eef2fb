package tokenizer

import "strings"

// Pattern is the expression by which Qwen models split text into pieces. Go's
// regexp has no look-ahead, so pieceEnd is written by hand after it.
const Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|` +
	` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// pieceEnd returns the end of the piece of s that begins at i < len(s). The
// first alternative of Pattern that matches wins.
func pieceEnd(s string, i int) int {
	if n := contraction(s[i:]); n > 0 {
		return i + n
	}
	c, n := classAt(s, i)
	end := i + n
	switch c {
	case letter:
		return runEnd(s, end, letter)
	case number:
		return end
	case newline:
		return spaceEnd(s, i)
	}
	if end < len(s) {
		after, n := classAt(s, end)
		if after == letter {
			return runEnd(s, end+n, letter)
		}
		if s[i] == ' ' && after == other {
			return otherEnd(s, end+n)
		}
	}
	if c == other {
		return otherEnd(s, end)
	}
	return spaceEnd(s, i)
}

// otherEnd returns the end of a piece of class other whose rest begins at i:
// the run and the line breaks after it.
func otherEnd(s string, i int) int { return runEnd(s, runEnd(s, i, other), newline) }

// runEnd returns the end of the run of class c that begins at i, maybe empty.
func runEnd(s string, i int, c class) int {
	for i < len(s) {
		k, n := classAt(s, i)
		if k != c {
			break
		}
		i += n
	}
	return i
}

// spaceEnd returns the end of the piece that begins with white space at i: to
// the last line break of the run if it has one; else without the last
// character, which belongs to the word that follows, unless it is all there is.
func spaceEnd(s string, i int) int {
	end, last, lineEnd := i, i, 0
	for end < len(s) {
		c, n := classAt(s, end)
		if c != space && c != newline {
			break
		}
		last = end
		end += n
		if c == newline {
			lineEnd = end
		}
	}
	switch {
	case lineEnd > 0:
		return lineEnd
	case end == len(s) || last == i:
		return end
	default:
		return last
	}
}

// contraction returns the length of an apostrophe and s, t, re, ve, m, ll or d
// in any case at the beginning of s, or 0. The long s folds to s; no other
// character outside ASCII folds to one of these letters.
func contraction(s string) int {
	if s[0] != '\'' || len(s) < 2 {
		return 0
	}
	switch s[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		return second(s, 'e')
	case 'l':
		return second(s, 'l')
	}
	if strings.HasPrefix(s[1:], "ſ") {
		return 1 + len("ſ")
	}
	return 0
}

// second returns 3 if the second letter of a contraction is b in any case, or 0.
func second(s string, b byte) int {
	if len(s) > 2 && s[2]|0x20 == b {
		return 3
	}
	return 0
}
