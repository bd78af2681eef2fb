package tbevents

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// at is the time of every record in testdata, which TensorBoard's own writer
// made; docs/tensorboard.md says how.
var at = time.UnixMilli(1767600000250)

// write writes a file and returns its content.
func write(t *testing.T, o Options, add func(*Writer)) []byte {
	t.Helper()
	o.Now = func() time.Time { return at }
	w, err := Create(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	add(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return contents(t, w.Path())
}

func contents(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestBytesOfTheStockWriter(t *testing.T) {
	got := write(t, Options{Start: 3}, func(w *Writer) {
		w.Scalar("train/loss", 0, 1.9459)
		w.Scalar("train/loss", 300, 0)
		w.Scalar("eval/loss", 300, math.NaN())
		w.Text("args", 5, "rank **16** — é")
	})
	if want := contents(t, filepath.Join("testdata", "simple.tfevents")); !bytes.Equal(got, want) {
		t.Errorf("got\n%x\nwant\n%x", got, want)
	}
}

func TestFileName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	pattern := regexp.MustCompile(`^events\.out\.tfevents\.1767600000\.my_host\.\d+\.([01])$`)
	for _, n := range []string{"0", "1"} {
		w, err := Create(dir, Options{Host: "my.host", Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		m := pattern.FindStringSubmatch(filepath.Base(w.Path()))
		if m == nil || m[1] != n {
			t.Errorf("got %s, want number %s", w.Path(), n)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// read returns all events, the Reader and its error.
func read(data []byte) (events []Event, r *Reader, err error) {
	r = NewReader(bytes.NewReader(data))
	for e, err := range r.All() {
		if err != nil {
			return events, r, err
		}
		events = append(events, e)
	}
	return events, r, nil
}

func TestReadStockFiles(t *testing.T) {
	tests := []struct {
		file string
		want []Value // of the events that have one
	}{
		{"simple.tfevents", []Value{
			{Tag: "train/loss", Kind: Scalar, Scalar: float64(float32(1.9459))},
			{Tag: "train/loss", Kind: Scalar},
			{Tag: "eval/loss", Kind: Scalar, Scalar: math.NaN()},
			{Tag: "args", Kind: Text, Text: "rank **16** — é", Plugin: "text"},
		}},
		{"tensor.tfevents", []Value{
			{Tag: "train/loss", Kind: Scalar, Scalar: 0.5, Plugin: "scalars"},
			{Tag: "note", Kind: Text, Text: "one\ntwo", Plugin: "text"},
			{Tag: "picture", Kind: Image, Images: [][]byte{[]byte("x")}},
		}},
	}
	for _, tt := range tests {
		data := contents(t, filepath.Join("testdata", tt.file))
		events, r, err := read(data)
		if err != nil || r.Torn() || r.Offset() != int64(len(data)) {
			t.Fatalf("%s: got %v, torn %v, %d of %d bytes", tt.file, err, r.Torn(), r.Offset(), len(data))
		}
		if e := events[0]; e.Version != fileVersion || e.Wall != 1767600000.25 {
			t.Errorf("%s: got %+v first", tt.file, e)
		}
		var got []Value
		for _, e := range events {
			got = append(got, e.Values...)
		}
		if diff := cmp.Diff(tt.want, got, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", tt.file, diff)
		}
	}
}

func TestStart(t *testing.T) {
	events, _, err := read(contents(t, filepath.Join("testdata", "simple.tfevents")))
	if err != nil || !events[1].Start || events[1].Step != 3 || events[2].Start {
		t.Errorf("got %v, %+v", err, events)
	}
}

// TestCutAnywhere cuts a file at each byte: what is whole is read, nothing is
// an error.
func TestCutAnywhere(t *testing.T) {
	data := contents(t, filepath.Join("testdata", "simple.tfevents"))
	ends := map[int64]int{0: 0}
	whole := NewReader(bytes.NewReader(data))
	for _, err := range whole.All() {
		if err != nil {
			t.Fatal(err)
		}
		ends[whole.Offset()] = len(ends)
	}
	want := 0
	for n := range data {
		events, r, err := read(data[:n])
		count, atEnd := ends[int64(n)]
		if atEnd {
			want = count
		}
		if err != nil || len(events) != want || r.Torn() == atEnd {
			t.Fatalf("%d bytes: got %d events, torn %v, error %v, want %d", n, len(events), r.Torn(), err, want)
		}
	}
}

// TestFlipAnywhere flips a bit of each byte: the checksums find it.
func TestFlipAnywhere(t *testing.T) {
	data := contents(t, filepath.Join("testdata", "tensor.tfevents"))
	for i := range data {
		data[i] ^= 0x10
		if _, _, err := read(data); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "byte ") {
			t.Errorf("byte %d: got %v", i, err)
		}
		data[i] ^= 0x10
	}
}

func TestLongRecordIsPassedOver(t *testing.T) {
	data := appendFrame(nil, make([]byte, MaxRecord+1))
	data = appendFrame(data, nil)
	data = appendFrame(data, appendEvent(nil, Event{Step: 7}))
	events, r, err := read(data)
	if err != nil || r.Passed() != 1 || len(events) != 2 || events[1].Step != 7 {
		t.Errorf("got %v, %d passed, %+v", err, r.Passed(), events)
	}
}

func TestLengthIsNotBelieved(t *testing.T) {
	for _, length := range []uint64{1 << 40, 1 << 63, 1<<63 - 17, math.MaxUint64} {
		frame := appendFrame(nil, nil)[:headerSize]
		for i := range 8 {
			frame[i] = byte(length >> (8 * i))
		}
		sum := checksum(frame[:8])
		frame = append(frame[:8], byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24), 1, 2, 3)
		if _, r, err := read(frame); !errors.Is(err, ErrDamaged) && !r.Torn() {
			t.Errorf("length %d: got %v", length, err)
		}
	}
}

func TestTooManyValues(t *testing.T) {
	var summary []byte
	for range maxValues + 1 {
		summary = appendMessage(summary, summaryValue, nil)
	}
	data := appendFrame(nil, appendMessage(nil, eventSummary, summary))
	if _, _, err := read(data); err == nil || !strings.Contains(err.Error(), "more than 65536 values") {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentWriters(t *testing.T) {
	data := write(t, Options{}, func(w *Writer) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range 200 {
					w.Scalar("a", int64(i), 1)
				}
			})
		}
		wg.Wait()
	})
	if events, r, err := read(data); err != nil || r.Torn() || len(events) != 802 {
		t.Errorf("got %d events, %v", len(events), err)
	}
}

func TestWriterErrors(t *testing.T) {
	if _, err := Create(filepath.Join(t.TempDir(), "x"), Options{}); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(file, Options{}); err == nil {
		t.Error("a file was taken for a folder")
	}
	w, err := Create(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	w.Scalar("late", 1, 1)
	if err := w.Flush(); !errors.Is(err, errClosed) {
		t.Errorf("flush: got %v", err)
	}
	if err := w.Close(); !errors.Is(err, errClosed) {
		t.Errorf("close: got %v", err)
	}
}

func TestInvalidUTF8(t *testing.T) {
	events, _, err := read(write(t, Options{}, func(w *Writer) { w.Text("a\xff", 1, "b\xfe") }))
	if err != nil || len(events) != 3 {
		t.Fatalf("got %v, %+v", err, events)
	}
	if v := events[2].Values[0]; v.Tag != "a\uFFFD" || v.Text != "b\uFFFD" {
		t.Errorf("got %+v", v)
	}
}

func FuzzReader(f *testing.F) {
	for _, name := range []string{"simple.tfevents", "tensor.tfevents"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// As a file, then as the payload of a record, so that the fuzzer need
		// not guess checksums.
		if _, r, err := read(data); err != nil && !errors.Is(err, ErrDamaged) || r.Offset() > int64(len(data)) {
			t.Errorf("got %v", err)
		}
		r := NewReader(bytes.NewReader(appendFrame(nil, data)))
		e, err := r.Next()
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("payload: got %v", err)
		}
		if _, err := parseEvent(appendEvent(nil, e)); err != nil {
			t.Errorf("written again: got %v", err)
		}
		if _, err := r.Next(); err == nil {
			t.Error("there is an event after the end")
		}
	})
}
