package parity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Report is what came of all cases.
type Report struct {
	Device    string // what was tested: "cpu avx2"
	Precision string // of its matrix products
	Results   []*Result
}

// Result is what came of one case.
type Result struct {
	Case       string
	Type       string // of the case, "" if it could not be read
	Quantities []*Quantity
	// Err says why the case could not be checked, or not to its end; nil if it
	// was.
	Err error
}

// Quantity is one row of the report: values of one kind under one tolerance.
type Quantity struct {
	Name   string
	Kind   Kind
	Values []Value // in the order of the check
	// Tolerance is the largest error allowed. 0 asks for equality, and errors
	// are then numbers of differences.
	Tolerance float64
	Note      string // more for the reader, "" for nothing
	ties      int    // choices that differ within tolerance
}

// Kind says how much a quantity proves.
type Kind uint8

// The kinds.
const (
	Checked    Kind = iota // computed here and compared
	NotChecked             // in the case, but nothing here computes it
	Provenance             // says how the case was made; nothing to compute
)

// Value is one compared thing: a tensor, a number, a file.
type Value struct {
	Name  string
	Error float64 // in the measure of its quantity; NaN is never good
}

// Status says in a word what came of a quantity or of a case.
type Status string

// The statuses, best first.
const (
	StatusOK         Status = "ok"
	StatusProvenance Status = "provenance"
	StatusNotChecked Status = "not checked"
	StatusFailed     Status = "FAILED"
	StatusError      Status = "ERROR"
)

// Status returns what came of q. A quantity without values proves nothing.
func (q *Quantity) Status() Status {
	switch {
	case q.Kind == Provenance:
		return StatusProvenance
	case q.Kind == NotChecked || len(q.Values) == 0:
		return StatusNotChecked
	case q.Worst().Error <= q.Tolerance: // false for NaN
		return StatusOK
	}
	return StatusFailed
}

// Worst returns the value with the largest error; NaN counts as largest. q
// must have values.
func (q *Quantity) Worst() Value {
	return slices.MaxFunc(q.Values, func(a, b Value) int {
		if aNaN, bNaN := math.IsNaN(a.Error), math.IsNaN(b.Error); aNaN || bNaN {
			return boolCompare(aNaN, bNaN)
		}
		return cmp.Compare(a.Error, b.Error)
	})
}

// boolCompare orders false before true.
func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Status returns the worst of r: an error, a quantity out of tolerance, then
// one that was not checked. A case in which nothing was compared counts as
// not checked.
func (r *Result) Status() Status {
	if r.Err != nil {
		return StatusError
	}
	count := map[Status]int{}
	for _, q := range r.Quantities {
		count[q.Status()]++
	}
	switch {
	case count[StatusFailed] > 0:
		return StatusFailed
	case count[StatusNotChecked] > 0 || count[StatusOK] == 0:
		return StatusNotChecked
	}
	return StatusOK
}

// OK reports whether no case has failed. With strict, what was not checked
// counts as a failure.
func (r *Report) OK(strict bool) bool {
	for _, c := range r.Results {
		switch c.Status() {
		case StatusError, StatusFailed:
			return false
		case StatusNotChecked:
			if strict {
				return false
			}
		}
	}
	return len(r.Results) > 0
}

// quantity returns the quantity of that name and tolerance, made by the first
// call.
func (r *Result) quantity(name string, kind Kind, tolerance float64) *Quantity {
	for _, q := range r.Quantities {
		if q.Name == name && q.Kind == kind && q.Tolerance == tolerance {
			return q
		}
	}
	q := &Quantity{Name: name, Kind: kind, Tolerance: tolerance}
	r.Quantities = append(r.Quantities, q)
	return q
}

// add records one comparison.
func (r *Result) add(quantity string, tolerance float64, name string, err float64) {
	q := r.quantity(quantity, Checked, tolerance)
	q.Values = append(q.Values, Value{name, err})
}

// leave records something that is there and is not compared.
func (r *Result) leave(quantity string, kind Kind, note string, names ...string) {
	q := r.quantity(quantity, kind, 0)
	q.Note = note
	for _, name := range names {
		q.Values = append(q.Values, Value{Name: name})
	}
}

// noteTies adds to the number of ties of a quantity, which its note gives.
func (r *Result) noteTies(quantity string, ties int) {
	q := r.quantity(quantity, Checked, 0)
	if q.ties += ties; q.ties > 0 {
		q.Note = fmt.Sprintf("ties within tolerance: %d", q.ties)
	}
}
