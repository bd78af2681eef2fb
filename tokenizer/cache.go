package tokenizer

import "hash/maphash"

// recent remembers the tokens of short pieces that were merged lately. Words
// repeat so much that most pieces of ordinary text are found here, in one or
// two cache lines, where merging takes dozens of look-ups in a table of
// megabytes. It takes half a megabyte whatever the text, and is for one
// goroutine.
type recent [1 << 13]recentPiece

// recentPiece is a piece and its tokens in 64 bytes.
type recentPiece struct {
	size, count uint8
	text        [26]byte
	ids         [9]int32
}

// hashSeed is drawn at random, so that no text can be made to miss; what is
// returned does not depend on it.
var hashSeed = maphash.MakeSeed()

// memory is what one call of encode works with.
type memory struct {
	recent recent
	piece  piece
}

// appendPiece appends the tokens of a piece.
func (t *Tokenizer) appendPiece(dst []int32, m *memory, piece string) []int32 {
	c := &m.recent
	p := &c[maphash.String(hashSeed, piece)%uint64(len(c))]
	if string(p.text[:p.size]) == piece {
		return append(dst, p.ids[:p.count]...)
	}
	n := len(dst)
	dst = t.merge(dst, &m.piece, piece)
	if len(piece) <= len(p.text) && len(dst)-n <= len(p.ids) {
		p.size, p.count = uint8(len(piece)), uint8(len(dst)-n)
		copy(p.text[:], piece)
		copy(p.ids[:], dst[n:])
	}
	return dst
}
