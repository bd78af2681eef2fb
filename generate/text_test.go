package generate

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"mole/tokenizer"
)

func loadTokenizer(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Load("../tokenizer/testdata")
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// wantText returns what an answer of ids is as a text, and whether a stop text
// ended it: the one that ends first, of those the longest.
func wantText(tok *tokenizer.Tokenizer, ids []int32, stops []string) (string, bool) {
	text := tok.Decode(ids, true)
	for end := range len(text) + 1 {
		cut := ""
		for _, s := range stops {
			if strings.HasSuffix(text[:end], s) && len(s) > len(cut) {
				cut = s
			}
		}
		if cut != "" {
			return text[:end-len(cut)], true
		}
	}
	return text, false
}

// TestText writes answers token by token: the pieces add up to the text, end at
// whole characters, nothing that belongs to a stop text gets out, and nothing is
// held back that is certain.
func TestText(t *testing.T) {
	tok := loadTokenizer(t)
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Int32Range(0, int32(tok.Size())+5), 0, 40).Draw(t, "ids")
		if rapid.Bool().Draw(t, "few") { // so that stop texts are hit
			few := tok.EncodeText("abab é 世a")
			for i, id := range ids {
				ids[i] = few[int(id)%len(few)]
			}
		}
		stops := rapid.SliceOfN(rapid.StringMatching("[abé世]{1,4}"), 0, 3).Draw(t, "stops")
		want, stopped := wantText(tok, ids, stops)
		w := newWriter(tok, stops)
		got := ""
		for i, id := range ids {
			w.add(Token{ID: id})
			if w.ended {
				break
			}
			text, _ := w.certain()
			got += text
			checkPiece(t, tok, text, got, ids[:i+1], stops)
		}
		text, _ := w.finish()
		if got += text; got != want || w.ended != stopped {
			t.Fatalf("got %q, ended %t, want %q, %t", got, w.ended, want, stopped)
		}
	})
}

// checkPiece checks what was handed out after some tokens.
func checkPiece(t *rapid.T, tok *tokenizer.Tokenizer, piece, got string, ids []int32, stops []string) {
	if !utf8.ValidString(piece) {
		t.Fatalf("piece %q is not whole characters", piece)
	}
	stream := tok.Stream(true)
	all := ""
	for _, id := range ids {
		all += stream.Next(id)
	}
	held := 0
	for _, s := range stops {
		for n := range len(s) {
			if strings.HasSuffix(all, s[:n]) {
				held = max(held, n)
			}
		}
	}
	if want := all[:len(all)-held]; got != want {
		t.Fatalf("handed out %q, want %q: stop texts %q", got, want, stops)
	}
}

// TestTextTokens checks that tokens come with their text.
func TestTextTokens(t *testing.T) {
	tok := loadTokenizer(t)
	w := newWriter(tok, []string{"stop"})
	var got [][]int32
	var pieces []string
	ids := slices.Concat(tok.EncodeText("世a"), tok.EncodeText("s"), tok.EncodeText("t"), tok.EncodeText("x"), tok.EncodeText("sto"), tok.EncodeText("p"))
	for _, id := range ids {
		w.add(Token{ID: id})
		text, tokens := w.certain()
		if text != "" {
			pieces, got = append(pieces, text), append(got, idsOf(tokens))
		} else if tokens != nil {
			t.Errorf("tokens %v without text", tokens)
		}
	}
	text, tokens := w.finish()
	if len(text)+len(tokens) > 0 || !w.ended {
		t.Errorf("got %q and tokens %v at the end, want none", text, tokens)
	}
	if got, want := strings.Join(pieces, ""), "世astx"; got != want {
		t.Errorf("got %q, want %s", pieces, want)
	}
	if last := got[len(got)-1]; len(last) != 3 {
		t.Errorf("got %v with the last piece, want the three tokens of stx", got)
	}
	if n := len(slices.Concat(got...)); n != len(tok.EncodeText("世a"))+3 {
		t.Errorf("got %d tokens, want those of the text and no others", n)
	}
}

func idsOf(tokens []Token) (ids []int32) {
	for _, t := range tokens {
		ids = append(ids, t.ID)
	}
	return ids
}
