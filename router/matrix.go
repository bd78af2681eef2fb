package router

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// Matrix is a dense table of numbers, row by row. Its elements are kept as
// float32, in memory as in files, so that what was fitted and what was loaded
// decide alike. In JSON it is {"rows": r, "columns": c, "float32": "…"}, the
// elements little-endian in base64.
type Matrix struct {
	Rows, Columns int
	Data          []float32 // [Rows, Columns]
}

// newMatrix returns the rounded rows, all of the given width.
func newMatrix(rows [][]float64, width int) Matrix {
	m := Matrix{Rows: len(rows), Columns: width, Data: make([]float32, 0, len(rows)*width)}
	for _, row := range rows {
		for _, v := range row {
			m.Data = append(m.Data, float32(v))
		}
	}
	return m
}

// Row returns row i, which aliases m.
func (m Matrix) Row(i int) []float32 { return m.Data[i*m.Columns : (i+1)*m.Columns] }

// checkPositive is check that refuses numbers up to 0 too.
func (m Matrix) checkPositive(name string, rows, columns int) error {
	if err := m.check(name, rows, columns); err != nil {
		return err
	}
	for i, v := range m.Data {
		if v <= 0 {
			return fmt.Errorf("%s: number %d is %v, want one above 0", name, i, v)
		}
	}
	return nil
}

// check refuses a matrix of another shape and numbers that are not finite.
func (m Matrix) check(name string, rows, columns int) error {
	if m.Rows != rows || m.Columns != columns {
		return fmt.Errorf("%s: %d×%d numbers, want %d×%d", name, m.Rows, m.Columns, rows, columns)
	}
	for i, v := range m.Data {
		if f := float64(v); math.IsInf(f, 0) || math.IsNaN(f) {
			return fmt.Errorf("%s: number %d is not finite", name, i)
		}
	}
	return nil
}

// packedMatrix is a Matrix as JSON has it.
type packedMatrix struct {
	Rows    int    `json:"rows"`
	Columns int    `json:"columns"`
	Float32 string `json:"float32"`
}

// MarshalJSON implements [json.Marshaler].
func (m Matrix) MarshalJSON() ([]byte, error) {
	raw := make([]byte, 0, 4*len(m.Data))
	for _, v := range m.Data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return json.Marshal(packedMatrix{m.Rows, m.Columns, base64.StdEncoding.EncodeToString(raw)})
}

// UnmarshalJSON implements [json.Unmarshaler]. It refuses a matrix whose
// elements are not as many as its shape says.
func (m *Matrix) UnmarshalJSON(text []byte) error {
	var p packedMatrix
	shell, elements := cutElements(text)
	if err := strict(shell, &p); err != nil {
		return err
	}
	if p.Float32 != "" {
		elements = []byte(p.Float32) // not cut out, or there are two
	}
	raw, err := base64.StdEncoding.Strict().AppendDecode(nil, elements)
	if err != nil {
		return fmt.Errorf("matrix: %w", err)
	}
	n := len(raw) / 4
	if p.Rows < 0 || p.Columns < 0 || len(raw)%4 != 0 || !isProduct(n, p.Rows, p.Columns) {
		return fmt.Errorf("matrix: %d bytes for %d×%d numbers of 4", len(raw), p.Rows, p.Columns)
	}
	*m = Matrix{Rows: p.Rows, Columns: p.Columns, Data: make([]float32, n)}
	for i := range m.Data {
		m.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return nil
}

// cutElements cuts the elements out of the JSON of a matrix where they are found
// at once: encoding/json would go through them byte by byte, several times.
func cutElements(text []byte) (shell, elements []byte) {
	_, after, found := bytes.Cut(text, []byte(`"float32"`))
	lead := len(after) - len(bytes.TrimLeft(after, ": \t\r\n"))
	at := len(text) - len(after) + lead // of the quote
	if !found || at >= len(text) || text[at] != '"' {
		return text, nil
	}
	n := bytes.IndexByte(text[at+1:], '"')
	if n < 0 || bytes.IndexByte(text[at+1:at+1+n], '\\') >= 0 {
		return text, nil
	}
	return slices.Concat(text[:at+1], text[at+1+n:]), text[at+1 : at+1+n]
}

// isProduct reports whether n = a·b for a, b ≥ 0, without overflow.
func isProduct(n, a, b int) bool {
	if a == 0 || b == 0 {
		return n == 0
	}
	return n%a == 0 && n/a == b
}

// dot returns Σ w[i]·x[i] over the elements of w, in four sums.
func dot(w []float32, x []float64) float64 {
	x = x[:len(w)]
	var s [4]float64
	i := 0
	for ; i+4 <= len(w); i += 4 {
		s[0] += float64(w[i]) * x[i]
		s[1] += float64(w[i+1]) * x[i+1]
		s[2] += float64(w[i+2]) * x[i+2]
		s[3] += float64(w[i+3]) * x[i+3]
	}
	for ; i < len(w); i++ {
		s[0] += float64(w[i]) * x[i]
	}
	return s[0] + s[1] + (s[2] + s[3])
}

// norm returns the Euclidean length of x.
func norm(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}

// classMeans returns the mean vector of each of k classes, nil for one without
// examples, and how many examples each has.
func classMeans(e Examples, k int) (means [][]float64, counts []int) {
	means, counts = make([][]float64, k), make([]int, k)
	for i, x := range e.X {
		c := e.Class[i]
		counts[c]++
		if means[c] == nil {
			means[c] = slices.Clone(x)
			continue
		}
		for j, v := range x {
			means[c][j] += v
		}
	}
	for c, m := range means {
		for j := range m {
			m[j] /= float64(counts[c])
		}
	}
	return means, counts
}
