package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestAdded looks for the leftmost added token, and for the longest there.
func TestAdded(t *testing.T) {
	var list []addedToken
	for i, s := range []string{"<a", "<ab>", "<abcd>", "b>", "終"} {
		list = append(list, addedToken{ID: int64(i), Content: s})
	}
	set := newAddedSet(list)
	for _, tt := range []struct {
		s          string
		begin, end int
		id         int32
	}{
		{"", 0, 0, 0},
		{"none <<b c>", 11, 11, 0},
		{"<a", 0, 2, 0},
		{"<ab", 0, 2, 0},
		{"x<ab>", 1, 5, 1},
		{"x<abc>", 1, 3, 0},
		{"<abcd>", 0, 6, 2},
		{"<<b><ab>", 2, 4, 3},
		{"\xe7\xb5終", 2, 5, 4},
	} {
		begin, end, id := set.find(tt.s)
		if begin != tt.begin || end != tt.end || id != tt.id {
			t.Errorf("find(%q): got %d, %d, %d, want %d, %d, %d", tt.s, begin, end, id, tt.begin, tt.end, tt.id)
		}
	}
}

func TestIllFormed(t *testing.T) {
	tok := load(t)
	for _, tt := range []struct{ in, want string }{
		{"a\xff\xfeb", "a\ufffd\ufffdb"},
		{"\xe2\x80a", "\ufffda"}, // one for the beginning of a character
		{"\xe2\x80", "\ufffd"},
		{"\xf0\x9f\x98\xf0\x9f\x98\x80", "\ufffd\U0001f600"},
		{"\xed\xa0\x80", "\ufffd\ufffd\ufffd"}, // a surrogate begins nothing
		{"\xc0\x80", "\ufffd\ufffd"},
		{"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"},
		{"\ufffd\x80", "\ufffd\ufffd"},
	} {
		if got := validText(tt.in); got != tt.want {
			t.Errorf("validText(%+q): got %+q, want %+q", tt.in, got, tt.want)
		}
		sameIDs(t, "Encode", tt.in, tok.Encode(tt.in), tok.Encode(tt.want))
		var ids []int32
		for i := range len(tt.in) {
			ids = append(ids, tok.byteID[tt.in[i]])
		}
		checkDecode(t, tok, recordedIDs{ids, tt.want, tt.want})
	}
}

// TestStream shows what is held back, and when it comes.
func TestStream(t *testing.T) {
	tok := load(t)
	s := tok.Stream(true)
	for _, tt := range []struct{ in, want string }{
		{"a", "a"}, {"\xf0", ""}, {"\x9f", ""}, {"\x98", ""}, {"\x80", "\U0001f600"},
		{"\xe2", ""}, {"b", "\ufffdb"}, {"\x80", "\ufffd"}, {"\xc3", ""},
	} {
		if got := s.Next(tok.byteID[tt.in[0]]); got != tt.want {
			t.Errorf("Next(%+q): got %+q, want %+q", tt.in, got, tt.want)
		}
	}
	end, _ := tok.ID("<|im_end|>")
	if got := s.Next(end); got != "" {
		t.Errorf("special token: got %q, want nothing", got)
	}
	for _, want := range []string{"\ufffd", ""} {
		if got := s.Flush(); got != want {
			t.Errorf("Flush: got %q, want %q", got, want)
		}
	}
}

// mergeSlowly merges by the definition, one pair at a time.
func mergeSlowly(tok *Tokenizer, piece string) []int32 {
	var ids []int32
	for i := range len(piece) {
		ids = append(ids, tok.byteID[piece[i]])
	}
	for {
		low, at := noMerge, 0
		for i := range len(ids) - 1 {
			if m := tok.merges.find(ids[i], ids[i+1]); m < low {
				low, at = m, i
			}
		}
		if low == noMerge {
			return ids
		}
		ids[at] = int32(uint32(low))
		ids = append(ids[:at+1], ids[at+2:]...)
	}
}

// randomMerges is smallFile with about 60 merges of tokens that are made of a,
// b and c, in a random order of rank.
func randomMerges(rng *rand.Rand) string {
	tokens := []string{"a", "b", "c"}
	var vocab, merges []string
	for range 100 {
		l, r := tokens[rng.IntN(len(tokens))], tokens[rng.IntN(len(tokens))]
		merge := fmt.Sprintf("%q", l+" "+r)
		if len(l+r) > 8 || slices.Contains(merges, merge) {
			continue
		}
		merges = append(merges, merge)
		if !slices.Contains(tokens, l+r) {
			tokens = append(tokens, l+r)
			vocab = append(vocab, fmt.Sprintf("%q: %d, ", l+r, 256+len(vocab)))
		}
	}
	return strings.NewReplacer(
		`["a", "b"], ["ab", "c"]`, strings.Join(merges, ","),
		`"ab": 256, "abc": 257, `, strings.Join(vocab, ""),
		`"id": 258`, fmt.Sprintf(`"id": %d`, 256+len(vocab)),
		`"id": 259`, fmt.Sprintf(`"id": %d`, 257+len(vocab)),
	).Replace(smallFile())
}

// TestMerge compares both ways of merging with the definition.
func TestMerge(t *testing.T) {
	var scratch piece // one for all: what was in it has no influence
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		tok, err := Parse([]byte(randomMerges(rng)))
		if err != nil {
			t.Fatal(err)
		}
		piece := make([]byte, 1+rng.IntN(2*longPiece))
		for i := range piece {
			piece[i] = "abc"[rng.IntN(3)]
		}
		want := mergeSlowly(tok, string(piece))
		sameIDs(t, "merge", string(piece), tok.merge(nil, &scratch, string(piece)), want)
		sameIDs(t, "mergeLong", string(piece), tok.mergeLong(nil, &scratch, string(piece)), want)
	}
}

// TestSplit shows every alternative of Pattern, as the library splits.
func TestSplit(t *testing.T) {
	for _, want := range [][]string{
		{"I", "'ll", " don", "'t", " WE", "'RE", " o", "'ſ", "x"},
		{"''", "s", "'s", "x", "'r", "''", "l"},
		{"a", "'x", "(b", " (", "c"},
		{"1", "2", "²", "Ⅷ", "١", " ", "3"},
		{" !?...\r\n\n", " \u200b\u0301"},
		{"a", " \n \r\n", "  ", " b", "\t\t", "\tc", "\u3000", "\u3000d", "  "},
		{" \t "},
		{"日本語", "\u00a0の", "!e", "\u0301e"},
	} {
		s := strings.Join(want, "")
		var got []string
		for i := 0; i < len(s); {
			end := pieceEnd(s, i)
			got = append(got, s[i:end])
			i = end
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}

// TestPathological would take minutes if long pieces took quadratic time.
func TestPathological(t *testing.T) {
	tok := load(t)
	for name, s := range map[string]string{
		"spaces":  strings.Repeat(" ", 1<<18),
		"letters": strings.Repeat("the", 1<<16),
		"breaks":  strings.Repeat("\n", 1<<18),
		"marks":   "e" + strings.Repeat("\u0301\u0316", 1<<15),
		"angles":  strings.Repeat("<|im_", 1<<15),
		"broken":  strings.Repeat("\xf0\x9f", 1<<16),
	} {
		if got, want := tok.Decode(tok.Encode(s), false), nfc(validText(s)); got != want {
			t.Errorf("%s: %d bytes came back as %d others", name, len(want), len(got))
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	tok := load(t)
	r := readRecorded(t, "recorded.json")
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		wg.Go(func() {
			for _, i := range rand.New(rand.NewPCG(seed, 0)).Perm(len(r.Strings)) {
				s := r.Strings[i]
				sameIDs(t, "Encode", s.Text, tok.Encode(s.Text), s.IDs)
			}
		})
	}
	wg.Wait()
}

// TestIsAdded looks up which tokens are added ones.
func TestIsAdded(t *testing.T) {
	tok := load(t)
	n := 0
	for id := int32(-1); int(id) <= tok.Size(); id++ {
		if tok.Added(id) {
			n++
		}
	}
	call, _ := tok.ID("<tool_call>")
	if n != 26 || !tok.Added(call) || tok.Added(tok.byteID['a']) {
		t.Errorf("got %d added tokens, want 26, among them <tool_call>", n)
	}
}
