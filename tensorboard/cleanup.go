package tensorboard

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"mole/tbevents"
)

// Logged is a run, with the runs inside it, in the list of those that could be
// removed.
type Logged struct {
	tbevents.Run
	Root  string // folder of this machine that Name is relative to
	InUse bool   // somebody writes it
}

// List returns the runs in some folders, those that were written longest ago
// first. A folder need not be there.
func List(roots []string) ([]Logged, error) {
	var list []Logged
	for _, root := range roots {
		runs, err := tbevents.Runs(os.DirFS(root))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, run := range tbevents.Group(runs) {
			inUse, err := tbevents.InUse(root, run)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			list = append(list, Logged{run, root, inUse})
		}
	}
	slices.SortStableFunc(list, func(a, b Logged) int {
		return cmp.Or(a.Modified.Compare(b.Modified), strings.Compare(a.Name, b.Name))
	})
	return list, nil
}

// The ages that runs are told apart by.
const (
	day  = 24 * time.Hour
	week = 7 * day
)

// Colours of ages on a terminal: new, of this week, old.
const (
	green   = "\x1b[32m"
	yellow  = "\x1b[33m"
	red     = "\x1b[31m"
	noColor = "\x1b[0m"
)

// WriteTable prints the list. Colours are in the last column, whose width
// nothing depends on.
func WriteTable(w io.Writer, list []Logged, now time.Time, colours bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "number\tdataset\trun\tMB\tfiles\tlast change\n")
	var bytes int64
	files := 0
	for i, l := range list {
		begin, end := "", ""
		if colours {
			begin, end = ageColour(now.Sub(l.Modified)), noColor
		}
		note := ""
		if l.InUse {
			note = "  being written"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%.2f\t%d\t%s%s%s%s\n", i, cmp.Or(strings.TrimSuffix(path.Dir(l.Name), "."), "-"), path.Base(l.Name),
			megabytes(l.Bytes), len(l.Files), begin, l.Modified.Local().Format(time.DateTime), note, end)
		bytes += l.Bytes
		files += len(l.Files)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d runs, %d files, %.2f MB\n", len(list), files, megabytes(bytes))
	return err
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

func ageColour(age time.Duration) string {
	switch {
	case age < day:
		return green
	case age <= week:
		return yellow
	}
	return red
}

// Select returns the numbers in the list, ascending, that a choice names: "0 2-4",
// "all", or "old" for those that were last written more than seven days ago.
func Select(which string, list []Logged, now time.Time) ([]int, error) {
	switch which {
	case "all":
		return older(list, now, -1), nil
	case "old":
		return older(list, now, week), nil
	}
	var numbers []int
	for part := range strings.FieldsFuncSeq(which, func(r rune) bool { return r == ' ' || r == ',' }) {
		first, last, err := numberRange(part)
		if err != nil || last >= len(list) {
			return nil, fmt.Errorf("%q: want numbers from 0 to %d, ranges of them, all, or old", part, len(list)-1)
		}
		for i := first; i <= last; i++ {
			numbers = append(numbers, i)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}

// older returns the numbers of the runs of more than some age; all if that is
// negative.
func older(list []Logged, now time.Time, age time.Duration) (numbers []int) {
	for i, l := range list {
		if age < 0 || now.Sub(l.Modified) > age {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// numberRange reads "3" or "2-4".
func numberRange(s string) (first, last int, err error) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	a, errA := strconv.ParseUint(from, 10, 31)
	b, errB := strconv.ParseUint(to, 10, 31)
	err = errors.Join(errA, errB)
	if a > b {
		err = errors.Join(err, fmt.Errorf("%q: begins after its end", s))
	}
	return int(a), int(b), err
}

// Remove removes the event files of runs, and tells about those that stay
// because somebody began to write them. One that cannot be removed does not
// keep the others.
func Remove(list []Logged, stays func(Logged)) (removed int, bytes int64, err error) {
	for _, l := range list {
		failure := tbevents.Remove(l.Root, l.Run)
		if errors.Is(failure, tbevents.ErrInUse) {
			stays(l)
			continue
		}
		err = errors.Join(err, failure)
		if failure == nil {
			removed++
			bytes += l.Bytes
		}
	}
	return removed, bytes, err
}
