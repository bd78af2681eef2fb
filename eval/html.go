package eval

import (
	"cmp"
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"

	"mole/router"
)

// HTMLOptions say what a page holds besides the report.
type HTMLOptions struct {
	// Picture returns the file of a picture that an error names: PNG, JPEG or
	// WebP. nil leaves the pictures out.
	Picture func(image string) ([]byte, error)
	Gallery int // pictures of errors at most, and of outside images, 24 if 0
}

//go:embed report.html
var pageText string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent": func(v float64) string { return fmt.Sprintf("%.1f %%", percent(v)) },
	"points":  func(v float64) string { return fmt.Sprintf("%.1f %%", v) },
	"f3":      func(v float64) string { return fmt.Sprintf("%.3f", v) },
	"f4":      func(v float64) string { return fmt.Sprintf("%.4f", v) },
	"g3":      func(v float64) string { return fmt.Sprintf("%.3g", v) },
}).Parse(pageText))

// view is the report as the page shows it.
type view struct {
	*Report
	Rows        []row
	From        string // where the axes of the whiskers begin
	Heat        *heat
	Reliability *reliability
	Risk        *riskChart
	Confidences *confidences
	WayRows     []row
	Gallery     []card
	Strangers   []card
	Settings    []Setting
}

// row is a line of a table with an interval.
type row struct {
	Name     string
	Correct  int
	Total    int
	Accuracy Interval
	Whisker  whisker
	Way      *Way // in the table of ways
	Chosen   bool // the way that the report is about
}

// card is one picture of the gallery.
type card struct {
	ReportError
	Source  template.URL // data URI, "" without a picture
	Missing string       // why there is none
	Top     []score
}

// score is an expert's probability.
type score struct {
	Name  string
	Value float64
}

// Width returns the length of the bar of a score.
func (s score) Width() float64 { return tenth(70 * s.Value) }

// WriteHTML writes the report as one HTML file that needs nothing else: no
// script, no network. Pictures are scaled down and become part of it; one that
// cannot be read is named with the reason.
func (r *Report) WriteHTML(w io.Writer, o HTMLOptions) error {
	if o.Gallery == 0 {
		o.Gallery = 24
	}
	v := &view{
		Report: r, Heat: newHeat(r.Confusion), Reliability: newReliability(r.Confidence.Bins), Risk: newRiskChart(r),
		Confidences: newConfidences(r), Gallery: cards(r.Errors, o), Settings: settings(r),
	}
	if r.Outside != nil {
		v.Strangers = cards(r.Outside.Accepted, o)
	}
	v.tables()
	if err := pageTemplate.Execute(w, v); err != nil {
		return fmt.Errorf("write evaluation page: %w", err)
	}
	return nil
}

// tables sets the rows that carry intervals, all on one axis.
func (v *view) tables() {
	low := 1.0
	for _, e := range v.Confusion.Experts {
		c := v.Results.PerClass[e]
		v.Rows = append(v.Rows, row{Name: e, Correct: c.Correct, Total: c.Total, Accuracy: Wilson(c.Correct, c.Total)})
		if c.Total > 0 {
			low = min(low, Wilson(c.Correct, c.Total).Low)
		}
	}
	for i := range v.Ways {
		w := &v.Ways[i]
		v.WayRows = append(v.WayRows, row{Name: w.Name, Correct: w.Correct, Total: w.Total, Accuracy: w.Accuracy,
			Way: w, Chosen: w.Name == string(v.Rung)})
		low = min(low, w.Accuracy.Low)
	}
	from := max(0, math.Floor(low*10)/10)
	if from >= 1 {
		from = 0.9
	}
	v.From = fmt.Sprintf("%.0f %%", percent(from))
	for _, rows := range [][]row{v.Rows, v.WayRows} {
		for i := range rows {
			rows[i].Whisker = newWhisker(rows[i].Accuracy, from)
		}
	}
}

// cards returns the first errors with their pictures.
func cards(errors []ReportError, o HTMLOptions) []card {
	out := make([]card, 0, min(len(errors), o.Gallery))
	for _, e := range errors[:cap(out)] {
		c := card{ReportError: e, Top: topScores(e.Scores)}
		if o.Picture != nil {
			c.Source, c.Missing = picture(e.Image, o)
		}
		out = append(out, c)
	}
	return out
}

// picture returns a picture as a data URI, or why it cannot be shown.
func picture(name string, o HTMLOptions) (source template.URL, missing string) {
	file, err := o.Picture(name)
	if err != nil {
		return "", err.Error()
	}
	uri, err := thumbnail(file)
	if err != nil {
		return "", err.Error()
	}
	return template.URL(uri), ""
}

// topScores returns the three most probable experts.
func topScores(scores map[string]float64) []score {
	var top []score
	for name, value := range scores {
		top = append(top, score{name, value})
	}
	sortScores(top)
	return top[:min(3, len(top))]
}

// settings returns what the page lists at its end.
func settings(r *Report) []Setting {
	s := []Setting{
		{"run", r.RunName}, {"rung", string(r.Rung)}, {"checkpoint", r.Checkpoint}, {"dataset", r.DatasetName},
		{"manifest", r.ManifestName}, {"split", r.Split}, {"seen in training", r.SeenInTraining},
		{"temperature", fmt.Sprintf("%.4g", r.Temperature)}, {"least confidence", threshold(r.MinConfidence)},
		{"largest distance", threshold(r.MaxDistance)}, {"prompt", r.Spec.PromptID}, {"image rule", imageRule(r)},
		{"router specification", r.SpecHash}, {"base model", r.Spec.Base},
		{"duration", fmt.Sprintf("%.1f s", r.DurationSeconds)},
	}
	s = append(s, r.Settings...)
	kept := s[:0]
	for _, v := range s {
		if v.Value != "" {
			kept = append(kept, v)
		}
	}
	return kept
}

// threshold returns a threshold for people.
func threshold(v float64) string {
	if v == 0 {
		return "none"
	}
	return fmt.Sprintf("%.4g", v)
}

// imageRule returns how pictures became patches, "" if the report does not say.
func imageRule(r *Report) string {
	im := r.Spec.Image
	if im.MaxTokens == 0 {
		return ""
	}
	return fmt.Sprintf("%d to %d tokens, %s", im.MinTokens, im.MaxTokens, im.Resample)
}

// rungName returns what a rung is, for people.
func rungName(r router.Rung) string {
	switch r {
	case router.LoRA:
		return "LoRA adapter"
	case router.Linear:
		return "linear head on frozen features"
	case router.Prototype:
		return "prototypes of frozen features"
	}
	return string(r)
}

// RungName returns what the router is, for the page.
func (v *view) RungName() string { return rungName(v.Rung) }

// sortScores sorts scores, the highest first, equal ones by name.
func sortScores(s []score) {
	slices.SortFunc(s, func(a, b score) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(a.Name, b.Name))
	})
}
