package batch

import "fmt"

// Share is Pack with what examples have in common at their beginning laid out
// once: the batch is the tree of all examples, which gives the same losses, in
// the same order, and the same gradients for fewer tokens. Examples share a
// token of text if it is the same, and the run of an image, as a whole, if the
// image is the same pointer, each after an equal beginning. An example that
// others continue, or repeat, ends inside the tree.
//
// An image begins a segment also where nothing branches. So the segments of an
// example whose text parts from that of others only after its image are the same
// in any company, and with them, to the last bit, what is computed for it.
//
// Branches are in the order in which examples first take them, each with all
// that follows it. The time is that of Pack, plus the square of the number of
// examples.
func Share(l Layout, ex []Example) (*Batch, error) {
	if err := l.check(ex); err != nil {
		return nil, err
	}
	t := newTree(l)
	for i, e := range ex {
		if err := t.add(e); err != nil {
			return nil, fmt.Errorf("example %d: %w", i, err)
		}
	}
	return t.lay(), nil
}

// TakeShared is Take for Share: it counts what examples have in common once.
// An example that Share refuses is the last that counts, so that a call of
// Share with it says why.
func TakeShared(l Layout, ex []Example, tokens int) int {
	if l.check(ex) != nil {
		return len(ex)
	}
	t := newTree(l)
	for i, e := range ex {
		err := t.add(e)
		switch {
		case i > 0 && t.rows > tokens:
			return i
		case err != nil:
			return i + 1
		}
	}
	return len(ex)
}

// tree is the prefix tree of some examples, a node for each unit.
type tree struct {
	layout Layout
	nodes  []node // the first is the root, which holds no unit
	rows   int    // of all units
	labels []treeLabel
	ends   []place // of the examples
}

// place is a row of a node, counted from its first.
type place struct{ node, row int32 }

// node is a unit of a tree, after all units above it.
type node struct {
	unit
	count int32 // position
	child int32 // the first of the nodes below, 0 for none
	next  int32 // the next one below the same node, 0 for none
	row   int32 // of the batch, set by lay
}

// treeLabel is a label at a row of a node, counted from the first of the node.
type treeLabel struct {
	Label
	node int32
}

func newTree(l Layout) *tree { return &tree{layout: l, nodes: make([]node, 1)} }

// add adds an example. After an error the tree holds a part of it.
func (t *tree) add(e Example) error {
	if err := checkExample(e); err != nil {
		return err
	}
	if err := checkRoom(e, t.rows); err != nil {
		return err
	}
	at, count, last := int32(0), int32(0), int32(0)
	err := t.layout.units(e, func(first int, u unit) {
		at, last = t.below(at, u, count), t.layout.rows(u)-1
		count += t.layout.steps(u)
		for k := range t.layout.rows(u) {
			if i := first + int(k) + 1; i < len(e.Labels) && e.Labels[i] != Ignore {
				t.labels = append(t.labels, treeLabel{Label{Row: k, Target: e.Labels[i], Weight: e.weight(i)}, at})
			}
		}
	})
	t.ends = append(t.ends, place{at, last})
	return err
}

// below returns the node of u, at position count, below another, where it adds
// it if there is none.
func (t *tree) below(at int32, u unit, count int32) int32 {
	link := &t.nodes[at].child
	for *link != 0 {
		if t.nodes[*link].unit == u {
			return *link
		}
		link = &t.nodes[*link].next
	}
	added := int32(len(t.nodes))
	*link = added
	t.nodes = append(t.nodes, node{unit: u, count: count})
	t.rows += int(t.layout.rows(u))
	return added
}

// branch is a node, and with it those next to it, that begins a segment below
// another.
type branch struct{ node, parent int32 }

// lay returns the batch of the tree.
func (t *tree) lay() *Batch {
	p := newPacker(t.layout)
	b := &p.batch
	for open := []branch{{t.nodes[0].child, NoParent}}; len(open) > 0; {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		if next := t.nodes[at.node].next; next != 0 {
			open = append(open, branch{next, at.parent})
		}
		segment := int32(len(b.Segments))
		b.Segments = append(b.Segments, Segment{Start: int32(len(b.Tokens)), Parent: at.parent})
		if below := t.run(p, at.node); below != 0 {
			open = append(open, branch{below, segment})
		}
	}
	for _, l := range t.labels {
		l.Row += t.nodes[l.node].row
		b.Labels = append(b.Labels, l.Label)
	}
	for _, e := range t.ends {
		b.Ends = append(b.Ends, t.nodes[e.node].row+e.row)
	}
	return b
}

// run places a node and those below it, as far as none has another next to it
// and none is an image. It returns the first of the nodes below the last, 0 for
// none.
func (t *tree) run(p *packer, at int32) int32 {
	for {
		n := &t.nodes[at]
		n.row = int32(len(p.batch.Tokens))
		p.place(n.unit, n.count)
		if at = n.child; at == 0 || t.nodes[at].next != 0 || t.nodes[at].image != nil {
			return at
		}
	}
}
