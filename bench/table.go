package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteJSON writes r as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable writes r for people: a line for each figure, parts of a whole
// indented below it. With a record, the
// ratio that it holds for the figure, and ours over it, stand beside it.
func (r *Report) WriteTable(w io.Writer, against *Record) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := []string{"figure", "threads", "measured", "beside", "ratio", "want"}
	if against != nil {
		head = append(head, "recorded", "now/then")
	}
	fmt.Fprintln(t, strings.Join(head, "\t"))
	whole := ""
	for i := range r.Figures {
		f := &r.Figures[i]
		cells := f.cells()
		if part, ok := strings.CutPrefix(f.Name, whole+": "); ok {
			cells[0] = "  " + part
		} else {
			whole = f.Name
		}
		if against != nil {
			cells = append(cells, against.compare(r, f)...)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s, %s, %s%s; at most %.2f GB resident\n", r.Processor, r.Tier, r.Precision, r.commit(), float64(r.PeakBytes)/giga)
	return err
}

// cells returns f as a line of the table.
func (f *Figure) cells() []string {
	return []string{f.Name, strconv.Itoa(f.Threads), fmt.Sprintf("%.4g %s", f.Value, f.Unit), f.yardstick(), f.ratio(), f.verdict()}
}

// commit returns the commit for people.
func (r *Report) commit() string {
	if r.Commit == "" {
		return ""
	}
	return fmt.Sprintf(", commit %.12s", r.Commit)
}

// yardstick returns what f was held against.
func (f *Figure) yardstick() string {
	if f.Beside == "" {
		return "-"
	}
	return fmt.Sprintf("%.4g %s", f.Yard, f.Beside)
}

// ratio returns the ratio with three digits.
func (f *Figure) ratio() string {
	if f.Beside == "" {
		return "-"
	}
	return fmt.Sprintf("%.3f", f.Ratio)
}

// verdict returns the target, and whether it is missed.
func (f *Figure) verdict() string {
	switch {
	case f.Want == nil:
		return "-"
	case f.Want.Value:
		return fmt.Sprintf("%v %s%s", f.Want, f.Unit, missed(f))
	}
	return f.Want.String() + missed(f)
}

func missed(f *Figure) string {
	if f.Met() {
		return ""
	}
	return " missed"
}
