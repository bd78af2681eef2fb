package history

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// ticks marks the given values.
func ticks(at ...float64) plot.ConstantTicks {
	marks := plot.ConstantTicks{}
	for _, x := range at {
		marks = append(marks, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'g', -1, 64)})
	}
	return marks
}

// percents makes the axis of values one of percentages.
func percents(p *plot.Plot, _ plotter.XYs) {
	p.Y.Min, p.Y.Max = 0, 105
	p.Y.Tick.Marker = ticks(0, 20, 40, 60, 80, 100)
}

// fromZero makes the axis of values begin at 0 and hold all points.
func fromZero(p *plot.Plot, points plotter.XYs) {
	p.Y.Min, p.Y.Max = 0, 1
	if most := slices.MaxFunc(points, func(a, b plotter.XY) int { return cmp.Compare(a.Y, b.Y) }).Y; most > 0 {
		p.Y.Max = most * 1.1
	}
}

// maxMarks is how many runs have their date below the axis.
const maxMarks = 10

// overRuns makes the axis below one of runs, with dates.
func overRuns(p *plot.Plot, runs []Run) {
	every := (len(runs) + maxMarks - 1) / maxMarks
	marks := plot.ConstantTicks{}
	for i := len(runs) - 1; i >= 0; i -= every {
		marks = append(marks, plot.Tick{Value: float64(i), Label: date(runs[i].Timestamp)})
	}
	p.X.Tick.Marker = marks
	p.X.Min, p.X.Max = -0.6, float64(len(runs))-0.4
	slant(p)
}

// slant turns the labels below an axis so that they do not touch.
func slant(p *plot.Plot) {
	s := &p.X.Tick.Label
	s.Rotation, s.XAlign, s.YAlign = math.Pi/6, draw.XRight, draw.YTop
	p.X.Tick.Length = vg.Points(3)
}

// barWidth returns the width of one of n bars in a panel.
func barWidth(n int) vg.Length {
	const room = 4.5 * vg.Inch
	return min(vg.Points(44), room*0.7/vg.Length(max(1, n)))
}
