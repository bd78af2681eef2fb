package eval

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TextOptions say how a report is written for a terminal.
type TextOptions struct {
	Width  int  // columns, 80 if 0
	Colour bool // ANSI colours; leave false when the output is not a terminal
	Errors int  // errors to list at most, 10 if 0
}

// WriteText writes the report as tables for a terminal, no line wider than
// Width unless Width is below 60. The contract line (Line) is not part of it.
func (r *Report) WriteText(w io.Writer, o TextOptions) error {
	if o.Errors == 0 {
		o.Errors = 10
	}
	p := o.page()
	p.head(r)
	p.classes(r)
	p.ways(r)
	p.comparison(r.Comparison)
	p.pairs(r)
	p.errors(r, o.Errors)
	_, err := io.WriteString(w, p.text.String())
	return err
}

// WriteText writes the comparison as a table for a terminal.
func (c *Comparison) WriteText(w io.Writer, o TextOptions) error {
	p := o.page()
	p.comparison(c)
	_, err := io.WriteString(w, p.text.String())
	return err
}

// page returns an empty page of the width that o asks for.
func (o TextOptions) page() *page {
	if o.Width == 0 {
		o.Width = 80
	}
	return &page{width: max(60, o.Width), colour: o.Colour}
}

// page is a text under way.
type page struct {
	text   strings.Builder
	width  int
	colour bool
}

// line adds one line, cut to the width.
func (p *page) line(format string, args ...any) {
	p.text.WriteString(strings.TrimRight(cut(fmt.Sprintf(format, args...), p.width), " "))
	p.text.WriteByte('\n')
}

// title adds an empty line and a bold one.
func (p *page) title(format string, args ...any) {
	p.text.WriteByte('\n')
	s := cut(fmt.Sprintf(format, args...), p.width)
	if p.colour {
		s = "\x1b[1m" + s + "\x1b[0m"
	}
	p.text.WriteString(s + "\n")
}

// head adds what was evaluated and the figures of the whole.
func (p *page) head(r *Report) {
	p.line("%s router %s on %s, split %s, %d images", r.Rung, clean(r.RunName), clean(r.DatasetName), clean(r.Split), r.EvalSamples)
	if r.SeenInTraining != "" && r.SeenInTraining != "none" {
		p.line("This split was used for %s: it is not a held-out test.", clean(r.SeenInTraining))
	}
	p.line("")
	a := r.Accuracy
	p.line("accuracy     %.1f %%, 95 %% interval %.1f to %.1f, mean of classes %.1f", a.Overall, a.Low, a.High, a.Macro)
	p.line("calibration  ECE %.3f, mean confidence %.3f, NLL %.3f nats, AURC %.4f",
		r.Confidence.ECE, r.Confidence.Mean, r.Confidence.NLL, r.Risk.AURC)
	p.line("unsure       %d of %d known screens (%.1f %%); %d wrong among the %d accepted",
		r.Accepted.FalseAlarms, r.EvalSamples, percent(r.Accepted.FalseAlarm.Value), r.Accepted.Errors, r.Accepted.Total)
	if o := r.Outside; o != nil {
		p.line("outside      %d of %d unknown screens unsure (%.1f %%)", o.Total-len(o.Accepted), o.Total, percent(o.Unsure.Value))
		p.line("             AUROC: confidence %.3f, distance %.3f, both %.3f", o.AUROC.Confidence, o.AUROC.Distance, o.AUROC.Both)
	}
}

// classes adds the table of experts.
func (p *page) classes(r *Report) {
	name := nameWidth("expert", r.Confusion.Experts)
	p.title("%s  right of   accuracy  95 %% interval", pad("expert", name))
	bar := p.width - name - 42
	for _, e := range r.Confusion.Experts {
		c := r.Results.PerClass[e]
		if c.Total == 0 {
			p.line("%s      0 of 0          -", pad(e, name))
			continue
		}
		i := Wilson(c.Correct, c.Total)
		p.line("%s  %5d of %-5d %5.1f %%  %5.1f to %5.1f  %s", pad(e, name), c.Correct, c.Total,
			percent(i.Value), percent(i.Low), percent(i.High), drawBar(i.Value, bar))
	}
}

// ways adds the table of this router and its baselines.
func (p *page) ways(r *Report) {
	if len(r.Ways) == 0 {
		return
	}
	var names []string
	for _, w := range r.Ways {
		names = append(names, w.Name)
	}
	name := nameWidth("way", names)
	p.title("%s  accuracy  95 %% interval     ECE    AURC   AUROC", pad("way", name))
	for _, w := range r.Ways {
		auroc := "-"
		if w.AUROC != nil {
			auroc = fmt.Sprintf("%.3f", w.AUROC.Both)
		}
		p.line("%s   %5.1f %%  %5.1f to %5.1f   %.3f  %.4f   %5s", pad(w.Name, name),
			percent(w.Accuracy.Value), percent(w.Accuracy.Low), percent(w.Accuracy.High), w.ECE, w.AURC, auroc)
	}
}

// comparison adds the paired table.
func (p *page) comparison(c *Comparison) {
	if c == nil {
		return
	}
	p.title("%s against %s, on the same %d images", clean(c.A), clean(c.B), c.Total)
	for _, row := range []struct {
		name  string
		count int
	}{{"both right", c.BothRight}, {"only " + c.A, c.OnlyA}, {"only " + c.B, c.OnlyB}, {"none right", c.NoneRight}} {
		p.line("%6d  %s", row.count, clean(row.name))
	}
	p.line("exact two-sided sign test: p = %.3g", c.P)
	for _, s := range c.Seen() {
		p.line("%s", clean(s))
	}
}

// pairs adds which experts were taken for which, the most frequent first.
func (p *page) pairs(r *Report) {
	type pair struct {
		from, to string
		count    int
	}
	var pairs []pair
	for i, row := range r.Confusion.Matrix {
		for j, n := range row {
			if i != j && n > 0 {
				pairs = append(pairs, pair{r.Confusion.Experts[i], r.Confusion.Experts[j], n})
			}
		}
	}
	if pairs == nil {
		return
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(b.count, a.count) })
	p.title("taken for another")
	for _, c := range pairs[:min(8, len(pairs))] {
		p.line("%5d  %s as %s", c.count, c.from, c.to)
	}
}

// errors adds the first errors.
func (p *page) errors(r *Report, most int) {
	if len(r.Errors) == 0 {
		return
	}
	n := min(most, len(r.Errors))
	p.title("errors, the most confident first (%d of %d)", n, len(r.Errors))
	for _, e := range r.Errors[:n] {
		unsure := ""
		if e.Unsure {
			unsure = ", unsure"
		}
		predicted := e.Predicted
		if predicted == "" {
			predicted = "no answer"
		}
		p.line("%.3f  %s as %s%s  %s", e.Confidence, e.Expected, predicted, unsure, clean(e.Image))
	}
}

// drawBar returns a bar of a share, "" if there is too little room for one.
func drawBar(share float64, width int) string {
	if width < 8 {
		return ""
	}
	width = min(width, 30)
	full := int(share*float64(width) + 0.5)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// nameWidth returns the width of a column of names, at most 24.
func nameWidth(title string, names []string) int {
	w := utf8.RuneCountInString(title)
	for _, n := range names {
		w = max(w, utf8.RuneCountInString(clean(n)))
	}
	return min(24, w)
}

// pad returns s in exactly width columns.
func pad(s string, width int) string {
	s = cut(clean(s), width)
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}

// cut returns s in at most width columns.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	runes := []rune(s)
	return string(runes[:width-1]) + "…"
}

// clean replaces what a terminal would not print, or obey.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
