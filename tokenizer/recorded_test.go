package tokenizer

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// recorded is what the tokenizers library gave: recorded.json for the small
// vocabulary in testdata, reference.json for that of Qwen3.
type recorded struct {
	Strings []recordedString
	Decode  []recordedIDs
	Digest  string `json:"tokenizer_sha256"` // reference.json
	Classes string `json:"classes_sha256"`   // recorded.json
	NFC     string `json:"nfc_sha256"`       // recorded.json
}

type recordedString struct {
	Text      string
	IDs       []int32
	TextIDs   []int32 `json:"text_ids"`   // recorded.json; none: as IDs
	AnswerIDs []int32 `json:"answer_ids"` // recorded.json; none: as IDs
	// Only in reference.json:
	Decoded *string // none: as Text
	Normal  *string `json:"decoded_skip_special"` // none: as Decoded
}

type recordedIDs struct {
	IDs     []int32
	Decoded string
	Normal  string `json:"decoded_skip_special"`
}

func readRecorded(t *testing.T, name string) recorded {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var r recorded
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// load reads the small vocabulary: 742 tokens and the 26 added ones of Qwen.
func load(t testing.TB) *Tokenizer {
	t.Helper()
	tok, err := Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestRecorded(t *testing.T) {
	tok, r := load(t), readRecorded(t, "recorded.json")
	for _, s := range r.Strings {
		sameIDs(t, "Encode", s.Text, tok.Encode(s.Text), s.IDs)
		sameIDs(t, "EncodeText", s.Text, tok.EncodeText(s.Text), either(s.TextIDs, s.IDs))
		sameIDs(t, "EncodeAnswer", s.Text, tok.EncodeAnswer(s.Text), either(s.AnswerIDs, s.IDs))
	}
	for _, d := range r.Decode {
		checkDecode(t, tok, d)
	}
}

// TestReference needs the directory of Qwen3's tokenizer.json, 11 MB.
func TestReference(t *testing.T) {
	dir := os.Getenv("MOLE_TOKENIZER")
	if os.Getenv("MOLE_TEST_HEAVY") != "1" || dir == "" {
		t.Skip("wants MOLE_TEST_HEAVY=1 and a directory in MOLE_TOKENIZER")
	}
	tok, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := readRecorded(t, "reference.json")
	if tok.Digest() != r.Digest {
		t.Errorf("digest: got %s, want %s", tok.Digest(), r.Digest)
	}
	for _, s := range r.Strings {
		sameIDs(t, "Encode", s.Text, tok.Encode(s.Text), s.IDs)
		decoded := either(s.Decoded, &s.Text)
		checkDecode(t, tok, recordedIDs{s.IDs, *decoded, *either(s.Normal, decoded)})
	}
	for _, d := range r.Decode {
		checkDecode(t, tok, d)
	}
}

// either returns a unless it is nil.
func either[T []int32 | *string](a, b T) T {
	if a == nil {
		return b
	}
	return a
}

func sameIDs(t *testing.T, what, text string, got, want []int32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s(%+q): got %v, want %v", what, text, got, want)
	}
}

// checkDecode decodes at once and as a stream.
func checkDecode(t *testing.T, tok *Tokenizer, d recordedIDs) {
	t.Helper()
	for skip, want := range map[bool]string{false: d.Decoded, true: d.Normal} {
		if got := tok.Decode(d.IDs, skip); got != want {
			t.Errorf("Decode(%v, %v): got %+q, want %+q", d.IDs, skip, got, want)
		}
		if got := stream(tok, d.IDs, skip); got != want {
			t.Errorf("Stream(%v) of %v: got %+q, want %+q", skip, d.IDs, got, want)
		}
	}
}

// stream decodes ids one at a time.
func stream(tok *Tokenizer, ids []int32, skipSpecial bool) string {
	s, text := tok.Stream(skipSpecial), ""
	for _, id := range ids {
		text += s.Next(id)
	}
	return text + s.Flush()
}

// allRunes yields all characters below end.
func allRunes(end rune) func(func(rune) bool) {
	return func(yield func(rune) bool) {
		for r := rune(0); r < end; r++ {
			if (r < 0xd800 || r > 0xdfff) && !yield(r) {
				return
			}
		}
	}
}

// TestClasses compares the class of every character with what the library's
// regular expressions make of it.
func TestClasses(t *testing.T) {
	var all []byte
	for r := range allRunes(0x110000) {
		c, _ := classAt(string(r), 0)
		all = append(all, "OLNRS"[c])
	}
	checkDigest(t, all, readRecorded(t, "recorded.json").Classes)
}

// TestNFC compares normalised text around every character below U+20000.
func TestNFC(t *testing.T) {
	var all []byte
	for r := range allRunes(0x20000) {
		c := string(r)
		d := c
		if !isNewer(r) {
			d = norm.NFD.String(c)
		}
		for _, s := range []string{c, d, "e" + c, "a\u0323" + c + "\u0302", c + "\u0301", c + "\u0338"} {
			all = append(append(all, nfc(s)...), '\n')
		}
	}
	checkDigest(t, all, readRecorded(t, "recorded.json").NFC)
}

func checkDigest(t *testing.T, data []byte, want string) {
	t.Helper()
	if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != want {
		t.Errorf("digest: got %s, want %s", got, want)
	}
}
