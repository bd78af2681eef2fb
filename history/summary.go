package history

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// lastRuns is how many runs the table shows; nameWidth cuts their names.
const (
	lastRuns  = 10
	nameWidth = 35
)

// Summary sums up a list of runs (5.12).
type Summary struct {
	TotalRuns      int                 `json:"total_runs"`
	Best           *Run                `json:"best"`   // by accuracy, the earliest of equal ones; null if none has one
	Latest         *Run                `json:"latest"` // null without runs
	TotalCostUSD   float64             `json:"total_cost_usd"`
	AverageCostUSD float64             `json:"average_cost_usd"`   // of the runs whose cost is known
	LastRuns       []Run               `json:"last_runs"`          // the newest last
	PerClass       map[string]*float64 `json:"per_class_accuracy"` // of Latest
}

// Sum sums up runs, the oldest first.
func Sum(runs []Run) Summary {
	s := Summary{TotalRuns: len(runs), LastRuns: append([]Run{}, runs[max(0, len(runs)-lastRuns):]...), PerClass: map[string]*float64{}}
	costs := 0
	for i := range runs {
		m := runs[i].Metrics
		if a := m.EvalAccuracy; a != nil && (s.Best == nil || *a > *s.Best.Metrics.EvalAccuracy) {
			s.Best = &runs[i]
		}
		if m.CostUSD != nil {
			s.TotalCostUSD += *m.CostUSD
			costs++
		}
	}
	if costs > 0 {
		s.AverageCostUSD = s.TotalCostUSD / float64(costs)
	}
	if len(runs) > 0 {
		s.Latest = &runs[len(runs)-1]
		if per := s.Latest.Metrics.PerClassAccuracy; per != nil {
			s.PerClass = per
		}
	}
	return s
}

// Write prints the summary for people.
func (s Summary) Write(w io.Writer) error {
	if s.TotalRuns == 0 {
		_, err := fmt.Fprintln(w, "no runs yet")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "runs\t%d\n", s.TotalRuns)
	if s.Best != nil {
		fmt.Fprintf(t, "best accuracy\t%s\t%s\n", percent(s.Best.Metrics.EvalAccuracy), cut(s.Best.RunName))
	}
	fmt.Fprintf(t, "latest accuracy\t%s\t%s\n", percent(s.Latest.Metrics.EvalAccuracy), cut(s.Latest.RunName))
	fmt.Fprintf(t, "cost\t$%.2f\t$%.2f a run\n", s.TotalCostUSD, s.AverageCostUSD)
	if err := t.Flush(); err != nil {
		return err
	}
	return cmp.Or(s.writeRuns(w), s.writeClasses(w))
}

// writeRuns prints the table of the last runs.
func (s Summary) writeRuns(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nlast %d runs\n", len(s.LastRuns))
	for _, r := range s.LastRuns {
		fmt.Fprintf(t, "%s\t  %-*s\t%s\t%s\t\n", date(r.Timestamp), nameWidth, cut(r.RunName), percent(r.Metrics.EvalAccuracy), dollars(r.Metrics.CostUSD))
	}
	return t.Flush()
}

// writeClasses prints the accuracy of each class of the latest run.
func (s Summary) writeClasses(w io.Writer) error {
	if len(s.PerClass) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nclasses of %s\n", cut(s.Latest.RunName))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(s.PerClass)) {
		fmt.Fprintf(t, "  %s\t%s\n", cut(name), percent(s.PerClass[name]))
	}
	return t.Flush()
}

// percent returns "98.3%", or "-" if nothing is known.
func percent(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", *x)
}

// dollars returns "$2.25", or "-" if nothing is known.
func dollars(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("$%.2f", *x)
}

// date returns the day and the minute of a time stamp.
func date(stamp string) string {
	at, err := time.Parse(Layout, stamp)
	if err != nil {
		return cut(stamp)
	}
	return at.Format("2006-01-02 15:04")
}

// cut shortens a name for a table, and replaces what a terminal could act on.
func cut(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > nameWidth {
		s = string(r[:nameWidth])
	}
	return s
}
