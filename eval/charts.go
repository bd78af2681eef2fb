package eval

import (
	"fmt"
	"math"
	"strings"
)

// plot is the frame of a chart in the page, in SVG units: the axes run over the
// inner rectangle, values from 0 to 1 in both directions.
type plot struct {
	Width, Height            float64
	Left, Right, Top, Bottom float64 // edges of the inner rectangle
	XTicks, YTicks           []tick
	Label                    string // of the horizontal axis
}

// tick is one mark on an axis.
type tick struct {
	At   float64
	Text string
}

// bar is one rectangle.
type bar struct {
	X, Y, W, H float64
	Kind       string // class in the style sheet
	Title      string // shown under the pointer
}

// mark is one dot.
type mark struct {
	X, Y, R float64
	Title   string
}

// newPlot returns a frame with ticks at quarters of the horizontal axis and at
// the given shares of the vertical one.
func newPlot(label string, yTicks []tick) plot {
	p := plot{Width: 320, Height: 236, Left: 44, Right: 302, Top: 10, Bottom: 194, Label: label}
	for _, v := range []float64{0, 0.25, 0.5, 0.75, 1} {
		p.XTicks = append(p.XTicks, tick{p.x(v), fmt.Sprintf("%.0f %%", percent(v))})
	}
	for _, t := range yTicks {
		p.YTicks = append(p.YTicks, tick{p.y(t.At), t.Text})
	}
	return p
}

// x returns the place of a share on the horizontal axis.
func (p *plot) x(v float64) float64 { return tenth(p.Left + v*(p.Right-p.Left)) }

// y returns the place of a share on the vertical axis.
func (p *plot) y(v float64) float64 { return tenth(p.Bottom - v*(p.Bottom-p.Top)) }

// Middle returns the middle of the horizontal axis.
func (p *plot) Middle() float64 { return (p.Left + p.Right) / 2 }

// tenth rounds to one decimal, which is finer than a pixel.
func tenth(v float64) float64 { return math.Round(v*10) / 10 }

// percentTicks returns ticks at shares of an axis that ends at top.
func percentTicks(top float64, at ...float64) []tick {
	var ticks []tick
	for _, v := range at {
		ticks = append(ticks, tick{v, fmt.Sprintf("%.3g %%", percent(v*top))})
	}
	return ticks
}

// reliability is the chart of accuracy against confidence.
type reliability struct {
	plot
	Bars     []bar
	Dots     []mark
	Diagonal string
}

// newReliability draws bins of equal width: a bar as high as the accuracy, a
// dot at mean confidence and accuracy, larger for more images.
func newReliability(bins []Bin) *reliability {
	r := &reliability{plot: newPlot("confidence", percentTicks(1, 0, 0.25, 0.5, 0.75, 1))}
	most := 1
	for _, b := range bins {
		most = max(most, b.Count)
	}
	for _, b := range bins {
		title := fmt.Sprintf("confidence %.0f to %.0f %%: %d images, mean %.1f %%, right %.1f %%",
			percent(b.Low), percent(b.High), b.Count, percent(b.Confidence), percent(b.Accuracy))
		x, y := r.x(b.Low), r.y(b.Accuracy)
		r.Bars = append(r.Bars, bar{x + 1, y, tenth(r.x(b.High) - x - 2), tenth(r.Bottom - y), "known", title})
		size := 2.5 + 4.5*math.Sqrt(float64(b.Count)/float64(most))
		r.Dots = append(r.Dots, mark{r.x(b.Confidence), y, tenth(size), title})
	}
	r.Diagonal = fmt.Sprintf("M%g %gL%g %g", r.Left, r.Bottom, r.Right, r.Top)
	return r
}

// riskChart is the risk–coverage curve.
type riskChart struct {
	plot
	Line, Area string
	Chosen     *mark // what the thresholds accept; nil if nothing
}

// newRiskChart draws the curve, and where the router's thresholds put it.
func newRiskChart(r *Report) *riskChart {
	accepted := r.Accepted
	chosen := 0.0
	if accepted.Total > 0 {
		chosen = float64(accepted.Errors) / float64(accepted.Total)
	}
	top := chosen
	for _, p := range r.Risk.Curve {
		top = max(top, p.Risk)
	}
	top = niceTop(top)
	c := &riskChart{plot: newPlot("accepted", percentTicks(top, 0, 0.25, 0.5, 0.75, 1))}
	var line strings.Builder
	verb := "M"
	for _, p := range r.Risk.Curve {
		fmt.Fprintf(&line, "%s%g %g", verb, c.x(p.Coverage), c.y(p.Risk/top))
		verb = "L"
	}
	c.Line = line.String()
	if len(r.Risk.Curve) > 0 {
		first := c.x(r.Risk.Curve[0].Coverage)
		c.Area = fmt.Sprintf("%sL%g %gL%g %gZ", c.Line, c.Right, c.Bottom, first, c.Bottom)
	}
	if accepted.Total > 0 {
		coverage := float64(accepted.Total) / float64(r.EvalSamples)
		c.Chosen = &mark{c.x(coverage), c.y(chosen / top), 5,
			fmt.Sprintf("with the thresholds: %.1f %% accepted, %.2f %% of them wrong", percent(coverage), percent(chosen))}
	}
	return c
}

// niceTop returns the least of some round shares that is not below v.
func niceTop(v float64) float64 {
	for _, top := range []float64{0.004, 0.01, 0.02, 0.04, 0.1, 0.2, 0.4} {
		if v <= top {
			return top
		}
	}
	return 1
}

// confidences is the histogram of confidences, known against outside.
type confidences struct {
	plot
	Bars      []bar
	Threshold *mark // nil without one
}

// newConfidences draws shares of either set on a square-root scale, so that a
// few doubtful images show beside a full last bin.
func newConfidences(r *Report) *confidences {
	var ticks []tick
	for _, v := range []float64{0, 0.01, 0.1, 0.25, 0.5, 1} {
		ticks = append(ticks, tick{math.Sqrt(v), fmt.Sprintf("%.3g %%", percent(v))})
	}
	c := &confidences{plot: newPlot("confidence", ticks)}
	h := r.Confidence.Histogram
	c.add(h.Known, "known", 0)
	c.add(h.Outside, "outside", 1)
	if r.MinConfidence > 0 {
		c.Threshold = &mark{X: c.x(min(1, r.MinConfidence)), Title: fmt.Sprintf("unsure below %.3f", r.MinConfidence)}
	}
	return c
}

// add draws one set in the left or right half of each bin.
func (c *confidences) add(counts []int, kind string, side int) {
	total := 0
	for _, n := range counts {
		total += n
	}
	for i, n := range counts {
		if n == 0 {
			continue
		}
		share := float64(n) / float64(total)
		width := (c.Right - c.Left) / float64(len(counts))
		y := c.y(math.Sqrt(share))
		title := fmt.Sprintf("%s: %d of %d with confidence %d to %d %%", kind, n, total, 100*i/len(counts), 100*(i+1)/len(counts))
		x := c.Left + width*float64(i) + 1 + float64(side)*(width/2-0.5)
		c.Bars = append(c.Bars, bar{tenth(x), y, tenth(width/2 - 1.5), tenth(c.Bottom - y), kind, title})
	}
}

// heat is the confusion matrix as a picture.
type heat struct {
	Width, Height, Cell float64
	Left, Top           float64
	Cells               []heatCell
	Rows, Columns       []tick
}

// heatCell is one cell of the matrix.
type heatCell struct {
	X, Y, Opacity float64
	Count         string
	Kind          string // "hit" or "miss"
	Strong        bool   // dark enough for light text
	Title         string
}

// newHeat draws a matrix; a cell is as strong as its share of the row.
func newHeat(c ReportConfusion) *heat {
	n := len(c.Experts)
	longest := 0
	for _, e := range c.Experts {
		longest = max(longest, min(18, len([]rune(e))))
	}
	margin := 16 + 7.2*float64(longest)
	h := &heat{Cell: tenth(max(16, min(52, 520/float64(n)))), Left: margin, Top: tenth(margin*0.72 + 8)}
	h.Width, h.Height = tenth(h.Left+h.Cell*float64(n)+margin*0.6), tenth(h.Top+h.Cell*float64(n)+8)
	for i, e := range c.Experts {
		at := h.Cell * (float64(i) + 0.5)
		h.Rows = append(h.Rows, tick{tenth(h.Top + at), cut(e, 18)})
		h.Columns = append(h.Columns, tick{tenth(h.Left + at), cut(e, 18)})
		total := 0
		for _, v := range c.Matrix[i] {
			total += v
		}
		for j, v := range c.Matrix[i] {
			h.Cells = append(h.Cells, h.cell(c.Experts, i, j, v, total))
		}
	}
	return h
}

// cell draws count v of total at row i, column j.
func (h *heat) cell(experts []string, i, j, v, total int) heatCell {
	c := heatCell{X: tenth(h.Left + h.Cell*float64(j)), Y: tenth(h.Top + h.Cell*float64(i)), Kind: "miss"}
	if i == j {
		c.Kind = "hit"
	}
	if v > 0 {
		share := float64(v) / float64(total)
		c.Count = fmt.Sprint(v)
		c.Opacity = math.Round(100*(0.18+0.82*share)) / 100
		c.Strong = c.Opacity > 0.55
	}
	c.Title = fmt.Sprintf("%s as %s: %d of %d", experts[i], experts[j], v, total)
	return c
}

// whisker is an interval as a small picture, on an axis from From to 1.
type whisker struct{ Low, Value, High float64 }

// whiskerWidth is the width of a whisker in SVG units.
const whiskerWidth = 160

// newWhisker draws i on an axis that begins at the share from.
func newWhisker(i Interval, from float64) whisker {
	at := func(v float64) float64 { return tenth(6 + (whiskerWidth-12)*(v-from)/(1-from)) }
	return whisker{at(i.Low), at(i.Value), at(i.High)}
}

// Half returns half the side of a cell.
func (h *heat) Half() float64 { return h.Cell / 2 }
