package grammar

// op is what a frame of the automaton reads.
type op uint8

const (
	opCall   op = iota // the answer; the lowest frame
	opValue            // any JSON value of a type; phase 1: a space may come first
	opString           // behind the quotation mark
	opNumber           // behind its first byte
	opWords            // one of some texts
	opObject           // behind the brace
	opArray            // behind the bracket
)

// The phases of opCall.
const (
	callStart uint8 = iota // <tool_call>
	callHead               // what stands before the name
	callName               // the name and its quotation mark
	callMid                // what stands before the arguments
	callTail               // what stands behind them
	callShut               // </tool_call>
	callNext               // a line break or the end
	callAgain              // <tool_call>
	callDone
)

// The phases of opObject.
const (
	objectFirst uint8 = iota // a key or the end
	objectNext               // a comma or the end
	objectSpace              // a space or a key
	objectQuote              // a key
	objectKey                // in a key
	objectColon
)

// The phases of opArray.
const (
	arrayFirst uint8 = iota // an item or the end
	arrayNext               // a comma or the end
)

// free is the place in the keys of an object where a key is none of them.
const free = -1

// frame is one thing that is being read, with its place in it.
type frame struct {
	op    op
	phase uint8
	text  text  // in a string or key
	key   bool  // a string without escapes
	depth int16 // objects and arrays around it that are not declared
	at    int32 // place in a text or in words; number of digits or items
	index int32 // member whose key was read, free for another
	value *value
	used  memberSet // members of the object
	below int32     // cost of the frames below
}

// link is a frame that is not the top one. It does not change, so states share
// them.
type link struct {
	frame
	up *link
}

// state is a stack of frames. Copies are independent.
type state struct {
	top frame
	up  *link
}

// push puts a frame on top of the stack.
func (g *Grammar) push(s *state, f frame) {
	f.below = int32(g.cost(s))
	f.depth = s.top.depth
	s.up = &link{s.top, s.up}
	s.top = f
}

// pop takes off the top frame.
func (s *state) pop() { s.top, s.up = s.up.frame, s.up.up }

// verdict is what a frame says of a byte.
type verdict uint8

const (
	refused verdict = iota
	taken
	again // the frame changed; the byte is still to be taken
)

// step takes a byte and reports whether it may stand here. If not, s is of no
// use any more.
func (g *Grammar) step(s *state, b byte) bool {
	for {
		var v verdict
		switch s.top.op {
		case opCall:
			v = g.call(s, b)
		case opValue:
			v = g.value(s, b)
		case opString:
			v = s.str(b)
		case opNumber:
			v = s.number(b)
		case opWords:
			v = s.words(b)
		case opObject:
			v = g.object(s, b)
		case opArray:
			v = g.array(s, b)
		}
		if v != again {
			return v == taken
		}
	}
}

// ok returns taken if true.
func ok(b bool) verdict {
	if b {
		return taken
	}
	return refused
}

// call takes a byte of the frame of the answer.
func (g *Grammar) call(s *state, b byte) verdict {
	f := &s.top
	switch f.phase {
	case callHead:
		return f.literal(head, b, callName)
	case callName:
		return g.name(f, b)
	case callMid:
		v := f.literal(mid, b, callTail)
		if f.phase == callTail {
			g.push(s, frame{op: opValue, value: g.tool(f.index)})
		}
		return v
	case callTail:
		return f.literal(tail, b, callShut)
	case callNext:
		f.phase = callAgain
		return ok(b == '\n')
	}
	return refused
}

// literal takes a byte of a fixed text, behind which a phase begins.
func (f *frame) literal(text string, b byte, next uint8) verdict {
	if text[f.at] != b {
		return refused
	}
	if f.at++; int(f.at) == len(text) {
		f.phase, f.at = next, 0
	}
	return taken
}

// name takes a byte of the name of a tool.
func (g *Grammar) name(f *frame, b byte) verdict {
	if g.names == nil { // any name
		if b == '"' && f.at > 0 {
			f.phase, f.at, f.index = callMid, 0, free
			return taken
		}
		f.at++
		return ok(isName(b) && f.at <= maxName)
	}
	if b == '"' {
		f.index = g.names.nodes[f.at].word
		f.phase, f.at = callMid, 0
		return ok(f.index >= 0)
	}
	f.at = g.names.child(f.at, b)
	return ok(f.at >= 0)
}

// isName reports whether b may stand in a name that nobody declared.
func isName(b byte) bool {
	return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'z' || b == '_' || b == '-' || b == '.'
}

// value takes the first byte of a value.
func (g *Grammar) value(s *state, b byte) verdict {
	f, v := &s.top, s.top.value
	if f.phase == 1 {
		f.phase = 0
		if b == ' ' {
			return taken
		}
	}
	if v.words != nil {
		f.op, f.at = opWords, 0
		return again
	}
	switch kind := kindOfByte(b); kind & v.kinds {
	case kindObject:
		return f.open(opObject, v.object.undeclared)
	case kindArray:
		return f.open(opArray, v.array.undeclared)
	case kindString:
		f.op, f.text = opString, textPlain
		return taken
	case kindNumber | kindInteger, kindInteger:
		f.op, f.phase, f.at = opNumber, uint8(numberMinus), 0
		return ok(b == '-' || f.digit(b))
	case kindBool, kindNull:
		f.op, f.at, f.value = opWords, 0, g.named[kind]
		return again
	}
	return refused
}

// kindOfByte returns the kinds of values that begin with b.
func kindOfByte(b byte) kinds {
	switch b {
	case '{':
		return kindObject
	case '[':
		return kindArray
	case '"':
		return kindString
	case 't', 'f':
		return kindBool
	case 'n':
		return kindNull
	}
	if b == '-' || isDigit(b) {
		return kindNumber | kindInteger
	}
	return 0
}

// open begins an object or array. Those that no schema asks for nest only so
// deep.
func (f *frame) open(o op, undeclared bool) verdict {
	f.op, f.phase, f.at, f.used = o, 0, 0, memberSet{}
	if undeclared {
		f.depth++
	}
	return ok(f.depth <= maxFree)
}

// str takes a byte of a string.
func (s *state) str(b byte) verdict {
	if s.top.text == textPlain && b == '"' {
		s.pop()
		return taken
	}
	return ok(s.top.inString(b))
}

// inString takes a byte of a string or key that does not end it.
func (f *frame) inString(b byte) (ok bool) {
	f.text, ok = f.text.next(b, f.key)
	return ok
}

// number takes a byte of a number, or ends it before the byte.
func (s *state) number(b byte) verdict {
	whole := number(s.top.phase).whole()
	f := s.top
	if f.inNumber(b) {
		s.top = f
		return taken
	}
	if isDigit(b) || !whole {
		return refused
	}
	s.pop()
	return again
}

// words takes a byte of one of some texts, or ends before the byte.
func (s *state) words(b byte) verdict {
	w := s.top.value.words
	next := w.child(s.top.at, b)
	if next < 0 {
		if w.nodes[s.top.at].word < 0 {
			return refused
		}
		s.pop()
		return again
	}
	s.top.at = next
	if n := &w.nodes[next]; n.word >= 0 && n.next == nil {
		s.pop()
	}
	return taken
}

// object takes a byte of an object.
func (g *Grammar) object(s *state, b byte) verdict {
	f, o := &s.top, s.top.value.object
	switch f.phase {
	case objectFirst, objectNext:
		if b == '}' {
			full := o.full(f.used)
			s.pop()
			return ok(full)
		}
		if f.phase == objectNext {
			f.phase = objectSpace
			return ok(b == ',' && o.open(f.used))
		}
		return o.quote(f, b)
	case objectSpace:
		if b == ' ' {
			f.phase = objectQuote
			return taken
		}
		return o.quote(f, b)
	case objectQuote:
		return o.quote(f, b)
	case objectKey:
		return o.key(f, b)
	}
	return g.colon(s, b)
}

// quote begins a key.
func (o *object) quote(f *frame, b byte) verdict {
	f.phase, f.at, f.text, f.key = objectKey, 0, textPlain, true
	return ok(b == '"' && o.open(f.used))
}

// key takes a byte of a key.
func (o *object) key(f *frame, b byte) verdict {
	if b == '"' && f.text == textPlain {
		return o.endKey(f)
	}
	if f.at != free {
		f.at = o.keys.child(f.at, b)
	}
	if !f.inString(b) {
		return refused
	}
	if o.other == nil && (f.at < 0 || !o.reach(f.at, f.used)) {
		return refused
	}
	return taken
}

// endKey ends a key.
func (o *object) endKey(f *frame) verdict {
	f.index = free
	if f.at != free {
		f.index = o.keys.nodes[f.at].word
	}
	f.phase = objectColon
	if f.index < 0 {
		f.index = free
		return ok(o.other != nil)
	}
	if f.used.has(f.index) {
		return refused
	}
	f.used.add(f.index)
	return taken
}

// colon takes the colon behind a key and begins the value.
func (g *Grammar) colon(s *state, b byte) verdict {
	f, o := &s.top, s.top.value.object
	v := o.other
	if f.index != free {
		v = o.members[f.index].value
	}
	f.phase = objectNext
	g.push(s, frame{op: opValue, phase: 1, value: v})
	return ok(b == ':')
}

// array takes a byte of an array; at counts its items.
func (g *Grammar) array(s *state, b byte) verdict {
	f, a := &s.top, s.top.value.array
	switch {
	case b == ']':
		full := int(f.at) >= a.least
		s.pop()
		return ok(full)
	case int(f.at) >= a.most:
		return refused
	case f.phase == arrayFirst:
		f.phase, f.at = arrayNext, 1
		g.push(s, frame{op: opValue, value: a.item})
		return again
	}
	f.at++
	g.push(s, frame{op: opValue, phase: 1, value: a.item})
	return ok(b == ',')
}

// inside is a place in a string that decides which tokens stay in it.
type inside struct {
	text text
	key  bool
}

// inside reports whether s is in a string, or in a key that may be any.
func (s *state) inside() (inside, bool) {
	f := &s.top
	switch {
	case f.op == opString:
		return inside{f.text, false}, true
	case f.op == opObject && f.phase == objectKey && f.value.object.other != nil:
		return inside{f.text, true}, true
	}
	return inside{}, false
}
