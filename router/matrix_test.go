package router

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestMatrixJSON reads a matrix in every way that JSON can write it.
func TestMatrixJSON(t *testing.T) {
	m := Matrix{Rows: 2, Columns: 3, Data: []float32{0, -1.5, 3e38, 1e-40, 7, 1.0 / 3}}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var wide bytes.Buffer
	if err := json.Indent(&wide, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	begin, elements, _ := strings.Cut(string(text), `"float32":"`)
	for _, tt := range []string{
		string(text), wide.String(),
		strings.ReplaceAll(string(text), "/", `\/`), strings.Replace(string(text), "AAAA", `\u0041AAA`, 1),
		strings.Replace(string(text), "float32", "Float32", 1),
		begin + "\"float32\" :\t\"" + elements,
		`{"float32":"AAAA",` + string(text[1:]),
	} {
		var got Matrix
		if err := json.Unmarshal([]byte(tt), &got); err != nil {
			t.Errorf("%s: %v", tt, err)
		} else if got.Rows != m.Rows || got.Columns != m.Columns || !slices.Equal(got.Data, m.Data) {
			t.Errorf("%s: got %v, want %v", tt, got, m)
		}
	}
	for _, tt := range []string{`{"rows":1,"columns":1}`, `{"rows":1,"columns":1,"float32":"AAA"}`, `{"rows":1,"columns":1,"float32":3}`, `{"float32":"AAAA","more":1}`, `7`} {
		if err := json.Unmarshal([]byte(tt), new(Matrix)); err == nil {
			t.Errorf("%s: got no error", tt)
		}
	}
}
