package bench

import (
	"bytes"
	"testing"
	"time"
)

// FuzzReadRecord checks that no file makes the reader panic, and that a report
// that was written reads back as its figures.
func FuzzReadRecord(f *testing.F) {
	r := &Report{Date: time.Unix(0, 0).UTC(), Processor: "a, \"b\"", Tier: "avx2", Precision: "f32", Figures: []Figure{{Name: "gemm", Value: 1.5, Yard: 2, Ratio: 0.75}}}
	var text bytes.Buffer
	if err := r.WriteCSV(&text, true); err != nil {
		f.Fatal(err)
	}
	f.Add(text.Bytes())
	f.Add([]byte("date,processor\n"))
	f.Add([]byte("\"\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		rec, err := ReadRecord(bytes.NewReader(file))
		if err == nil && rec == nil {
			t.Fatal("neither a record nor an error")
		}
		if bytes.Equal(file, text.Bytes()) && (err != nil || len(rec.rows) != 1 || rec.rows[0].value != 1.5) {
			t.Errorf("got %+v, %v, want the figure that was written", rec, err)
		}
	})
}
