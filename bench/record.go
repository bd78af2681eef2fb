package bench

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// columns are those of the files in bench/results.
var columns = []string{
	"date", "processor", "cores", "commit", "tier", "precision", "threads", "figure", "value", "unit", "beside", "yardstick", "ratio", "peak_rss_bytes",
}

// WriteCSV writes a row for each figure of r, after a row of the names of the
// columns unless more is false.
func (r *Report) WriteCSV(w io.Writer, header bool) error {
	c := csv.NewWriter(w)
	if header {
		if err := c.Write(columns); err != nil {
			return err
		}
	}
	for _, f := range r.Figures {
		err := c.Write([]string{
			r.Date.Format(time.RFC3339), r.Processor, strconv.Itoa(r.Cores), r.Commit, r.Tier, r.Precision, strconv.Itoa(f.Threads),
			f.Name, number(f.Value), f.Unit, f.Beside, number(f.Yard), number(f.Ratio), strconv.FormatInt(r.PeakBytes, 10),
		})
		if err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// number writes a number with four digits, which is more than it is worth.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// Record is what earlier runs found.
type Record struct{ rows []row }

// row is a figure of an earlier run.
type row struct {
	key   string
	value float64
	ratio float64
}

// key tells figures apart that are not to be compared.
func key(tier, precision, threads, figure string) string {
	return strings.Join([]string{tier, precision, threads, figure}, "\n")
}

// ReadRecord reads what WriteCSV wrote, any number of runs one after another.
func ReadRecord(r io.Reader) (*Record, error) {
	c := csv.NewReader(r)
	c.FieldsPerRecord = len(columns)
	head, err := c.Read()
	if err != nil {
		return nil, err
	}
	if !slices.Equal(head, columns) {
		return nil, fmt.Errorf("columns %q, want %q", head, columns)
	}
	rec := &Record{}
	for {
		fields, err := c.Read()
		if errors.Is(err, io.EOF) {
			return rec, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := c.FieldPos(0)
		row, err := parseRow(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		rec.rows = append(rec.rows, row)
	}
}

// parseRow reads the fields of a row.
func parseRow(fields []string) (row, error) {
	get := func(column string) string { return fields[slices.Index(columns, column)] }
	out := row{key: key(get("tier"), get("precision"), get("threads"), get("figure"))}
	var err error
	if out.value, err = strconv.ParseFloat(get("value"), 64); err != nil {
		return out, err
	}
	out.ratio, err = strconv.ParseFloat(get("ratio"), 64)
	return out, err
}

// compare returns two cells for figure f of r: the newest that was recorded of
// it, and ours over that. Ratios are compared; where there is none, values.
func (rec *Record) compare(r *Report, f *Figure) []string {
	k := key(r.Tier, r.Precision, strconv.Itoa(f.Threads), f.Name)
	for _, old := range slices.Backward(rec.rows) {
		if old.key != k {
			continue
		}
		was, is := old.ratio, f.Ratio
		if f.Beside == "" {
			was, is = old.value, f.Value
		}
		if was == 0 {
			break
		}
		return []string{fmt.Sprintf("%.4g", was), fmt.Sprintf("%.2f", is/was)}
	}
	return []string{"-", "-"}
}
