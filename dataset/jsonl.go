package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxLine is the longest line of a JSONL file, in bytes. It bounds the memory
// of a reader; the answers of a record are a few hundred bytes.
const maxLine = 16 << 20

// lines yields the lines of a file that are not blank, with their numbers from
// 1. The bytes are valid until the next line. A line that is too long or no
// UTF-8 is an error of that line, after which the next one follows; an error
// of the file is the last.
func lines(r io.Reader, file string) iter.Seq2[place, lineOrError] {
	return func(yield func(place, lineOrError) bool) {
		b := bufio.NewReaderSize(r, 64<<10)
		var buf []byte
		for n := 1; ; n++ {
			line, err := readLine(b, buf[:0])
			buf = line
			last := err != nil && !errors.Is(err, errLong)
			text := bytes.TrimSpace(line)
			if err == nil || err == io.EOF {
				err = checkUTF8(text)
			}
			if (len(text) > 0 || err != nil) && !yield(place{file, n}, lineOrError{text, err}) || last {
				return
			}
		}
	}
}

// checkUTF8 says whether a line is text.
func checkUTF8(line []byte) error {
	if !utf8.Valid(line) {
		return errors.New("not valid UTF-8")
	}
	return nil
}

// lineOrError is a line, or what is wrong with it.
type lineOrError struct {
	text []byte
	err  error
}

var errLong = fmt.Errorf("line is longer than %d bytes", maxLine)

// readLine appends a line to buf. Of a line that is too long the rest is passed
// over. At the end of the file the error is [io.EOF], with the last line.
func readLine(b *bufio.Reader, buf []byte) ([]byte, error) {
	long := false
	for {
		part, err := b.ReadSlice('\n')
		if long = long || len(buf)+len(part) > maxLine; !long {
			buf = append(buf, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == nil && long:
			return buf, errLong
		default:
			return buf, err
		}
	}
}

// Read yields the records of a JSONL file (4.3, 4.6), with an error of type
// *[PlaceError] in place of each line that holds none; reading goes on after
// it. Turns of the system are dropped and fields beside the metadata moved into
// it; that and more is counted in report, which may be nil. Answers stay as
// they are. An error of the file itself comes last.
func Read(r io.Reader, file string, report *Report) iter.Seq2[Record, error] {
	if report == nil {
		report = &Report{}
	}
	return func(yield func(Record, error) bool) {
		for at, rec := range records(r, file, report.note) {
			if !yield(rec.Record, at.wrap(rec.err)) {
				return
			}
		}
	}
}

// recordOrError is a record, or what is wrong with it.
type recordOrError struct {
	Record
	err error
}

// records yields the records of a file with their places.
func records(r io.Reader, file string, note noter) iter.Seq2[place, recordOrError] {
	return func(yield func(place, recordOrError) bool) {
		for at, line := range lines(r, file) {
			rec := recordOrError{err: line.err}
			if line.err == nil {
				rec.Record, rec.err = parseRecord(line.text, at, note)
			}
			if !yield(at, rec) {
				return
			}
		}
	}
}

// parseRecord reads one line.
func parseRecord(line []byte, at place, note noter) (Record, error) {
	var r Record
	if err := checkJSON(line); err != nil {
		return r, err
	}
	o, err := parseObject(line)
	if err != nil {
		return r, err
	}
	if r.ID, err = asString(o.get("id")); err != nil {
		return r, fmt.Errorf("id: %w", err)
	}
	if err := CheckID(r.ID); err != nil {
		return r, err
	}
	if r.Image, err = asString(o.get("image")); err != nil {
		return r, fmt.Errorf("image: %w", err)
	}
	if err := checkImagePath(r.Image); err != nil {
		return r, err
	}
	if r.Conversations, err = parseTurns(o.get("conversations"), at, note); err != nil {
		return r, fmt.Errorf("conversations: %w", err)
	}
	if r.Metadata, err = parseMetadata(o.get("metadata")); err != nil {
		return r, err
	}
	if isNull(o.get("metadata")) {
		note(at, NoMetadata)
	}
	return r, r.moveIn(o.without("id", "image", "conversations", "metadata"), at, note)
}

// checkJSON returns what is wrong with the syntax of a line, in words that do
// not depend on where the reader stood.
func checkJSON(line []byte) error {
	if json.Valid(line) {
		return nil
	}
	var v json.RawMessage
	err := json.Unmarshal(line, &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && !strings.HasPrefix(syntax.Error(), "unexpected end") {
		return fmt.Errorf("no JSON: %w, column %d", err, syntax.Offset)
	}
	return fmt.Errorf("no JSON: %w", err)
}

// moveIn takes fields from beside the metadata, where other programs put them
// (4.6), into it. What the metadata says itself stays.
func (r *Record) moveIn(fields object, at place, note noter) error {
	for _, f := range fields {
		note(at, FieldMoved)
		var beside Metadata
		if err := beside.set(f); err != nil {
			return fmt.Errorf("%s: %w", f.key, err)
		}
		r.Metadata.fill(beside)
	}
	return nil
}

// fill takes what m lacks from b.
func (m *Metadata) fill(b Metadata) {
	m.TaskType = firstOf(m.TaskType, b.TaskType)
	m.Adapter = firstOf(m.Adapter, b.Adapter)
	m.SourceDataset = firstOf(m.SourceDataset, b.SourceDataset)
	m.SplitGroup = firstOf(m.SplitGroup, b.SplitGroup)
	for _, p := range [][2]*[]int{{&m.RealCoords, &b.RealCoords}, {&m.Tolerance, &b.Tolerance}, {&m.ImageSize, &b.ImageSize}} {
		if *p[0] == nil {
			*p[0] = *p[1]
		}
	}
	if m.Label == nil {
		m.Label = b.Label
	}
	for key, value := range b.Extra {
		if m.Extra == nil {
			m.Extra = map[string]json.RawMessage{}
		}
		if _, ok := m.Extra[key]; !ok {
			m.Extra[key] = value
		}
	}
}

// firstOf returns a, or b if a is empty.
func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// CheckID says whether an id is well formed (3.1).
func CheckID(id string) error {
	if !idPattern.MatchString(id) {
		return fmt.Errorf("id %q: want letters, digits, _ and - only", id)
	}
	return nil
}

// checkImagePath says whether a path of a picture stays inside the dataset and
// names a picture.
func checkImagePath(p string) error {
	switch ext := strings.ToLower(path.Ext(p)); {
	case p == "":
		return errors.New("image is empty: every record needs one")
	case !isLocal(p):
		return fmt.Errorf("image %q: want a path inside the dataset, parted by /", p)
	case !slices.Contains([]string{".jpg", ".jpeg", ".png"}, ext):
		return fmt.Errorf("image %q: want .jpg, .jpeg or .png", p)
	}
	return nil
}

// isLocal reports whether a path cannot leave the folder it starts in, on any
// system.
func isLocal(p string) bool {
	return p != "." && path.Clean(p) == p && !path.IsAbs(p) && p != ".." && !strings.HasPrefix(p, "../") && !strings.ContainsAny(p, "\\:\x00")
}

// parseTurns reads a conversation: a turn of "human" and one of "gpt". Turns of
// "system" are dropped.
func parseTurns(raw json.RawMessage, at place, note noter) ([]Turn, error) {
	var list []json.RawMessage
	if isNull(raw) || json.Unmarshal(raw, &list) != nil {
		return nil, fmt.Errorf("got %s, want an array of turns", abridged(raw))
	}
	turns := make([]Turn, 0, 2)
	for i, one := range list {
		t, err := parseTurn(one)
		switch {
		case err != nil:
			return nil, fmt.Errorf("turn %d: %w", i, err)
		case t.From == "system":
			note(at, SystemTurn)
		default:
			turns = append(turns, t)
		}
	}
	if len(turns) != 2 || turns[0].From != "human" || turns[1].From != "gpt" {
		return nil, fmt.Errorf("got %s, want human, gpt", roles(turns))
	}
	return turns, nil
}

// parseTurn reads one turn.
func parseTurn(raw json.RawMessage) (t Turn, err error) {
	o, err := parseObject(raw)
	if err != nil {
		return t, err
	}
	if t.From, err = asString(o.get("from")); err != nil {
		return t, fmt.Errorf("from: %w", err)
	}
	if t.Value, err = asString(o.get("value")); err != nil {
		return t, fmt.Errorf("value: %w", err)
	}
	return t, nil
}

// roles returns who speaks, for messages.
func roles(turns []Turn) string {
	if len(turns) == 0 {
		return "no turns"
	}
	const most = 4
	names := make([]string, 0, most+1)
	for _, t := range turns[:min(len(turns), most)] {
		names = append(names, t.From)
	}
	if len(turns) > most {
		names = append(names, fmt.Sprintf("and %d more", len(turns)-most))
	}
	return strings.Join(names, ", ")
}

// WriteRecords writes records as JSONL. The same records give the same bytes.
func WriteRecords(w io.Writer, records []Record) error {
	for i := range records {
		line, err := encode(records[i])
		if err != nil {
			return fmt.Errorf("record %q: %w", records[i].ID, err)
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// Prompt returns the text of the human turn without the mark of the picture.
func (r *Record) Prompt() string {
	if len(r.Conversations) == 0 {
		return ""
	}
	return strings.TrimPrefix(r.Conversations[0].Value, ImageMark)
}

// Answer returns the text of the last turn.
func (r *Record) Answer() string {
	if len(r.Conversations) == 0 {
		return ""
	}
	return r.Conversations[len(r.Conversations)-1].Value
}
