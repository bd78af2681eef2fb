package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// noByte marks the characters that stand for no byte.
const noByte = -1

// standIn gives the byte that a character stands for in tokenizer.json, or
// noByte. It is the alphabet of GPT-2: printable bytes of Latin-1 stand for
// themselves, the others in increasing order are U+0100 and up (specification
// qwen3-vl 6.3).
var standIn = makeStandIns()

func makeStandIns() (table [324]int16) {
	for r := range table {
		table[r] = noByte
	}
	next := 256
	for b := range 256 {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			table[b] = int16(b)
			continue
		}
		table[next] = int16(b)
		next++
	}
	return table
}

// appendBytes appends the bytes that the characters of spelling stand for, up
// to one that stands for none; it then returns false.
func appendBytes(dst []byte, spelling []byte) ([]byte, bool) {
	for i := 0; i < len(spelling); {
		r, n := utf8.DecodeRune(spelling[i:])
		if int(r) >= len(standIn) || standIn[r] == noByte {
			return dst, false
		}
		dst = append(dst, byte(standIn[r]))
		i += n
	}
	return dst, true
}

// validText returns s with every maximal ill-formed part of a UTF-8 sequence
// replaced by one U+FFFD, as the Unicode Standard recommends (section 3.9) and
// Rust's from_utf8_lossy does.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + utf8.UTFMax)
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError {
			n = max(n, illFormed(s))
		}
		b.WriteRune(r)
		s = s[n:]
	}
	return b.String()
}

// illFormed returns the length of the longest beginning of s that more bytes
// could have made a character, or 1.
func illFormed(s string) int {
	n := 1
	for n < len(s) && !utf8.FullRuneInString(s[:n+1]) {
		n++
	}
	return n
}
