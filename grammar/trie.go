package grammar

import (
	"cmp"
	"slices"
	"strings"
)

// word is a token of text.
type word struct {
	text string
	id   int32
}

// trie holds tokens by their bytes: each node before those below it.
type trie struct {
	nodes []node
	first [256]int32 // node of a first byte, -1 for none
	deep  int
}

// node is a byte of tokens that begin alike.
type node struct {
	end   int32 // the first node that is not below this one
	token int32 // that ends here, -1 for none
	depth int16 // from 1
	b     byte
}

// newTrie returns the trie of words, which it sorts. Of equal ones it keeps the
// lowest id.
func newTrie(words []word) (t trie) {
	slices.SortFunc(words, func(a, b word) int { return cmp.Or(strings.Compare(a.text, b.text), cmp.Compare(a.id, b.id)) })
	for b := range t.first {
		t.first[b] = -1
	}
	var path []int32 // nodes from the root
	last := ""
	for _, w := range words {
		same := common(last, w.text)
		for len(path) > same {
			t.nodes[path[len(path)-1]].end = int32(len(t.nodes))
			path = path[:len(path)-1]
		}
		for d := same; d < len(w.text); d++ {
			path = append(path, t.add(w.text[d], d+1))
		}
		if n := &t.nodes[path[len(path)-1]]; n.token < 0 {
			n.token = w.id
		}
		last = w.text
	}
	for _, i := range path {
		t.nodes[i].end = int32(len(t.nodes))
	}
	return t
}

// add appends a node and returns its index.
func (t *trie) add(b byte, depth int) int32 {
	i := int32(len(t.nodes))
	t.nodes = append(t.nodes, node{token: -1, depth: int16(depth), b: b})
	t.deep = max(t.deep, depth)
	if depth == 1 {
		t.first[b] = i
	}
	return i
}

// common returns how many bytes two strings begin with in common.
func common(a, b string) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// costs returns for each position of a text, its end included, how few tokens
// write the rest of it.
func (t *trie) costs(text string) []int {
	out := make([]int, len(text)+1)
	for i := len(text) - 1; i >= 0; i-- {
		out[i] = maxCost
		t.along(text[i:], func(n int) { out[i] = min(out[i], 1+out[i+n]) })
	}
	return out
}

// along calls found with the length of each token that text begins with.
func (t *trie) along(text string, found func(n int)) {
	at := t.first[text[0]]
	if at < 0 {
		return
	}
	for d := 1; ; d++ {
		if t.nodes[at].token >= 0 {
			found(d)
		}
		if d == len(text) {
			return
		}
		if at = t.child(at, text[d]); at < 0 {
			return
		}
	}
}

// child returns the node below at for a byte, or -1.
func (t *trie) child(at int32, b byte) int32 {
	for i := at + 1; i < t.nodes[at].end; i = t.nodes[i].end {
		if t.nodes[i].b == b {
			return i
		}
	}
	return -1
}

// walk sets the tokens of t in mask that may follow s and leave no more than
// most tokens to be written.
func (g *Grammar) walk(t *trie, s *state, mask []uint64, most int) {
	states := make([]state, t.deep+1)
	states[0] = *s
	for i := int32(0); i < int32(len(t.nodes)); {
		n := &t.nodes[i]
		now := &states[n.depth]
		*now = states[n.depth-1]
		if !g.step(now, n.b) {
			i = n.end
			continue
		}
		if n.token >= 0 && g.cost(now) <= most {
			set(mask, n.token)
		}
		i++
	}
}

// walkInside sets the tokens of t that do not leave the string that s is in.
func (g *Grammar) walkInside(t *trie, s *state, mask []uint64) {
	states := make([]state, t.deep+1)
	states[0] = *s
	for i := int32(0); i < int32(len(t.nodes)); {
		n := &t.nodes[i]
		now := &states[n.depth]
		*now = states[n.depth-1]
		if now.top.text == textPlain && n.b == '"' || !now.top.inString(n.b) {
			i = n.end
			continue
		}
		if n.token >= 0 {
			set(mask, n.token)
		}
		i++
	}
}
