package grammar

// text says where in the bytes of a string the automaton is.
type text uint8

// Inside a string: between characters, or what the rest of one must be (RFC
// 3629, section 4; RFC 8259, section 7).
const (
	textPlain  text = iota
	textLast        // one byte of a character
	textTwo         // two
	textThree       // three
	textE0          // two, the first from A0: no longer spelling than needed
	textED          // two, the first to 9F: no surrogate
	textF0          // three, the first from 90
	textF4          // three, the first to 8F: within Unicode
	textEscape      // behind a backslash
	textHex4        // four digits, the first not d
	textHex3
	textHex2
	textHex1
)

// maxPending is the most tokens that end a character.
const maxPending = 4

// pending returns how many bytes end the character.
func (t text) pending() int {
	return [...]int{textPlain: 0, textLast: 1, textTwo: 2, textThree: 3, textE0: 2, textED: 2, textF0: 3, textF4: 3,
		textEscape: 1, textHex4: 4, textHex3: 3, textHex2: 2, textHex1: 1}[t]
}

// span is what a state within a character takes and where it leads.
type span struct {
	from, to byte
	next     text
}

// spans are the states that take bytes of one range.
var spans = [...]span{
	textLast: {0x80, 0xbf, textPlain}, textTwo: {0x80, 0xbf, textLast}, textThree: {0x80, 0xbf, textTwo},
	textE0: {0xa0, 0xbf, textLast}, textED: {0x80, 0x9f, textLast},
	textF0: {0x90, 0xbf, textTwo}, textF4: {0x80, 0x8f, textTwo},
}

// next takes a byte of a string that does not end it. Keys have no escapes.
func (t text) next(b byte, key bool) (text, bool) {
	switch {
	case t == textPlain:
		return begin(b, key)
	case t == textEscape:
		return escape(b)
	case t >= textHex4:
		if !isHex(b) || t == textHex4 && b|0x20 == 'd' {
			return t, false
		}
		if t == textHex1 {
			return textPlain, true
		}
		return t + 1, true
	}
	s := spans[t]
	return s.next, b >= s.from && b <= s.to
}

// begin takes the first byte of a character.
func begin(b byte, key bool) (text, bool) {
	switch {
	case b == '\\':
		return textEscape, !key
	case b < 0x20 || b == '"':
		return textPlain, false
	case b < 0x80:
		return textPlain, true
	}
	return lead(b)
}

// lead takes the first byte of a character of several bytes.
func lead(b byte) (text, bool) {
	switch {
	case b < 0xc2 || b > 0xf4:
		return textPlain, false
	case b < 0xe0:
		return textLast, true
	case b == 0xe0:
		return textE0, true
	case b == 0xed:
		return textED, true
	case b < 0xf0:
		return textTwo, true
	case b == 0xf0:
		return textF0, true
	case b == 0xf4:
		return textF4, true
	}
	return textThree, true
}

// escape takes the byte behind a backslash.
func escape(b byte) (text, bool) {
	switch b {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return textPlain, true
	case 'u':
		return textHex4, true
	}
	return textEscape, false
}

// isHex reports whether b is a hexadecimal digit.
func isHex(b byte) bool { return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'f' }

// isDigit reports whether b is a decimal digit.
func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// number says where in a number the automaton is.
type number uint8

// Inside a number (RFC 8259, section 6).
const (
	numberMinus number = iota // a digit must follow
	numberZero                // no digit may
	numberWhole
	numberDot // a digit must follow
	numberFraction
	numberE     // a digit or a sign must follow
	numberSign  // a digit must follow
	numberPower // digits of the exponent
)

// Digits of the parts of a number, at most, so that it fits a float64 and ends.
const (
	maxDigits = 15
	maxPower  = 2
)

// whole reports whether a number may end here.
func (n number) whole() bool {
	return n == numberZero || n == numberWhole || n == numberFraction || n == numberPower
}

// inNumber takes a byte of a number. at counts the digits of its part.
func (f *frame) inNumber(b byte) bool {
	if isDigit(b) {
		return f.digit(b)
	}
	if f.value.kinds&kindNumber == 0 { // an integer
		return false
	}
	next, ok := number(f.phase).mark(b)
	f.phase, f.at = uint8(next), 0
	return ok
}

// mark takes a byte that is no digit.
func (n number) mark(b byte) (number, bool) {
	switch b {
	case '.':
		return numberDot, n == numberZero || n == numberWhole
	case 'e', 'E':
		return numberE, n.whole() && n != numberPower
	case '-', '+':
		return numberSign, n == numberE
	}
	return n, false
}

// digit takes a digit of a number.
func (f *frame) digit(b byte) bool {
	f.at++
	switch number(f.phase) {
	case numberMinus:
		f.phase = uint8(numberWhole)
		if b == '0' {
			f.phase = uint8(numberZero)
		}
	case numberZero:
		return false
	case numberWhole:
		return f.at <= maxDigits
	case numberDot, numberFraction:
		f.phase = uint8(numberFraction)
		return f.at <= maxDigits
	default:
		f.phase = uint8(numberPower)
		return f.at <= maxPower
	}
	return true
}
