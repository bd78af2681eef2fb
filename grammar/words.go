package grammar

// words is a few texts by their bytes.
type words struct{ nodes []wordNode }

// wordNode is a byte of texts that begin alike; node 0 stands before the first.
type wordNode struct {
	next  map[byte]int32
	word  int32   // that ends here, -1 for none
	below []int32 // the texts that come by here
	depth int
	cost  int // of the rest of the cheapest of them
}

// newWords returns the words of no text.
func newWords() *words { return &words{nodes: []wordNode{{word: -1, cost: maxCost}}} }

// add adds text number i. costs [len(text)+1] are those of the rest at each
// place. It reports whether the text is new.
func (w *words) add(text string, i int32, costs []int) bool {
	at := int32(0)
	for d := 0; ; d++ {
		n := &w.nodes[at]
		n.below = append(n.below, i)
		n.cost = min(n.cost, costs[d])
		if d == len(text) {
			fresh := n.word < 0
			n.word = i
			return fresh
		}
		at = w.below(at, text[d])
	}
}

// below returns the node below at for a byte, which it makes if need be.
func (w *words) below(at int32, b byte) int32 {
	if next := w.child(at, b); next >= 0 {
		return next
	}
	next := int32(len(w.nodes))
	if w.nodes[at].next == nil {
		w.nodes[at].next = map[byte]int32{}
	}
	w.nodes[at].next[b] = next
	w.nodes = append(w.nodes, wordNode{word: -1, cost: maxCost, depth: w.nodes[at].depth + 1})
	return next
}

// child returns the node below at for a byte, or -1.
func (w *words) child(at int32, b byte) int32 {
	if next, ok := w.nodes[at].next[b]; ok {
		return next
	}
	return -1
}

// memberSet is a set of members of an object.
type memberSet [2]uint64

// maxMembers is how many a memberSet holds.
const maxMembers = 128

// has reports whether member i is in s.
func (s *memberSet) has(i int32) bool { return s[i/64]>>(i%64)&1 == 1 }

// add puts member i into s.
func (s *memberSet) add(i int32) { s[i/64] |= 1 << (i % 64) }
