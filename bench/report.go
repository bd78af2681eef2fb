package bench

import (
	"fmt"
	"time"

	"mole/device/cpu"
	"mole/internal/kernel"
)

// Report is what a run found. Its JSON form is what mole bench --json prints.
type Report struct {
	Date      time.Time `json:"date"`
	Processor string    `json:"processor"`
	Cores     int       `json:"cores"`
	Commit    string    `json:"commit"` // set by the caller; "" where it is not known
	Tier      string    `json:"tier"`
	Precision string    `json:"precision"`
	Figures   []Figure  `json:"figures"`
	// PeakBytes is the most memory that the process had in use so far, 0 where
	// the system does not tell.
	PeakBytes int64 `json:"peak_rss_bytes"`
}

// describe sets what is known before anything was measured.
func (r *Report) describe(d *cpu.Device) {
	p := kernel.Processor()
	r.Processor, r.Cores = p.Model, p.Cores
	r.Tier, r.Precision = d.Tier().String(), d.Precision().String()
}

// Figure is one measurement.
type Figure struct {
	Name    string  `json:"name"` // says all that decides the amount of work
	Threads int     `json:"threads"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Beside  string  `json:"beside,omitempty"`    // the yardstick, "" for none
	Yard    float64 `json:"yardstick,omitempty"` // what it gave, in the same unit
	Ratio   float64 `json:"ratio,omitempty"`     // the median over the turns of value over yard
	Want    *Want   `json:"want,omitempty"`      // nil where there is no target
}

// Want is the target of a figure.
type Want struct {
	Bound float64 `json:"bound"`
	Most  bool    `json:"most,omitempty"`  // the bound is an upper one
	Value bool    `json:"value,omitempty"` // it is for the value, not for the ratio
}

// atLeast and atMost are targets of ratios.
func atLeast(bound float64) *Want { return &Want{Bound: bound} }
func atMost(bound float64) *Want  { return &Want{Bound: bound, Most: true} }

// String returns the target for people.
func (w *Want) String() string {
	if w == nil {
		return ""
	}
	sign := "≥"
	if w.Most {
		sign = "≤"
	}
	return fmt.Sprintf("%s %.3g", sign, w.Bound)
}

// Met reports whether the figure reaches its target; one without reaches it.
func (f *Figure) Met() bool {
	if f.Want == nil {
		return true
	}
	got := f.Ratio
	if f.Want.Value {
		got = f.Value
	}
	if f.Want.Most {
		return got <= f.Want.Bound
	}
	return got >= f.Want.Bound
}

// add adds a figure of something that was measured beside a yardstick. Rates
// are in the given multiple of a unit.
func (r *Report) add(name string, threads int, o outcome, unit string, scale float64, yardstick string, want *Want) {
	f := Figure{Name: name, Threads: threads, Value: o.value / scale, Unit: unit, Want: want}
	if o.yard > 0 {
		f.Beside, f.Yard, f.Ratio = yardstick, o.yard/scale, o.ratio
	}
	if o.yard == 0 && (want == nil || !want.Value) {
		f.Want = nil // there is nothing to hold it against
	}
	r.Figures = append(r.Figures, f)
}
