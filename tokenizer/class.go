package tokenizer

import "unicode/utf8"

// class is what the split pattern tells characters apart by.
type class uint8

const (
	other   class = iota
	letter        // \p{L}
	number        // \p{N}
	newline       // CR and LF
	space         // the rest of \s
)

// classes holds the class of every character up to the last letter or number.
var classes = makeClasses()

// spaces are the characters of \s besides CR and LF.
var spaces = [...]rune{
	'\t', '\v', '\f', ' ', 0x85, 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005,
	0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000,
}

func makeClasses() []class {
	table := make([]class, letterRanges[len(letterRanges)-1]+1)
	fill := func(ranges []rune, c class) {
		for i := 0; i < len(ranges); i += 2 {
			for r := ranges[i]; r <= ranges[i+1]; r++ {
				table[r] = c
			}
		}
	}
	fill(letterRanges[:], letter)
	fill(numberRanges[:], number)
	for _, r := range spaces {
		table[r] = space
	}
	table['\r'], table['\n'] = newline, newline
	return table
}

// classAt returns the class and the length of the character at s[i].
func classAt(s string, i int) (class, int) {
	if s[i] < utf8.RuneSelf {
		return classes[s[i]], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	if int(r) >= len(classes) {
		return other, n
	}
	return classes[r], n
}
