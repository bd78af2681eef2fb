package lora

import (
	"regexp/syntax"
	"unicode/utf8"
)

// mode says which part of a name a match must cover.
type mode uint8

const (
	whole mode = iota // all of it
	tail              // all of it, or all that follows some dot
	head              // what it begins with
)

// machine runs a pattern over a name: it keeps the set of instructions that
// could read the next character (Thompson, "Regular Expression Search
// Algorithm", 1968).
type machine struct {
	*pattern
	name       string
	live, next []uint32 // instructions that read a character, now and after it
	seen       []int    // 1 + the position at which an instruction was last added
}

// run reports whether p matches name from position start, to the extent that
// the mode asks for.
func run(p *pattern, name string, start int, extent mode) bool {
	m := machine{pattern: p, name: name, seen: make([]int, len(p.prog.Inst))}
	matched := m.add(uint32(p.prog.Start), start)
	for pos := start; pos < len(name); {
		if matched && extent == head {
			return true
		}
		r, n := utf8.DecodeRuneInString(name[pos:])
		pos += n
		matched = m.step(r, pos)
		if extent == tail && r == '.' {
			matched = m.add(uint32(p.prog.Start), pos) || matched
		}
	}
	return matched
}

// step reads the character that ends at pos. It reports whether the pattern
// may end there.
func (m *machine) step(r rune, pos int) bool {
	m.live, m.next = m.next, m.live[:0]
	matched := false
	for _, pc := range m.live {
		if i := &m.prog.Inst[pc]; i.MatchRune(r) {
			matched = m.add(i.Out, pos) || matched
		}
	}
	return matched
}

// add enters instruction pc and all that follow it without reading. It reports
// whether the end of the pattern is among them.
func (m *machine) add(pc uint32, pos int) bool {
	if m.seen[pc] == pos+1 {
		return false
	}
	m.seen[pc] = pos + 1
	i := &m.prog.Inst[pc]
	switch i.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		matched := m.add(i.Out, pos)
		return m.add(i.Arg, pos) || matched
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		m.next = append(m.next, pc)
		return false
	case syntax.InstMatch:
		return true
	}
	return m.passes(i, pos) && m.add(i.Out, pos)
}

// passes reports whether an instruction that reads nothing lets a match pass
// at pos.
func (m *machine) passes(i *syntax.Inst, pos int) bool {
	switch i.Op {
	case syntax.InstEmptyWidth:
		return syntax.EmptyOp(i.Arg)&^m.context(pos) == 0
	case syntax.InstCapture:
		l, ok := m.looks[i.Arg]
		return !ok || run(l.ahead, m.name, pos, head) != l.negative
	case syntax.InstNop:
		return true
	}
	return false // InstFail
}

// context returns which borders (of the text, of a word) lie at pos.
func (m *machine) context(pos int) syntax.EmptyOp {
	before, after := rune(-1), rune(-1)
	if pos > 0 {
		before, _ = utf8.DecodeLastRuneInString(m.name[:pos])
	}
	if pos < len(m.name) {
		after, _ = utf8.DecodeRuneInString(m.name[pos:])
	}
	return syntax.EmptyOpContext(before, after)
}
