package tokenizer

// piece is a long piece while it is merged: a list of tokens, linked by index,
// and a heap of the merges that were possible at some time. It takes 20 bytes
// a token and 8 a merge, and O(n log n) time.
type piece struct {
	ids        []int32  // gone where the token before took its place
	prev, next []int32  // indices; next is len(ids) at the end, prev −1 at the start
	merges     []uint64 // of a token with the next one, or noMerge
	heap       []uint64
}

// gone marks the place of a token that was merged into the one before.
const gone = -1

// keptPiece is the length of the longest piece whose memory is kept.
const keptPiece = 1 << 14

// resize makes room for n bytes.
func (p *piece) resize(n int) {
	if n > cap(p.ids) {
		links := make([]int32, 3*n)
		*p = piece{ids: links[:n:n], prev: links[n : 2*n : 2*n], next: links[2*n:], merges: make([]uint64, n), heap: make([]uint64, 0, n)}
	}
	p.ids, p.prev, p.next, p.merges, p.heap = p.ids[:n], p.prev[:n], p.next[:n], p.merges[:n], p.heap[:0]
}

// mergeLong is merge for pieces of any length, in the memory of p.
func (t *Tokenizer) mergeLong(dst []int32, p *piece, text string) []int32 {
	n := len(text)
	if n > keptPiece {
		p = new(piece)
	}
	p.resize(n)
	for i := range n {
		p.ids[i], p.prev[i], p.next[i] = t.byteID[text[i]], int32(i-1), int32(i+1)
	}
	for i := range n {
		p.push(t, int32(i))
	}
	for len(p.heap) > 0 {
		p.apply(t, p.pop())
	}
	for i := 0; i < n; i = int(p.next[i]) {
		dst = append(dst, p.ids[i])
	}
	return dst
}

// find returns the merge of the token at i with the next one, or noMerge.
func (p *piece) find(t *Tokenizer, i int32) uint64 {
	j := p.next[i]
	if int(j) == len(p.ids) {
		return noMerge
	}
	return t.merges.find(p.ids[i], p.ids[j])
}

// push notes the merge at i, and puts it on the heap if there is one. Entries are
// rank<<32 | i, so that of equal ranks the leftmost comes first.
func (p *piece) push(t *Tokenizer, i int32) {
	m := p.find(t, i)
	p.merges[i] = m
	if m == noMerge {
		return
	}
	e := m&^(1<<32-1) | uint64(i)
	p.heap = append(p.heap, e)
	k := len(p.heap) - 1
	for k > 0 && p.heap[(k-1)/2] > e {
		p.heap[k] = p.heap[(k-1)/2]
		k = (k - 1) / 2
	}
	p.heap[k] = e
}

// pop removes the lowest entry.
func (p *piece) pop() uint64 {
	low, last := p.heap[0], p.heap[len(p.heap)-1]
	p.heap = p.heap[:len(p.heap)-1]
	k := 0
	for {
		c := 2*k + 1
		if c+1 < len(p.heap) && p.heap[c+1] < p.heap[c] {
			c++
		}
		if c >= len(p.heap) || p.heap[c] >= last {
			break
		}
		p.heap[k] = p.heap[c]
		k = c
	}
	if len(p.heap) > 0 {
		p.heap[k] = last
	}
	return low
}

// apply merges at the place of entry e, unless a neighbour has changed since
// the entry was made: then there is another merge, or none.
func (p *piece) apply(t *Tokenizer, e uint64) {
	i := int32(uint32(e))
	m := p.merges[i]
	if m>>32 != e>>32 {
		return
	}
	j := p.next[i]
	after := p.next[j]
	p.ids[i], p.ids[j], p.next[i], p.merges[j] = int32(uint32(m)), gone, after, noMerge
	if int(after) < len(p.ids) {
		p.prev[after] = i
	}
	p.push(t, i)
	if p.prev[i] >= 0 {
		p.push(t, p.prev[i])
	}
}
