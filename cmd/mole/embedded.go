package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"mole/parity"
)

// verdict is what came of the recorded case that is part of the program.
type verdict struct {
	report  *parity.Report // nil if the case was not run
	elapsed time.Duration
}

// errNotExact is the error of a build that computes something else than the
// reference on this machine.
var errNotExact = hintedError{
	errors.New("the embedded case does not give the numbers of the reference"),
	"MOLE_DEBUG_CPU=generic mole doctor tells whether the fast kernels are at fault",
}

// runEmbedded runs the embedded case on the device that mole would use.
func runEmbedded(ctx context.Context) (verdict, error) {
	start := time.Now()
	report, err := parity.Run(ctx, []parity.Case{parity.Embedded()}, parity.Options{})
	if err != nil {
		return verdict{}, err
	}
	v := verdict{report, time.Since(start)}
	if !report.OK(true) {
		return v, errNotExact
	}
	return v, nil
}

// String says what came of the case on one line.
func (v verdict) String() string {
	if v.report == nil {
		return "not known"
	}
	r := v.report.Results[0]
	good, all := 0, 0
	for _, q := range r.Quantities {
		switch q.Status() {
		case parity.StatusOK:
			good += len(q.Values)
			all += len(q.Values)
		case parity.StatusFailed:
			all += len(q.Values)
		}
	}
	return fmt.Sprintf("%s: %d of %d values of case %s agree with the reference (%.1f s)",
		r.Status(), good, all, r.Case, v.elapsed.Seconds())
}

// MarshalJSON returns the whole report, as mole parity --json prints it.
func (v verdict) MarshalJSON() ([]byte, error) {
	if v.report == nil {
		return json.Marshal(nil)
	}
	var b bytes.Buffer
	err := v.report.WriteJSON(&b, true)
	return b.Bytes(), err
}

// writeFailure prints the table of a case that is not all right.
func (v verdict) writeFailure(w io.Writer) error {
	if v.report == nil || v.report.OK(true) {
		return nil
	}
	fmt.Fprintln(w)
	return v.report.WriteTable(w, false)
}
