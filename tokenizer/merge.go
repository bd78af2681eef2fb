package tokenizer

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// noMerge is what pairTable.find returns for tokens that do not merge. It
// ranks after every merge.
const noMerge = ^uint64(0)

// pairTable maps two adjacent tokens to the rank of their merge and the token
// that results, in one word: rank<<32 | id. It is a hash table with linear
// probing, at most two thirds full.
type pairTable struct {
	slots []pairSlot
	shift int
	odd   uint64
}

type pairSlot struct{ key, merge uint64 }

// init makes room for n pairs. The multiplier is drawn at random, so that no
// file can be made to collide; the content does not depend on it.
func (p *pairTable) init(n int) {
	width := bits.Len(uint(n + n/2))
	p.slots = make([]pairSlot, 1<<width)
	for i := range p.slots {
		p.slots[i].merge = noMerge
	}
	p.shift = 64 - width
	p.odd = rand.Uint64() | 1
}

// add notes a merge, unless the pair has one.
func (p *pairTable) add(left, right int32, rank uint32, id int32) bool {
	s := p.slot(left, right)
	if s.merge != noMerge {
		return false
	}
	*s = pairSlot{pairKey(left, right), uint64(rank)<<32 | uint64(id)}
	return true
}

// find returns the merge of a pair, or noMerge.
func (p *pairTable) find(left, right int32) uint64 { return p.slot(left, right).merge }

// slot returns the slot of a pair, or the free one where it belongs.
func (p *pairTable) slot(left, right int32) *pairSlot {
	key := pairKey(left, right)
	for i := key * p.odd >> p.shift; ; i = (i + 1) & uint64(len(p.slots)-1) {
		if s := &p.slots[i]; s.key == key || s.merge == noMerge {
			return s
		}
	}
}

func pairKey(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// longPiece is the length in bytes about which a heap becomes faster than looking
// through all pairs for the lowest rank.
const longPiece = 48

// merge appends the tokens of piece: of all adjacent pairs the one of lowest
// rank is merged first, the leftmost of these, until none is left. Long pieces
// take the memory of p.
func (t *Tokenizer) merge(dst []int32, p *piece, piece string) []int32 {
	if len(piece) > longPiece {
		return t.mergeLong(dst, p, piece)
	}
	start := len(dst)
	for i := range len(piece) {
		dst = append(dst, t.byteID[piece[i]])
	}
	return dst[:start+t.mergeShort(dst[start:])]
}

// mergeShort merges up to longPiece tokens in place and returns how many are
// left.
func (t *Tokenizer) mergeShort(ids []int32) int {
	var buf [longPiece]uint64
	merges := buf[:max(len(ids)-1, 0)] // of tokens i and i+1
	for i := range merges {
		merges[i] = t.merges.find(ids[i], ids[i+1])
	}
	for {
		low := noMerge
		for _, m := range merges {
			low = min(low, m)
		}
		if low == noMerge {
			return len(merges) + 1
		}
		at := slices.Index(merges, low)
		ids[at] = int32(uint32(low))
		copy(ids[at+1:len(merges)], ids[at+2:len(merges)+1])
		copy(merges[at:], merges[at+1:])
		merges = merges[:len(merges)-1]
		if at < len(merges) {
			merges[at] = t.merges.find(ids[at], ids[at+1])
		}
		if at > 0 {
			merges[at-1] = t.merges.find(ids[at-1], ids[at])
		}
	}
}
