package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// small are the settings of a run of moments: nothing in it is worth reading.
func small() Options {
	return Options{
		Threads: 2, Rounds: 1, Slice: time.Nanosecond, Widths: "tiny", Tokens: []int{8}, Rank: 2,
		Decode: Decode{Sequences: 3, Adapters: 2},
		Step:   Step{Layers: 2, VisionLayers: 1, Vocab: 512, Image: "64x64", Batch: 2, Steps: 2},
	}
}

// TestParts runs every part and checks that it gave figures that can be used.
func TestParts(t *testing.T) {
	for _, name := range Parts() {
		t.Run(name, func(t *testing.T) {
			r, err := Run(t.Context(), []string{name}, small())
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Figures) == 0 {
				t.Fatal("no figures")
			}
			for _, f := range r.Figures {
				if !(f.Value >= 0) || f.Unit == "" || f.Threads < 1 {
					t.Errorf("got %+v, want a value with a unit", f)
				}
			}
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStepParts checks that the parts of a step add up to the step.
func TestStepParts(t *testing.T) {
	o := small()
	o.Tier = "generic" // which has no peak loop
	r, err := Run(t.Context(), []string{"step"}, o)
	if err != nil {
		t.Fatal(err)
	}
	sum, last := partsOf(r.Figures)
	if sum < 0.999 || sum > 1.001 {
		t.Errorf("parts add up to %v, want 1", sum)
	}
	if !strings.HasSuffix(last.Name, "all but products and attention") || last.Want == nil || !last.Want.Most {
		t.Errorf("got %+v, want a figure with an upper bound", last)
	}
	if first := r.Figures[0]; first.Beside != "" || first.Want != nil {
		t.Errorf("got %+v, want no yardstick where there is no peak loop", first)
	}
}

// partsOf returns the sum of the shares of a step but the last, which is of
// several of the others together, and that.
func partsOf(figures []Figure) (sum float64, last Figure) {
	last = figures[len(figures)-1]
	for _, f := range figures[:len(figures)-1] {
		if f.Beside == last.Beside {
			sum += f.Ratio
		}
	}
	return sum, last
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Options)
		part   string
		want   string
	}{
		{"part", func(*Options) {}, "dance", `part "dance": want one of step, `},
		{"tier", func(o *Options) { o.Tier = "abacus" }, "gemm", `tier "abacus"`},
		{"widths", func(o *Options) { o.Widths = "3b" }, "step", `widths "3b": want one of 2b, 4b, 8b, 32b, tiny`},
		{"widths of a product", func(o *Options) { o.Widths = "3b" }, "gemm", `widths "3b"`},
		{"widths of attention", func(o *Options) { o.Widths = "3b" }, "attention", `widths "3b"`},
		{"image", func(o *Options) { o.Step.Image = "big" }, "step", `image "big"`},
		{"text", func(o *Options) { o.Step.Text = 7 }, "step", "7 text tokens, want at least 8"},
		{"shared prompt", func(o *Options) { o.Step.SharedPrompt = 21 }, "step", "24 text tokens, want at least 25"},
		{"preset", func(o *Options) { o.Step.Preset = "half" }, "step", `preset "half"`},
		{"picture", func(o *Options) { o.Image = []byte("no picture") }, "preprocess", "unknown format"},
		{"sequences", func(o *Options) { o.Decode.Sequences = -1 }, "decode", "-1 sequences"},
		{"rounds", func(o *Options) { o.Rounds = -1 }, "gemm", "want positive"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := small()
			tt.change(&o)
			_, err := Run(t.Context(), []string{tt.part}, o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range Parts() {
		if name == "step" { // which ends as training does
			continue
		}
		if _, err := Run(ctx, []string{name}, small()); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", name, err, context.Canceled)
		}
	}
}

// TestCPUTime checks that turns end, and that what counts both cores is left out.
func TestCPUTime(t *testing.T) {
	o := small()
	o.CPUTime = true
	r, err := Run(t.Context(), []string{"lora"}, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Figures {
		if f.Threads != 1 {
			t.Errorf("got %q on %d cores, want one", f.Name, f.Threads)
		}
	}
}

func TestMedian(t *testing.T) {
	tests := []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{5, 1}, 3}, {[]float64{9, 1, 2}, 2}}
	for _, tt := range tests {
		if got := median(tt.v); got != tt.want {
			t.Errorf("median of %v: got %v, want %v", tt.v, got, tt.want)
		}
	}
}

// TestBeside checks that the yardstick of each turn is the mean of those around
// it, and that the ratio is the median of ratios.
func TestBeside(t *testing.T) {
	o := summarise([]float64{10, 30, 20}, []float64{20, 30, 10})
	if want := (outcome{20, 20, 1}); o != want {
		t.Errorf("got %v, want %v", o, want)
	}
	if o := summarise([]float64{1}, []float64{0}); o.ratio != 0 {
		t.Errorf("got ratio %v without a yardstick, want 0", o.ratio)
	}
}

// report is one with a figure of each kind.
func report() *Report {
	r := &Report{Date: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC), Processor: "a, b", Cores: 4, Commit: "0123456789abcdef", Tier: "avx2", Precision: "f32", PeakBytes: 5e9}
	r.add("gemm", 1, outcome{80e9, 100e9, 0.8}, "Gflop/s", giga, peakName, atLeast(0.85))
	r.add("step", 2, outcome{2, 4, 0.5}, "samples/s", 1, peakName, nil)
	r.add("step: norms", 2, outcome{0.1, 1, 0.1}, "s", 1, "whole step", atMost(0.15))
	r.add("tokenizer", 1, outcome{value: 40e6}, "MB/s", 1e6, "", &Want{Bound: 30, Value: true})
	return r
}

func TestTable(t *testing.T) {
	var record, got bytes.Buffer
	old := report()
	old.Figures[0].Ratio, old.Figures[3].Value = 0.4, 80
	if err := old.WriteCSV(&record, true); err != nil {
		t.Fatal(err)
	}
	if err := report().WriteCSV(&record, false); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(record.String(), "\n")
	against, err := ReadRecord(strings.NewReader(strings.Join(append(lines[:2:2], lines[4]), "")))
	if err != nil {
		t.Fatal(err)
	}
	if err := report().WriteTable(&got, against); err != nil {
		t.Fatal(err)
	}
	const want = `figure     threads  measured     beside         ratio  want           recorded  now/then
gemm       1        80 Gflop/s   100 peak loop  0.800  ≥ 0.85 missed  0.4       2.00
step       2        2 samples/s  4 peak loop    0.500  -              -         -
  norms    2        0.1 s        1 whole step   0.100  ≤ 0.15         -         -
tokenizer  1        40 MB/s      -              -      ≥ 30 MB/s      80        0.50

a, b, avx2, f32, commit 0123456789ab; at most 5.00 GB resident
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", &got, want)
	}
}

// TestOtherRun checks that figures of other kernels, or of another number of
// cores, are not compared.
func TestOtherRun(t *testing.T) {
	var file bytes.Buffer
	if err := report().WriteCSV(&file, true); err != nil {
		t.Fatal(err)
	}
	record, err := ReadRecord(&file)
	if err != nil {
		t.Fatal(err)
	}
	r := report()
	if got := strings.Join(record.compare(r, &r.Figures[0]), " "); got != "0.8 1.00" {
		t.Errorf("got %q", got)
	}
	r.Figures[0].Threads = 2
	if got := strings.Join(record.compare(r, &r.Figures[0]), " "); got != "- -" {
		t.Errorf("two cores: got %q", got)
	}
	r = report()
	r.Tier = "generic"
	if got := strings.Join(record.compare(r, &r.Figures[0]), " "); got != "- -" {
		t.Errorf("other kernels: got %q", got)
	}
}

func TestDamagedRecord(t *testing.T) {
	head := strings.Join(columns, ",") + "\n"
	for _, tt := range []struct{ text, want string }{
		{"", "EOF"},
		{strings.Replace(head, "ratio", "rate", 1), "columns"},
		{head + "a,b\n", "wrong number of fields"},
		{head + strings.Repeat("x,", len(columns)-1) + "x\n", "line 2"},
	} {
		if _, err := ReadRecord(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.text, err, tt.want)
		}
	}
}

// TestPeakSeconds has arithmetic of one precision, and of both.
func TestPeakSeconds(t *testing.T) {
	for _, tt := range []struct {
		p    peakRates
		a    arithmetic
		want float64
	}{
		{peakRates{f32: 2}, arithmetic{frozen: 4, other: 2}, 3},
		{peakRates{f32: 2, bf16: 4}, arithmetic{frozen: 4, other: 2}, 2},
		{peakRates{bf16: 4}, arithmetic{frozen: 4}, 1},
	} {
		if got := tt.p.seconds(tt.a); got != tt.want {
			t.Errorf("%+v of %+v: got %v seconds, want %v", tt.p, tt.a, got, tt.want)
		}
	}
}
