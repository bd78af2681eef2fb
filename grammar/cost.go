package grammar

// maxCost is more than any answer has.
const maxCost = 1 << 20

// The cost of a state is a number of tokens that suffices to end the answer,
// not always the least. From every state some token leads to one that costs
// less, so that an answer whose budget holds the cost always can be ended.

// cost returns the cost of s, the end of the turn included.
func (g *Grammar) cost(s *state) int { return min(maxCost, int(s.top.below)+g.local(&s.top)) }

// local returns the cost of a frame once everything above it has ended.
func (g *Grammar) local(f *frame) int {
	switch f.op {
	case opCall:
		return g.callCost(f)
	case opValue:
		return f.value.cost
	case opString:
		return 1 + f.text.pending()
	case opNumber:
		if number(f.phase).whole() {
			return 0
		}
		return 1
	case opWords:
		return f.value.words.nodes[f.at].cost
	case opObject:
		return f.value.object.cost(f)
	}
	return f.value.array.cost(int(f.at))
}

// callCost returns the cost of the lowest frame.
func (g *Grammar) callCost(f *frame) int {
	const ends = 2 // the tag and the end of the turn
	switch f.phase {
	case callStart, callAgain:
		return 1 + g.headCosts[0] + g.nameCost(0)
	case callHead:
		return g.headCosts[f.at] + g.nameCost(0)
	case callName:
		return g.nameCost(f.at)
	case callMid:
		return g.midCosts[f.at] + g.tool(f.index).cost + g.tailCosts[0] + ends
	case callTail:
		return g.tailCosts[f.at] + ends
	case callShut:
		return ends
	case callNext:
		return 1
	}
	return 0
}

// nameCost returns the cost of a call from a place in its name on.
func (g *Grammar) nameCost(at int32) int {
	rest := g.midCosts[0] + g.tailCosts[0] + 2
	switch {
	case g.names != nil:
		return g.names.nodes[at].cost + rest
	case at == 0:
		rest++ // a letter
	}
	return 1 + g.tool(free).cost + rest
}

// cost returns the cost of an object that is being read.
func (o *object) cost(f *frame) int {
	rest := o.missing(f.used)
	switch f.phase {
	case objectFirst:
		if rest > 1 {
			return o.first(f.used, rest)
		}
	case objectSpace:
		return o.next(0, 1, f.used, rest)
	case objectQuote:
		return o.next(0, 2, f.used, rest)
	case objectKey:
		return o.inKey(f, rest)
	case objectColon:
		if f.index == free {
			return o.free[4] + o.other.cost + rest
		}
		m := &o.members[f.index]
		return m.costs[4+m.length] + m.value.cost + rest
	}
	return rest
}

// missing returns the cost of all required members that are not used, and of
// the brace.
func (o *object) missing(used memberSet) int {
	cost := 1
	for i := range o.members {
		if m := &o.members[i]; m.required && !used.has(int32(i)) {
			cost += m.costs[0] + m.value.cost
		}
	}
	return cost
}

// first returns the cost of an object with required members and none yet.
func (o *object) first(used memberSet, rest int) int {
	best := maxCost
	for i := range o.members {
		if m := &o.members[i]; m.required && !used.has(int32(i)) {
			best = min(best, rest-m.costs[0]+m.costs[2])
		}
	}
	return best
}

// next returns the cost of an object in which a member must come, at a node of
// the keys and a place in the text ", "key": ".
func (o *object) next(at int32, place int, used memberSet, rest int) int {
	best := maxCost
	for _, i := range o.keys.nodes[at].below {
		m := &o.members[i]
		switch {
		case used.has(i):
		case m.required:
			best = min(best, rest-m.costs[0]+m.costs[place])
		default:
			best = min(best, rest+m.costs[place]+m.value.cost)
		}
	}
	if o.other != nil && place < 3 {
		best = min(best, rest+o.free[place]+o.other.cost)
	}
	return best
}

// inKey returns the cost of an object in the midst of a key.
func (o *object) inKey(f *frame, rest int) int {
	best, taken := maxCost, 0
	if f.at != free {
		n := &o.keys.nodes[f.at]
		best = o.next(f.at, 3+n.depth, f.used, rest)
		if n.word >= 0 {
			taken = 1 // another letter makes it a key that is not declared
		}
	}
	if o.other != nil {
		best = min(best, rest+f.text.pending()+taken+o.free[3]+o.other.cost)
	}
	return best
}

// cost returns the cost of an array with so many items.
func (a *array) cost(items int) int {
	rest := max(0, a.least-items) * (1 + a.item.cost)
	if items == 0 && a.least > 0 {
		return rest // one comma less, and the bracket
	}
	return rest + 1
}
