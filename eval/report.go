package eval

import (
	"encoding/json"
	"fmt"

	"mole/expert"
	"mole/router"
	"mole/spec"
)

// FileNames are the names that a report is stored under: both of the
// predecessor's, with the same bytes (4.15).
func FileNames() []string { return []string{"eval-report.json", "eval_report.json"} }

// Run says what was evaluated, and how; see 4.15 for the names in JSON.
type Run struct {
	RunName             string      `json:"run_name"`
	DatasetName         string      `json:"dataset_name"`
	ManifestName        string      `json:"manifest_name"`
	Checkpoint          string      `json:"checkpoint"`
	CheckpointStep      int         `json:"checkpoint_step"`
	EvalMode            string      `json:"eval_mode"`        // "test", "validation"
	Split               string      `json:"split"`            // the file that the samples come from
	SeenInTraining      string      `json:"seen_in_training"` // "none", "early-stopping", "train"
	MaxSamplesPerExpert int         `json:"max_samples_per_expert"`
	Timestamp           string      `json:"timestamp"` // ISO 8601, or "" where bytes must not depend on the time
	DurationSeconds     float64     `json:"duration_seconds"`
	ImagesMissing       int         `json:"images_missing"` // 0: a missing image is an error
	Rung                router.Rung `json:"rung"`
	Temperature         float64     `json:"temperature"`
	MinConfidence       float64     `json:"min_confidence"` // thresholds of unsure; 0 for none
	MaxDistance         float64     `json:"max_distance"`
	Spec                spec.Router `json:"router_spec"`
	Settings            []Setting   `json:"settings"` // other settings and digests, for people
}

// Setting is one setting, figure or digest by name.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Report is the evaluation report of 4.15: the fields of both of the
// predecessor's forms, and ours. Shares under accuracy are percentages, all
// others 0 to 1.
type Report struct {
	Run
	SpecHash    string           `json:"router_spec_sha256"`
	EvalSamples int              `json:"eval_samples"`
	Accuracy    ReportAccuracy   `json:"accuracy"`
	Results     ReportResults    `json:"results"`
	Confusion   ReportConfusion  `json:"confusion"`
	Confidence  ReportConfidence `json:"confidence"`
	Risk        ReportRisk       `json:"risk_coverage"`
	Accepted    ReportAccepted   `json:"accepted"`
	Outside     *ReportOutside   `json:"outside"` // null without outside images
	Ways        []Way            `json:"ways"`    // this router and its baselines
	Comparison  *Comparison      `json:"comparison"`
	Errors      []ReportError    `json:"errors"` // all of them, the most confident first
}

// ReportAccuracy holds percentages, 0 to 100. Classes without images are null.
type ReportAccuracy struct {
	Overall  float64             `json:"overall"`
	Low      float64             `json:"low"`  // of Wilson's 95 % interval
	High     float64             `json:"high"` // of the same
	Macro    float64             `json:"macro"`
	PerClass map[string]*float64 `json:"per_class"`
}

// ReportResults holds counts.
type ReportResults struct {
	Correct  int              `json:"correct"`
	Total    int              `json:"total"`
	PerClass map[string]Count `json:"per_class"`
}

// Count is right answers out of all.
type Count struct {
	Correct int `json:"correct"`
	Total   int `json:"total"`
}

// ReportConfusion is the confusion matrix.
type ReportConfusion struct {
	Experts  []string `json:"experts"`  // of rows and columns
	Matrix   [][]int  `json:"matrix"`   // [expected][predicted]
	Unusable int      `json:"unusable"` // images without an answer, in no column
}

// ReportConfidence says what confidences were given and what they are worth.
type ReportConfidence struct {
	Mean      float64   `json:"mean"`
	NLL       float64   `json:"nll_nats"`
	ECE       float64   `json:"ece"`
	ECEMass   float64   `json:"ece_equal_mass"`
	Brier     float64   `json:"brier"`
	Bins      []Bin     `json:"bins"`
	MassBins  []Bin     `json:"bins_equal_mass"`
	Histogram Histogram `json:"histogram"`
}

// Histogram counts confidences in bins of equal width over 0 to 1.
type Histogram struct {
	Known   []int `json:"known"`
	Outside []int `json:"outside"` // empty without outside images
}

// ReportRisk is the risk–coverage curve, at most curvePoints of it.
type ReportRisk struct {
	AURC  float64     `json:"aurc"`
	Curve []RiskPoint `json:"curve"`
}

// ReportAccepted is Accepted.
type ReportAccepted struct {
	Total       int      `json:"total"`
	Errors      int      `json:"errors"`
	FalseAlarms int      `json:"false_alarms"`
	FalseAlarm  Interval `json:"false_alarm_share"`
}

// ReportOutside is Outside.
type ReportOutside struct {
	Total    int           `json:"total"`
	Unsure   Interval      `json:"unsure_share"`
	AUROC    AUROC         `json:"auroc"`
	Accepted []ReportError `json:"accepted"`
}

// ReportError is one wrong decision, or one about an outside image that should
// have been unsure.
type ReportError struct {
	ID             string             `json:"id"`
	Image          string             `json:"image"`
	Expected       string             `json:"expected"` // "" for an outside image
	Predicted      string             `json:"predicted"`
	Correct        bool               `json:"correct"` // false
	ExpectedLabel  int                `json:"expected_label"`
	PredictedLabel int                `json:"predicted_label"`
	RawOutput      string             `json:"raw_output"` // the label as text; the router writes nothing else
	Confidence     float64            `json:"confidence"`
	Distance       float64            `json:"distance"`
	Unsure         bool               `json:"unsure"`
	Reason         string             `json:"reason"`
	Scores         map[string]float64 `json:"scores"` // probability of each expert
}

// Way is one way to route in a few figures, for a table of several.
type Way struct {
	Name     string   `json:"name"` // "lora", "linear (pooled)"
	Correct  int      `json:"correct"`
	Total    int      `json:"total"`
	Accuracy Interval `json:"accuracy"`
	NLL      float64  `json:"nll_nats"`
	ECE      float64  `json:"ece"`
	AURC     float64  `json:"aurc"`
	AUROC    *AUROC   `json:"auroc"` // null without outside images
}

// Summary returns the figures of one way to route.
func Summary(name string, m *Metrics) Way {
	w := Way{Name: name, Correct: m.Correct, Total: m.Total, Accuracy: m.Accuracy, NLL: m.NLL,
		ECE: m.Calibration.ECE, AURC: m.Risk.AURC}
	if m.Outside != nil {
		w.AUROC = &m.Outside.AUROC
	}
	return w
}

const (
	histogramBins = 20
	curvePoints   = 200
)

// NewReport puts together what Measure found about known and outside images
// with the run it is about. ways lists this router and the baselines on the
// same images; comparison may be nil.
func NewReport(run Run, t expert.Table, m *Metrics, known, outside []Outcome, ways []Way, comparison *Comparison) *Report {
	if run.Settings == nil {
		run.Settings = []Setting{}
	}
	if ways == nil {
		ways = []Way{}
	}
	r := &Report{Run: run, SpecHash: run.Spec.Hash(), EvalSamples: m.Total, Ways: ways, Comparison: comparison}
	r.Accuracy = ReportAccuracy{
		Overall: percent(m.Accuracy.Value), Low: percent(m.Accuracy.Low), High: percent(m.Accuracy.High),
		Macro: percent(m.Macro), PerClass: map[string]*float64{},
	}
	r.Results = ReportResults{m.Correct, m.Total, map[string]Count{}}
	for _, c := range m.Classes {
		r.Results.PerClass[c.Name] = Count{c.Correct, c.Total}
		r.Accuracy.PerClass[c.Name] = nil
		if c.Total > 0 {
			p := percent(c.Accuracy.Value)
			r.Accuracy.PerClass[c.Name] = &p
		}
	}
	r.Confusion = ReportConfusion{t.Names(), m.Confusion, m.Unusable}
	r.Confidence = ReportConfidence{
		Mean: m.Confidence, NLL: m.NLL, ECE: m.Calibration.ECE, ECEMass: m.Calibration.ECEMass, Brier: m.Calibration.Brier,
		Bins: m.Calibration.Equal, MassBins: m.Calibration.Mass, Histogram: Histogram{histogram(known), histogram(outside)},
	}
	r.Risk = ReportRisk{m.Risk.AURC, thin(m.Risk.Curve)}
	r.Accepted = ReportAccepted(m.Accepted)
	if o := m.Outside; o != nil {
		r.Outside = &ReportOutside{o.Total, o.Unsure, o.AUROC, reportErrors(t, o.Accepted)}
	}
	r.Errors = reportErrors(t, m.Errors)
	return r
}

// percent turns a share into a percentage.
func percent(share float64) float64 { return 100 * share }

// histogram counts confidences; no outcomes give no bins.
func histogram(s []Outcome) []int {
	if len(s) == 0 {
		return []int{}
	}
	bins := make([]int, histogramBins)
	for i := range s {
		at := int(s[i].Decision.Confidence * histogramBins)
		bins[min(max(at, 0), histogramBins-1)]++
	}
	return bins
}

// thin returns at most curvePoints of a curve, with both ends, evenly spread.
func thin(curve []RiskPoint) []RiskPoint {
	if len(curve) <= curvePoints {
		return curve
	}
	out := make([]RiskPoint, curvePoints)
	for i := range out {
		out[i] = curve[i*(len(curve)-1)/(curvePoints-1)]
	}
	return out
}

// reportErrors returns outcomes as a report has them.
func reportErrors(t expert.Table, s []Outcome) []ReportError {
	out := make([]ReportError, 0, len(s))
	for _, o := range s {
		d := o.Decision
		e := ReportError{ID: o.ID, Image: o.Image, Expected: o.Expected, Predicted: d.Expert, ExpectedLabel: -1,
			PredictedLabel: d.Label, Confidence: d.Confidence, Distance: d.Distance, Unsure: d.Unsure, Reason: d.Reason,
			Scores: map[string]float64{}}
		if x, ok := t.ByName(o.Expected); ok {
			e.ExpectedLabel = x.Label
		}
		if d.Expert != "" {
			e.RawOutput = fmt.Sprint(d.Label)
		}
		for i, p := range d.Probs {
			e.Scores[t[i].Name] = p
		}
		out = append(out, e)
	}
	return out
}

// JSON returns the report as a file holds it.
func (r *Report) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write evaluation report: %w", err)
	}
	return append(text, '\n'), nil
}

// Line returns the line that other programs look for on standard output,
// without a newline: "Overall Accuracy: 172/175 (98.3%)".
func (r *Report) Line() string {
	return fmt.Sprintf("Overall Accuracy: %d/%d (%.1f%%)", r.Results.Correct, r.Results.Total, r.Accuracy.Overall)
}
