package history

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

// examples returns n runs that get better.
func examples(n int) []Run {
	runs := make([]Run, n)
	for i := range runs {
		r := example()
		r.RunName = fmt.Sprintf("run-%d", i)
		r.Timestamp = noon.AddDate(0, 0, i).Format(Layout)
		r.Metrics.EvalAccuracy = number(98 - 50/float64(i+1))
		r.Metrics.ValLoss = number(1.2 / float64(i+1))
		r.Metrics.CostUSD = number(2 + float64(i%3))
		r.Metrics.PerClassAccuracy = map[string]*float64{"calendar": number(100), "claim-window": number(92), "desktop": number(71),
			"ocr": nil, "appointment": number(88), "login-window": number(55), "chart-screen": number(97)}
		runs[i] = r
	}
	if n > 4 {
		runs[3].Metrics = Metrics{}
		runs[n-1].RunName = strings.Repeat("long-name-", 10)
	}
	return runs
}

func TestSummary(t *testing.T) {
	for _, n := range []int{0, 1, 12} {
		var b bytes.Buffer
		if err := Sum(examples(n)).Write(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, fmt.Sprintf("summary_%d.txt", n), b.Bytes())
	}
	s := Sum([]Run{{}, {}})
	if s.Best != nil || s.AverageCostUSD != 0 || s.Latest == nil {
		t.Errorf("got %+v", s)
	}
	if err := s.Write(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestCut(t *testing.T) {
	if got := cut("a\x1b[2Jb\u0085"); got != "a?[2Jb?" {
		t.Errorf("got %q", got)
	}
	if got := date("yesterday"); got != "yesterday" {
		t.Errorf("got %q", got)
	}
}

func TestPlot(t *testing.T) {
	hostile := []Run{{Metrics: Metrics{EvalAccuracy: number(math.MaxFloat64), ValLoss: number(-1), CostUSD: number(0), PerClassAccuracy: map[string]*float64{"a": number(-5), "b": nil}}}}
	tests := []struct {
		name    string
		runs    []Run
		missing int // panels without data
	}{
		{"none", nil, 4}, {"one", examples(1), 0}, {"twelve", examples(12), 0}, {"hundred", examples(100), 0}, {"hostile", hostile, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			svg := drawn(t, "x.svg", tt.runs).String()
			same(t, "titles", strings.Count(svg, "Validation loss"), 1)
			same(t, "panels without data", strings.Count(svg, "no data"), tt.missing)
		})
	}
}

func TestSizeOfPNG(t *testing.T) {
	config, err := png.DecodeConfig(drawn(t, "x.PNG", examples(12)))
	if err != nil || config.Width != 2100 || config.Height != 1500 {
		t.Errorf("got %+v, %v", config, err)
	}
}

// drawn returns a plot.
func drawn(t *testing.T, name string, runs []Run) *bytes.Buffer {
	t.Helper()
	b := new(bytes.Buffer)
	if err := Plot(b, name, runs); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPlotErrors(t *testing.T) {
	if err := Plot(io.Discard, "x.pdf", nil); err == nil || err.Error() != `plot x.pdf: ending ".pdf", want .png or .svg` {
		t.Errorf("got %v", err)
	}
	if err := Plot(brokenWriter{}, "x.svg", nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

// brokenWriter is a full disk.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestSamePlot(t *testing.T) {
	var a, b bytes.Buffer
	for _, w := range []*bytes.Buffer{&a, &b} {
		if err := Plot(w, "x.svg", examples(12)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same runs gave different bytes")
	}
}

func TestBackfillTime(t *testing.T) {
	var r Run
	r.date(noon, &TrainResults{CompletionTime: "2026-01-07T08:00:00.25+01:00"}, &evalReport{Timestamp: "soon"}, nil)
	if r.Timestamp != "2026-01-07T08:00:00" {
		t.Errorf("got %s", r.Timestamp)
	}
	r.date(noon, nil, nil, nil)
	if want := noon.Format(Layout); r.Timestamp != want || !strings.HasSuffix(r.ID, noon.Format(stamp)) {
		t.Errorf("got %s, %s", r.Timestamp, r.ID)
	}
	if r.date(time.Time{}, nil, nil, nil); r.Timestamp != "0001-01-01T00:00:00" {
		t.Errorf("got %s", r.Timestamp)
	}
}
