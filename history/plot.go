package history

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Size of the plot (5.12).
const (
	plotWidth  = 14 * vg.Inch
	plotHeight = 10 * vg.Inch
	plotDPI    = 150
)

// Bounds of the colours of a class's bar, in percent.
const (
	goodAccuracy = 80
	fairAccuracy = 60
)

var (
	good   = color.RGBA{R: 0x3a, G: 0x9a, B: 0x57, A: 0xff} // green
	fair   = color.RGBA{R: 0xe6, G: 0x94, B: 0x2c, A: 0xff} // orange
	poor   = color.RGBA{R: 0xcc, G: 0x45, B: 0x3e, A: 0xff} // red
	line   = color.RGBA{R: 0x2f, G: 0x5d, B: 0x9b, A: 0xff}
	muted  = color.RGBA{R: 0x70, G: 0x76, B: 0x80, A: 0xff}
	gridOf = color.RGBA{R: 0xe2, G: 0xe5, B: 0xea, A: 0xff}
)

// Plot draws runs, the oldest first, in four panels: accuracy, validation loss
// and cost over the runs, and the classes of the latest run. The ending of the
// file's name, .png or .svg, chooses the format.
func Plot(w io.Writer, name string, runs []Run) error {
	var c vg.CanvasWriterTo
	switch ext := strings.ToLower(path.Ext(name)); ext {
	case ".png":
		c = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(plotWidth, plotHeight), vgimg.UseDPI(plotDPI))}
	case ".svg":
		c = vgsvg.New(plotWidth, plotHeight)
	default:
		return fmt.Errorf("plot %s: ending %q, want .png or .svg", name, ext)
	}
	if err := drawPanels(draw.New(c), runs); err != nil {
		return fmt.Errorf("plot %s: %w", name, err)
	}
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return fmt.Errorf("plot %s: %w", name, err)
	}
	_, err := b.WriteTo(w)
	return err
}

// drawPanels draws the four panels.
func drawPanels(c draw.Canvas, runs []Run) error {
	accuracy, err := series(runs, "Accuracy", "percent", func(m Metrics) *float64 { return m.EvalAccuracy }, percents)
	if err != nil {
		return err
	}
	loss, err := series(runs, "Validation loss", "nats", func(m Metrics) *float64 { return m.ValLoss }, fromZero)
	if err != nil {
		return err
	}
	cost, err := costs(runs)
	if err != nil {
		return err
	}
	classes, err := classes(runs)
	if err != nil {
		return err
	}
	c.SetColor(color.White)
	c.Fill(c.Path())
	panels := [][]*plot.Plot{{accuracy, loss}, {cost, classes}}
	const gap = vg.Length(24)
	tiles := draw.Tiles{Rows: 2, Cols: 2, PadX: gap, PadY: gap, PadTop: gap, PadBottom: gap, PadLeft: gap, PadRight: gap}
	for row, at := range plot.Align(panels, tiles, c) {
		for column, canvas := range at {
			panels[row][column].Draw(canvas)
		}
	}
	return nil
}

// panel returns an empty panel.
func panel(title, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = title, y
	for _, f := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font} {
		f.Typeface, f.Variant, f.Size = "Liberation", "Sans", 11
	}
	p.Title.TextStyle.Font.Size, p.Title.Padding = 15, 10
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color = muted, muted
		a.Tick.Label.Color, a.Label.TextStyle.Color = muted, muted
		a.Padding = 4
	}
	p.Y.Min, p.Y.Max = 0, 1
	p.X.Min, p.X.Max = 0, 1
	return p
}

// grid draws the lines behind a panel's values.
func grid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Vertical.Width = 0
	g.Horizontal.Color = gridOf
	p.Add(g)
}

// noData says in the middle of a panel that there is nothing to show.
func noData(p *plot.Plot) (*plot.Plot, error) {
	l, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: 0.5, Y: 0.5}}, Labels: []string{"no data"}})
	if err != nil {
		return nil, err
	}
	s := &l.TextStyle[0]
	s.Font, s.Color, s.XAlign, s.YAlign = p.Title.TextStyle.Font, muted, draw.XCenter, draw.YCenter
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks(), ticks()
	p.Add(l)
	return p, nil
}

// usable reports whether a value can be drawn.
func usable(x *float64) bool { return x != nil && !math.IsNaN(*x) && math.Abs(*x) <= math.MaxFloat32 }

// series draws one metric over the runs; scale sets the axis of the values.
func series(runs []Run, title, unit string, of func(Metrics) *float64, scale func(*plot.Plot, plotter.XYs)) (*plot.Plot, error) {
	p := panel(title, unit)
	var points plotter.XYs
	for i, r := range runs {
		if y := of(r.Metrics); usable(y) {
			points = append(points, plotter.XY{X: float64(i), Y: *y})
		}
	}
	if len(points) == 0 {
		return noData(p)
	}
	l, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return nil, err
	}
	l.Color, l.Width = line, vg.Points(2)
	dots.Color, dots.Shape, dots.Radius = line, draw.CircleGlyph{}, vg.Points(4)
	grid(p)
	p.Add(l, dots)
	scale(p, points)
	overRuns(p, runs)
	return p, nil
}

// costs draws what each run cost.
func costs(runs []Run) (*plot.Plot, error) {
	p := panel("Cost", "USD a run")
	values := make(plotter.Values, len(runs))
	var points plotter.XYs
	for i, r := range runs {
		if y := r.Metrics.CostUSD; usable(y) {
			values[i] = *y
			points = append(points, plotter.XY{X: float64(i), Y: *y})
		}
	}
	if len(points) == 0 {
		return noData(p)
	}
	bars, err := plotter.NewBarChart(values, barWidth(len(runs)))
	if err != nil {
		return nil, err
	}
	bars.Color, bars.LineStyle.Width = line, 0
	grid(p)
	p.Add(bars)
	fromZero(p, points)
	overRuns(p, runs)
	return p, nil
}

// classes draws the accuracy of each class of the latest run.
func classes(runs []Run) (*plot.Plot, error) {
	p := panel("Classes of the latest run", "percent")
	var names []string
	if len(runs) > 0 {
		per := runs[len(runs)-1].Metrics.PerClassAccuracy
		for _, name := range slices.Sorted(maps.Keys(per)) {
			if usable(per[name]) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return noData(p)
	}
	grid(p)
	labels := make([]string, len(names))
	for i, name := range names {
		y := *runs[len(runs)-1].Metrics.PerClassAccuracy[name]
		bar, err := plotter.NewBarChart(plotter.Values{y}, barWidth(len(names)))
		if err != nil {
			return nil, err
		}
		bar.XMin, bar.Color, bar.LineStyle.Width = float64(i), barColor(y), 0
		p.Add(bar)
		labels[i] = cut(name)
	}
	p.NominalX(labels...)
	p.X.Min, p.X.Max = -0.6, float64(len(names))-0.4
	percents(p, nil)
	slant(p)
	return p, nil
}

// barColor says how good an accuracy is.
func barColor(percent float64) color.Color {
	switch {
	case percent >= goodAccuracy:
		return good
	case percent >= fairAccuracy:
		return fair
	}
	return poor
}
