package parity

import (
	"encoding/json"
	"io"
	"math"
)

// The shape of the JSON report.
type (
	reportJSON struct {
		Device    string     `json:"device"`
		Precision string     `json:"precision"`
		Strict    bool       `json:"strict"`
		OK        bool       `json:"ok"`
		Cases     []caseJSON `json:"cases"`
	}
	caseJSON struct {
		Case       string         `json:"case"`
		Type       string         `json:"type"`
		Status     Status         `json:"status"`
		Error      string         `json:"error,omitempty"`
		Quantities []quantityJSON `json:"quantities"`
	}
	quantityJSON struct {
		Quantity  string      `json:"quantity"`
		Status    Status      `json:"status"`
		Error     jsonFloat   `json:"error"`
		Tolerance float64     `json:"tolerance"`
		Worst     string      `json:"worst,omitempty"`
		Note      string      `json:"note,omitempty"`
		Values    []valueJSON `json:"values"`
	}
	valueJSON struct {
		Name  string    `json:"name"`
		Error jsonFloat `json:"error"`
	}
)

// jsonFloat is a number that JSON may not have: NaN and infinities are null.
type jsonFloat float64

// MarshalJSON implements [json.Marshaler].
func (f jsonFloat) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

// WriteJSON writes all of r, every value with its error; an error that is not
// a finite number is null. ok says whether r passes, with strict as in
// [Report.OK].
func (r *Report) WriteJSON(w io.Writer, strict bool) error {
	out := reportJSON{Device: r.Device, Precision: r.Precision, Strict: strict, OK: r.OK(strict), Cases: []caseJSON{}}
	for _, c := range r.Results {
		cj := caseJSON{Case: c.Case, Type: c.Type, Status: c.Status(), Quantities: []quantityJSON{}}
		if c.Err != nil {
			cj.Error = c.Err.Error()
		}
		for _, q := range c.Quantities {
			cj.Quantities = append(cj.Quantities, q.json())
		}
		out.Cases = append(out.Cases, cj)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(out)
}

func (q *Quantity) json() quantityJSON {
	out := quantityJSON{Quantity: q.Name, Status: q.Status(), Tolerance: q.Tolerance, Note: q.Note, Values: []valueJSON{}}
	if q.Kind == Checked && len(q.Values) > 0 {
		w := q.Worst()
		out.Error, out.Worst = jsonFloat(w.Error), w.Name
	}
	for _, v := range q.Values {
		out.Values = append(out.Values, valueJSON{v.Name, jsonFloat(v.Error)})
	}
	return out
}
