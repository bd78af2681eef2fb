package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// nfc returns s, valid UTF-8, in Unicode normalisation form C as the reference
// library computes it. That differs from [norm.NFC] in two ways: its data stop
// at Unicode 9.0, so later combining characters are inert (see newer); and it
// knows no stream-safe limit, so a joiner is never put into a long run of
// combining marks. The data are taken from x/text, the algorithm is ours.
func nfc(s string) string {
	n := norm.NFC.QuickSpanString(s)
	if n == len(s) {
		return s // normal by newer data is normal by older data
	}
	var b strings.Builder
	b.Grow(len(s))
	for s != "" {
		b.WriteString(s[:n])
		s = s[n:]
		if s == "" {
			break
		}
		end := segmentEnd(s)
		b.WriteString(nfcSegment(s[:end]))
		s = s[end:]
		n = norm.NFC.QuickSpanString(s)
	}
	return b.String()
}

// nfcSegment normalises one segment: it is decomposed, its marks are put in
// order of combining class, and what can be is composed again. A segment in
// which nothing is special is left to x/text: no character decomposes into
// more than four, so of seven the limit of 30 marks is out of reach.
func nfcSegment(segment string) string {
	if utf8.RuneCountInString(segment) <= 7 {
		if out := norm.NFC.String(segment); !strings.ContainsFunc(out, isNewer) {
			return out
		}
	}
	var seg []rune
	for _, r := range segment {
		if isNewer(r) {
			seg = append(seg, r)
			continue
		}
		seg = append(seg, []rune(norm.NFD.String(string(r)))...)
	}
	sortMarks(seg)
	return string(compose(seg))
}

// segmentEnd returns the end of the first run of characters of s that may
// interact in normalisation: one character and all that can join to the left.
func segmentEnd(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if isNewer(r) || norm.NFC.PropertiesString(s[n:]).BoundaryBefore() {
			break
		}
		n += size
	}
	return n
}

// sortMarks puts every run of marks in order of combining class, keeping the
// order of equal ones.
func sortMarks(seg []rune) {
	for i := 0; i < len(seg); {
		if combiningClass(seg[i]) == 0 {
			i++
			continue
		}
		end := i + 1
		for end < len(seg) && combiningClass(seg[end]) != 0 {
			end++
		}
		slices.SortStableFunc(seg[i:end], func(a, b rune) int {
			return int(combiningClass(a)) - int(combiningClass(b))
		})
		i = end
	}
}

// compose joins each character with the last starter where a composite exists
// and nothing of the same or a higher class stands between them. It works in
// place and returns what is left.
func compose(seg []rune) []rune {
	starter, last := -1, uint8(0) // index of the starter, class of what follows it
	out := seg[:0]
	for _, r := range seg {
		class := combiningClass(r)
		adjacent := starter == len(out)-1
		if starter >= 0 && (adjacent || last < class) {
			if c, ok := composite(out[starter], r); ok {
				out[starter] = c
				continue
			}
		}
		if class == 0 {
			starter = len(out)
		}
		last = class
		out = append(out, r)
	}
	return out
}

// combiningClass returns the canonical combining class of r.
func combiningClass(r rune) uint8 {
	if r < 0x300 || isNewer(r) {
		return 0
	}
	return norm.NFC.PropertiesString(string(r)).CCC()
}

// composite returns the character that is canonically equivalent to l and r.
func composite(l, r rune) (rune, bool) {
	if isNewer(l) || isNewer(r) {
		return 0, false
	}
	s := norm.NFC.String(string([]rune{l, r}))
	c, n := utf8.DecodeRuneInString(s)
	return c, n == len(s) && !isNewer(c)
}
