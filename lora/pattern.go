package lora

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"
)

// pattern is a regular expression as Python's re module reads it. Package
// regexp has no look-ahead, which common target expressions use
// ("^model\.language_model(?=\.).*\.q_proj$"); it can be added exactly, because
// a program of regexp/syntax tells where an empty group is entered: such a
// group stands for each look-ahead, and is passed only where that holds. Time
// stays linear in length and size of the expression, and with look-ahead
// quadratic in the length.
type pattern struct {
	prog  *syntax.Prog
	looks map[uint32]look // by the instruction argument that opens the group
}

// look is (?=ahead) or, negative, (?!ahead).
type look struct {
	ahead    *pattern
	negative bool
}

// maxPattern is the longest expression, in bytes. Long alternations of module
// names stay far below.
const maxPattern = 1 << 15

// compile returns the pattern of a Python expression. Look-behind,
// back-references and look-ahead inside look-ahead are errors.
func compile(expr string) (*pattern, error) {
	if len(expr) > maxPattern {
		return nil, fmt.Errorf("regular expression of %d bytes, want at most %d", len(expr), maxPattern)
	}
	p, err := compileLooks(expr)
	if err != nil {
		return nil, fmt.Errorf("regular expression %.100q: %w", expr, err)
	}
	return p, nil
}

// compileLooks compiles an expression with its look-aheads.
func compileLooks(expr string) (*pattern, error) {
	plain, aheads, err := cutLooks(expr)
	if err != nil {
		return nil, err
	}
	prog, groups, err := compilePlain(plain)
	if err != nil {
		return nil, err
	}
	p := &pattern{prog: prog, looks: map[uint32]look{}}
	for group, name := range groups {
		number, ok := strings.CutPrefix(name, groupName)
		i, err := strconv.Atoi(number)
		if !ok || err != nil || i < 0 || i >= len(aheads) {
			continue // a group of the expression's own
		}
		prog, _, err := compilePlain(aheads[i][len("(?="):])
		if err != nil {
			return nil, err
		}
		p.looks[2*uint32(group)] = look{&pattern{prog: prog}, aheads[i][2] == '!'}
	}
	return p, nil
}

// groupName and a number are the name of the empty group that stands for a
// look-ahead.
const groupName = "look_ahead_"

// compilePlain compiles an expression without look-ahead, and returns the
// names of its groups. Python knows no \p classes; without them the memory of
// a compiled expression is a small multiple of its size, except for counted
// repetition, which is checked. Package syntax takes {,n} for plain characters,
// Python for {0,n}.
func compilePlain(expr string) (*syntax.Prog, []string, error) {
	if strings.Contains(expr, "{,") {
		return nil, nil, errors.New("repetition {,n}; write {0,n}")
	}
	re, err := syntax.Parse(expr, syntax.Perl&^syntax.UnicodeGroups)
	if err != nil {
		var e *syntax.Error
		if errors.As(err, &e) {
			err = fmt.Errorf("%s: %.100q", e.Code, e.Expr)
		}
		return nil, nil, err
	}
	if n := estimate(re); n > 64+4*len(expr) {
		return nil, nil, errors.New("repetition counts are too large")
	}
	names := re.CapNames()
	prog, err := syntax.Compile(re.Simplify())
	return prog, names, err
}

// estimate returns about how many instructions re becomes.
func estimate(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/2
	for _, sub := range re.Sub {
		n += estimate(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

// cutLooks replaces every look-ahead of expr by an empty named group. It
// returns the look-aheads without their closing bracket: "(?=x".
func cutLooks(expr string) (plain string, aheads []string, err error) {
	var b strings.Builder
	for i := 0; i < len(expr); {
		if !isLook(expr[i:]) {
			n := atom(expr[i:])
			b.WriteString(expr[i : i+n])
			i += n
			continue
		}
		n := group(expr[i:])
		if n < 0 {
			return "", nil, fmt.Errorf("missing closing bracket of %.100q", expr[i:])
		}
		fmt.Fprintf(&b, "(?P<%s%d>)", groupName, len(aheads))
		aheads = append(aheads, expr[i:i+n])
		i += n + len(")")
	}
	return b.String(), aheads, nil
}

// isLook reports whether expr begins with a look-ahead.
func isLook(expr string) bool {
	return strings.HasPrefix(expr, "(?=") || strings.HasPrefix(expr, "(?!")
}

// group returns the offset of the bracket that closes the group that expr
// begins with, or -1.
func group(expr string) int {
	depth := 0
	for i := 0; i < len(expr); i += atom(expr[i:]) {
		switch expr[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			return i
		}
	}
	return -1
}

// atom returns the length of the escape, the character class or the other
// single byte that expr begins with.
func atom(expr string) int {
	switch expr[0] {
	case '\\':
		return min(2, len(expr))
	case '[':
		return class(expr)
	}
	return 1
}

// class returns the length of the character class that expr begins with, 1 if
// it has no end. A closing bracket right at its start is a member.
func class(expr string) int {
	i := len("[")
	if strings.HasPrefix(expr[i:], "^") {
		i++
	}
	if strings.HasPrefix(expr[i:], "]") {
		i++
	}
	for ; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			i++
		case ']':
			return i + 1
		}
	}
	return 1
}

// size returns the number of instructions of p and its look-aheads.
func (p *pattern) size() int {
	n := len(p.prog.Inst)
	for _, l := range p.looks {
		n += len(l.ahead.prog.Inst)
	}
	return n
}

// match reports whether p matches all of name.
func (p *pattern) match(name string) bool { return run(p, name, 0, whole) }

// matchTail reports whether (.*\.)?(p)$ matches name from its start: p matches
// all of it, or all that follows some dot.
func (p *pattern) matchTail(name string) bool { return run(p, name, 0, tail) }
