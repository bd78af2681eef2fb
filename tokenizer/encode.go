package tokenizer

// Encode returns the ids of s, all added tokens in it included: it is for text
// that was rendered by a template or written by a person who may write control
// tokens.
func (t *Tokenizer) Encode(s string) []int32 { return t.encode(s, &t.added) }

// noTokens finds nothing.
var noTokens addedSet

// EncodeText returns the ids of s as text alone. Strings that look like control
// tokens are spelled out, so it is safe for text from anywhere.
func (t *Tokenizer) EncodeText(s string) []int32 { return t.encode(s, &noTokens) }

// EncodeAnswer returns the ids of s with those added tokens that are not
// special, such as <tool_call> and <think>: for text that the model wrote or is
// to write.
func (t *Tokenizer) EncodeAnswer(s string) []int32 { return t.encode(s, &t.plain) }

// Cut slices s around the first added token in it that EncodeAnswer would find.
// Without one, before is s. It is for callers that join text of several kinds
// before they encode it.
func (t *Tokenizer) Cut(s string) (before string, id int32, after string, found bool) {
	begin, end, id := t.plain.find(s)
	return s[:begin], id, s[end:], begin < end
}

// encode splits s at the tokens of set. What lies between is encoded on its
// own, normalisation included.
func (t *Tokenizer) encode(s string, set *addedSet) []int32 {
	s = validText(s)
	dst := make([]int32, 0, len(s)/4+1)
	m := t.memory.Get().(*memory)
	for s != "" {
		begin, end, id := set.find(s)
		dst = t.appendText(dst, m, s[:begin])
		if begin < end {
			dst = append(dst, id)
		}
		s = s[end:]
	}
	t.memory.Put(m)
	return dst
}

// appendText appends the ids of valid text.
func (t *Tokenizer) appendText(dst []int32, m *memory, s string) []int32 {
	if t.nfc {
		s = nfc(s)
	}
	for i := 0; i < len(s); {
		end := pieceEnd(s, i)
		dst = t.appendPiece(dst, m, s[i:end])
		i = end
	}
	return dst
}
