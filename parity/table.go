package parity

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// WriteTable writes r for people: one row per quantity with its largest error
// and where that is, then what went wrong, then one line that sums up. With
// verbose, every value has a row of its own below its quantity.
func (r *Report) WriteTable(w io.Writer, verbose bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "case\tquantity\tvalues\terror\ttolerance\tok\tworst") // errors come back from Flush
	for _, c := range r.Results {
		for _, q := range c.Quantities {
			writeQuantity(t, c.Case, q, verbose)
		}
		if c.Err != nil {
			fmt.Fprintf(t, "%s\t-\t-\t-\t-\t%s\tsee below\n", c.Case, StatusError)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range r.Results {
		if c.Err != nil {
			fmt.Fprintf(w, "\ncase %s: %v\n", c.Case, c.Err)
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r.summary())
	return err
}

func writeQuantity(w io.Writer, name string, q *Quantity, verbose bool) {
	status := q.Status()
	if q.Kind != Checked {
		fmt.Fprintf(w, "%s\t%s\t%d\t-\t-\t%s\t%s\n", name, q.Name, len(q.Values), status, q.remark())
		return
	}
	if len(q.Values) == 0 {
		fmt.Fprintf(w, "%s\t%s\t0\t-\t-\t%s\t%s\n", name, q.Name, status, q.Note)
		return
	}
	worst := q.Worst()
	where := worst.Name
	if q.Tolerance == 0 && worst.Error == 0 {
		where = "-" // all are equally good
	}
	if q.Note != "" {
		where += " (" + q.Note + ")"
	}
	fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", name, q.Name, len(q.Values),
		q.number(worst.Error), q.limit(), status, where)
	if !verbose {
		return
	}
	for _, v := range q.Values {
		fmt.Fprintf(w, "%s\t  %s\t-\t%s\t%s\t-\t-\n", name, v.Name, q.number(v.Error), q.limit())
	}
}

// shown is how many names a row lists.
const shown = 4

// remark returns what stands where checked quantities have their worst value.
func (q *Quantity) remark() string {
	if q.Note != "" {
		return q.Note
	}
	var names []string
	for _, v := range q.Values {
		names = append(names, v.Name)
	}
	if more := len(names) - shown; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), more)
	}
	return strings.Join(names, ", ")
}

// number returns an error in the measure of q.
func (q *Quantity) number(e float64) string {
	if q.Tolerance == 0 && !math.IsNaN(e) {
		return fmt.Sprintf("%g", e)
	}
	return fmt.Sprintf("%.1e", e)
}

func (q *Quantity) limit() string {
	if q.Tolerance == 0 {
		return "exact"
	}
	return fmt.Sprintf("%.0e", q.Tolerance)
}

// summary counts the cases by status and names the value that came closest to
// its tolerance.
func (r *Report) summary() string {
	count := map[Status]int{}
	for _, c := range r.Results {
		count[c.Status()]++
	}
	s := fmt.Sprintf("%s, %s: %d cases:", r.Device, r.Precision, len(r.Results))
	if len(r.Results) == 1 {
		s = fmt.Sprintf("%s, %s: 1 case:", r.Device, r.Precision)
	}
	for _, status := range []Status{StatusOK, StatusNotChecked, StatusFailed, StatusError} {
		if n := count[status]; n > 0 || status == StatusOK {
			s += fmt.Sprintf(" %d %s,", n, status)
		}
	}
	values, share, where := r.closest()
	s += fmt.Sprintf(" %d values compared", values)
	if where != "" {
		s += fmt.Sprintf(", largest error %.2g of its tolerance (%s)", share, where)
	}
	return s
}

// closest returns how many values were compared, and the largest quotient of
// error and tolerance with its place.
func (r *Report) closest() (values int, share float64, where string) {
	for _, c := range r.Results {
		for _, q := range c.Quantities {
			if q.Kind != Checked || len(q.Values) == 0 {
				continue
			}
			values += len(q.Values)
			s := q.Worst().Error / q.Tolerance
			if q.Tolerance > 0 && !(s <= share) && !math.IsNaN(share) { // a NaN is the worst
				share, where = s, c.Case+" "+q.Name
			}
		}
	}
	return values, share, where
}
