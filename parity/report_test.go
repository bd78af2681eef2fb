package parity

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
)

// sampleReport holds one of everything.
func sampleReport() *Report {
	good := &Result{Case: "good", Type: "step"}
	good.add("loss", 1e-5, "loss", 2.5e-6)
	good.add("loss", 1e-5, "loss_base", 1e-7)
	good.add("ids", 0, "step 0", 0)
	good.leave("provenance", Provenance, "", "case", "versions")
	bad := &Result{Case: "bad", Type: "step"}
	bad.add("logits", 1e-5, "a", 1)
	bad.add("logits", 1e-5, "b", math.NaN())
	bad.add("ids", 0, "step 3", 2)
	open := &Result{Case: "open", Type: "tokens"}
	open.leave("case.json", NotChecked, "", "a", "b", "c", "d", "e")
	open.leave("strings", NotChecked, "needs a tokenizer", "strings.0")
	broken := &Result{Case: "broken", Err: errors.New(`case.json: no key "type"`)}
	return &Report{Device: "cpu test", Precision: "f32", Results: []*Result{good, bad, open, broken}}
}

const sampleTable = `case    quantity    values  error    tolerance  ok           worst
good    loss        2       2.5e-06  1e-05      ok           loss
good    ids         1       0        exact      ok           -
good    provenance  2       -        -          provenance   case, versions
bad     logits      2       NaN      1e-05      FAILED       b
bad     ids         1       2        exact      FAILED       step 3
open    case.json   5       -        -          not checked  a, b, c, d and 1 more
open    strings     1       -        -          not checked  needs a tokenizer
broken  -           -       -        -          ERROR        see below

case broken: case.json: no key "type"

cpu test, f32: 4 cases: 1 ok, 1 not checked, 1 FAILED, 1 ERROR, 6 values compared, largest error NaN of its tolerance (bad logits)
`

func TestWriteTable(t *testing.T) {
	var b strings.Builder
	if err := sampleReport().WriteTable(&b, false); err != nil {
		t.Fatal(err)
	}
	if b.String() != sampleTable {
		t.Errorf("got\n%s\nwant\n%s", b.String(), sampleTable)
	}
	b.Reset()
	if err := sampleReport().WriteTable(&b, true); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !strings.Contains(got, "\ngood      loss_base ") {
		t.Errorf("verbose: got\n%s\nwant a row for loss_base", got)
	}
}

func TestWriteJSON(t *testing.T) {
	got := readReport(t, sampleReport(), true)
	if got.OK || !got.Strict || len(got.Cases) != 4 {
		t.Fatalf("got ok %v, strict %v, %d cases, want a strict failure of 4", got.OK, got.Strict, len(got.Cases))
	}
	if c := got.Cases[3]; c.Error == "" {
		t.Errorf("got %+v, want an error", c)
	}
	q := got.Cases[1].Quantities[0]
	if q.Worst != "b" || q.Status != StatusFailed || q.Error != nil {
		t.Errorf("got %+v, want b as the worst, with null", q)
	}
	if a, b := string(q.Values[0].Error), string(q.Values[1].Error); a != "1" || b != "null" {
		t.Errorf("got errors %s and %s, want 1 and null", a, b)
	}
}

// readReport writes r as JSON and reads that.
func readReport(t *testing.T, r *Report, strict bool) reportRead {
	t.Helper()
	var b strings.Builder
	if err := r.WriteJSON(&b, strict); err != nil {
		t.Fatal(err)
	}
	var got reportRead
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// reportRead is what a program reads of the JSON report.
type reportRead struct {
	OK, Strict bool
	Cases      []struct {
		Status     Status
		Error      string
		Quantities []struct {
			Status Status
			Error  *float64
			Worst  string
			Values []struct {
				Name  string
				Error json.RawMessage
			}
		}
	}
}

func TestStatus(t *testing.T) {
	all := sampleReport()
	want := []Status{StatusOK, StatusFailed, StatusNotChecked, StatusError}
	for i, c := range all.Results {
		if got := c.Status(); got != want[i] {
			t.Errorf("%s: got %s, want %s", c.Case, got, want[i])
		}
		r := Report{Results: []*Result{c}}
		if loose, strict := r.OK(false), r.OK(true); loose != (i == 0 || i == 2) || strict != (i == 0) {
			t.Errorf("%s: got %v, and %v if strict", c.Case, loose, strict)
		}
	}
	if got := (&Result{}).Status(); got != StatusNotChecked {
		t.Errorf("nothing compared: got %s, want %s", got, StatusNotChecked)
	}
	only := &Result{}
	only.leave("provenance", Provenance, "", "case")
	if got := only.Status(); got != StatusNotChecked {
		t.Errorf("nothing but provenance: got %s, want %s", got, StatusNotChecked)
	}
}
