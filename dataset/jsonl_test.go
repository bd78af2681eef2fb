package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/iotest"
)

// line returns a good record as JSONL.
func line(id string) string {
	return fmt.Sprintf(`{"id": %q, "image": "images/a.png", "conversations": [{"from": "human", "value": "<image>\nGo"}, {"from": "gpt", "value": "x"}], "metadata": {"task_type": "t"}}`, id) + "\n"
}

// drain reads a whole file.
func drain(text, file string) (records int, errs []error) {
	for _, err := range Read(strings.NewReader(text), file, nil) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		records++
	}
	return records, errs
}

// checkErr fails the test unless err says what is wanted, "" for no error.
func checkErr(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("%s: got no error, want %q", name, want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: got %v, want %q", name, err, want)
	}
}

// TestReadBrokenLine has one broken line among many: it is named, and every
// other record arrives.
func TestReadBrokenLine(t *testing.T) {
	var b strings.Builder
	const n, bad = 5000, 4711
	for i := 1; i <= n; i++ {
		s := line(fmt.Sprintf("r_%05d", i))
		if i == bad {
			s = s[:50] + "\n"
		}
		b.WriteString(s)
	}
	records, errs := drain(b.String(), "train.jsonl")
	if records != n-1 || len(errs) != 1 {
		t.Fatalf("got %d records and %v, want %d and one error", records, errs, n-1)
	}
	if want := "train.jsonl:4711: no JSON: unexpected end of JSON input"; errs[0].Error() != want {
		t.Errorf("got %q, want %q", errs[0], want)
	}
	var at *PlaceError
	if !errors.As(errs[0], &at) || at.Line != bad || at.File != "train.jsonl" {
		t.Errorf("got %+v", at)
	}
}

func TestRead(t *testing.T) {
	tests := []struct {
		name, in string
		want     int    // records
		err      string // the last error, "" for none
	}{
		{"empty", "", 0, ""},
		{"no newline at the end", line("a") + strings.TrimSpace(line("b")), 2, ""},
		{"blank lines, CRLF", "\n\n" + strings.ReplaceAll(line("a"), "\n", "\r\n") + " \n" + line("b"), 2, ""},
		{"line after blank ones", "\n\n{\n" + line("a"), 1, "f:3: no JSON"},
		{"not UTF-8", "{\"id\": \"\xff\"}\n" + line("a"), 1, "f:1: not valid UTF-8"},
		{"two values", strings.TrimSpace(line("a")) + line("b"), 0, "f:1: no JSON: invalid character '{' after top-level value"},
		{"null", "null\n", 0, "f:1: got null, want an object"},
		{"metadata of another type", strings.Replace(line("a"), `{"task_type": "t"}`, `{"label": "three"}`, 1), 0, `f:1: metadata.label: got "three", want an integer`},
		{"metadata a list", strings.Replace(line("a"), `{"task_type": "t"}`, `[]`, 1), 0, `f:1: metadata: got [], want an object`},
		{"coordinates not whole", strings.Replace(line("a"), `{"task_type": "t"}`, `{"real_coords": [1.5, 2]}`, 1), 0, `f:1: metadata.real_coords: got [1.5, 2], want two integers`},
		{"image on a drive", strings.Replace(line("a"), "images/a.png", `C:\\a.png`, 1), 0, `f:1: image "C:\\a.png": want a path inside`},
		{"image of another kind", strings.Replace(line("a"), "a.png", "a.tiff", 1), 0, `want .jpg, .jpeg or .png`},
	}
	for _, tt := range tests {
		got, errs := drain(tt.in, "f")
		if got != tt.want {
			t.Errorf("%s: got %d records, want %d", tt.name, got, tt.want)
		}
		checkErr(t, tt.name, errors.Join(errs...), tt.err)
	}
}

func TestReadLongLine(t *testing.T) {
	long := `{"id": "` + strings.Repeat("x", maxLine) + "\"}\n"
	var got []string
	for r, err := range Read(strings.NewReader(line("a")+long+line("b")), "f", nil) {
		got = append(got, fmt.Sprint(r.ID, err))
	}
	want := fmt.Sprintf("[a<nil> f:2: line is longer than %d bytes b<nil>]", maxLine)
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestReadFileError(t *testing.T) {
	var last error
	n := 0
	for _, err := range Read(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(line("a")))), "f", nil) {
		last = err
		n++
	}
	if n != 1 || !errors.Is(last, iotest.ErrTimeout) {
		t.Errorf("got %d results, the last %v, want the error of the file", n, last)
	}
}

func TestReadStops(t *testing.T) {
	next, stop := iter.Pull2(Read(strings.NewReader(line("a")+line("b")), "f", nil))
	if r, err, ok := next(); !ok || err != nil || r.ID != "a" {
		t.Errorf("got %+v, %v, %v", r, err, ok)
	}
	stop()
	if _, _, ok := next(); ok {
		t.Error("reading went on")
	}
}

// TestReadNormalises reads what other programs write.
func TestReadNormalises(t *testing.T) {
	in := `{"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "<image>\nGo"}, {"from": "gpt", "value": "x"}],
"metadata": {"adapter": "b"}, "id": "a", "adapter": "c", "image_path": "x/y.png", "source_dataset": "d", "image": "images/a.jpeg"}`
	var report Report
	for r, err := range Read(strings.NewReader(strings.ReplaceAll(in, "\n", " ")), "f", &report) {
		checkErr(t, "read", err, "")
		m := r.Metadata
		got := fmt.Sprintln(len(r.Conversations), r.Prompt(), r.Answer(), m.Adapter, m.SourceDataset, string(m.Extra["image_path"]))
		if want := "2 Go x b d \"x/y.png\"\n"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	want := "      1  system turn dropped (first: f:1)\n      3  field beside metadata moved into it (first: f:1)\n"
	var b bytes.Buffer
	if err := report.Print(&b); err != nil || b.String() != want {
		t.Errorf("got %q, %v, want %q", b.String(), err, want)
	}
}

func TestMetadata(t *testing.T) {
	tests := []struct{ in, want string }{
		{`{}`, `{}`},
		{`null`, `{}`},
		{`{"z": 1.0, "task_type": "t", "a": {"y": 2, "x": "<&>"}, "real_coords": [3, 4.0]}`, `{"task_type":"t","real_coords":[3,4],"a":{"y":2,"x":"<&>"},"z":1.0}`},
		{`{"tolerance": 5, "real_coords": null, "image_size": [1, 2]}`, `{"tolerance":[5,5],"image_size":[1,2]}`},
		{`{"split_group": "s", "label": 0, "source_dataset": "d", "adapter": "a"}`, `{"adapter":"a","label":0,"source_dataset":"d","split_group":"s"}`},
	}
	for _, tt := range tests {
		var m Metadata
		if err := json.Unmarshal([]byte(tt.in), &m); err != nil {
			t.Errorf("%s: %v", tt.in, err)
		}
		got, err := m.MarshalJSON()
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
	for in, want := range map[string]string{
		`{"tolerance": [1]}`:        "tolerance: got [1], want two integers",
		`{"label": 1.5}`:            "label: got 1.5, want an integer",
		`{"task_type": 1}`:          "task_type: got 1, want a string",
		`{"a": 1, "a": 2}`:          `key "a" occurs twice`,
		`{"image_size": [1e99, 2]}`: "image_size: got [1e99, 2], want two integers",
	} {
		if err := new(Metadata).UnmarshalJSON([]byte(in)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

func TestWriteRecords(t *testing.T) {
	in := line("a") + line("b")
	var records []Record
	for r, err := range Read(strings.NewReader(in), "f", nil) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	var b bytes.Buffer
	if err := WriteRecords(&b, records); err != nil {
		t.Fatal(err)
	}
	want := `{"id":"a","image":"images/a.png","conversations":[{"from":"human","value":"<image>\nGo"},{"from":"gpt","value":"x"}],"metadata":{"task_type":"t"}}` + "\n"
	if got, _, _ := strings.Cut(b.String(), "\n"); got+"\n" != want {
		t.Errorf("got %s, want %s", got, want)
	}
	records[0].Metadata.Extra = map[string]json.RawMessage{"k": json.RawMessage("{")}
	if err := WriteRecords(&b, records); err == nil || !strings.Contains(err.Error(), `record "a"`) {
		t.Errorf("got %v, want the record's id", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(line("a") + line("b")))
	f.Add([]byte("{}\n[]\nnull\n\"\"\n{\"id\":1}\n"))
	f.Add([]byte("{\"id\": \"a\", \"image\": \"images/a.png\", \"conversations\": [{}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for r, err := range Read(bytes.NewReader(data), "f", &Report{}) {
			var at *PlaceError
			if err != nil {
				if !errors.As(err, &at) || at.Line < 1 {
					t.Errorf("got %v, want a place", err)
				}
				continue
			}
			var b bytes.Buffer
			if err := WriteRecords(&b, []Record{r}); err != nil {
				t.Fatal(err)
			}
			for again, err := range Read(&b, "f", nil) {
				if err != nil || again.ID != r.ID || again.sum() != r.sum() {
					t.Errorf("got %+v, %v, want %+v", again, err, r)
				}
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"dataset_name": "r", "adapters": {"a": {"label": 1, "source": "s"}}, "created": 5, "samples": {"train": 1}, "label_distribution_val": {}}`))
	f.Add([]byte(`{"task_type": "t", "real_coords": [1, 2], "tolerance": 3, "label": 4, "x": [{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r RoutingMetadata
		if json.Unmarshal(data, &r) == nil {
			checkAgain(t, r)
		}
		var m Metadata
		if err := json.Unmarshal(data, &m); err != nil {
			return
		}
		text, err := m.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var n Metadata
		if err := json.Unmarshal(text, &n); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		again, err := n.MarshalJSON()
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("got %s, %v, want %s", again, err, text)
		}
	})
}
