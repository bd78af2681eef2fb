package parity

import (
	"math"
	"testing"
)

func TestRelative(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct {
		name string
		got  []float64
		want []float64
		err  float64
	}{
		{"equal", []float64{3, 4}, []float64{3, 4}, 0},
		{"off", []float64{3, 4.5}, []float64{3, 4}, 0.1},
		{"both zero", []float64{0, 0}, []float64{0, 0}, 0},
		{"zero wanted", []float64{0, 1e-30}, []float64{0, 0}, inf},
		{"NaN computed", []float64{nan, 4}, []float64{3, 4}, nan},
		{"NaN wanted", []float64{3, 4}, []float64{3, nan}, nan},
		{"infinite", []float64{3, inf}, []float64{3, 4}, inf},
		{"too short", []float64{3}, []float64{3, 4}, nan},
		{"nothing computed", nil, []float64{3, 4}, nan},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := relative(tt.got, tt.want)
			if math.IsNaN(tt.err) != math.IsNaN(got) || !math.IsNaN(got) && math.Abs(got-tt.err) > 1e-12 {
				t.Errorf("got %v, want %v", got, tt.err)
			}
			q := Quantity{Tolerance: 1e-3, Values: []Value{{"v", got}}}
			if ok := q.Status() == StatusOK; ok != (tt.err == 0) {
				t.Errorf("got %s", q.Status())
			}
		})
	}
}

func TestChoices(t *testing.T) {
	nan := float32(math.NaN())
	tests := []struct {
		name   string
		got    []float32
		want   []float64
		wrong  float64
		status Status
		note   string
	}{
		{"equal", []float32{1, 2, 2, 1}, []float64{1, 2, 2, 1}, 0, StatusOK, ""},
		{"one wrong", []float32{2, 1, 2, 1}, []float64{1, 2, 2, 1}, 1, StatusFailed, ""},
		{"tie", []float32{2.00001, 2, 2, 1}, []float64{2, 2.00001, 2, 1}, 0, StatusOK, "ties within tolerance: 1"},
		{"NaN", []float32{nan, 2, 2, 1}, []float64{1, 2, 2, 1}, 1, StatusFailed, ""},
		{"too few", []float32{1, 2}, []float64{1, 2, 2, 1}, math.NaN(), StatusFailed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := run{out: &Result{}, limits: limits{values: 1e-5}}
			r.choices("ids", "step", tt.got, tt.want, 2)
			q := r.out.Quantities[0]
			got := q.Worst().Error
			if got != tt.wrong && !(math.IsNaN(got) && math.IsNaN(tt.wrong)) {
				t.Errorf("got %v wrong, want %v", got, tt.wrong)
			}
			if q.Status() != tt.status || q.Note != tt.note {
				t.Errorf("got %s %q, want %s %q", q.Status(), q.Note, tt.status, tt.note)
			}
		})
	}
}

func TestDeviation(t *testing.T) {
	v := make([]float32, 256)
	for i := range v {
		v[i] = float32(i%7) - 3
	}
	want := summarise("x", v)
	worst := func(got summary, scale float64) float64 {
		d := want.deviation(got, scale, len(v))
		return max(d.norm, d.sum, d.entries)
	}
	if got := worst(want, want.norm); got != 0 {
		t.Errorf("equal: got %v, want 0", got)
	}
	for i := range v {
		v[i] *= 1.01
	}
	if got := worst(summarise("x", v), want.norm); math.Abs(got-0.01) > 1e-6 {
		t.Errorf("1 %% larger: got %v, want 0.01", got)
	}
	if got := worst(summarise("x", nil), want.norm); !math.IsNaN(got) {
		t.Errorf("never computed: got %v, want NaN", got)
	}
	want = summarise("x", make([]float32, 256))
	if got := worst(summarise("x", v), 0); !math.IsInf(got, 1) {
		t.Errorf("zeros wanted: got %v, want +Inf", got)
	}
	if got := worst(want, 0); got != 0 {
		t.Errorf("zeros wanted and computed: got %v, want 0", got)
	}
}

func TestGradientScale(t *testing.T) {
	tests := []struct{ one, whole, want float64 }{
		{0, 5, 0},       // must be exactly zero
		{2, 5, 2},       // an ordinary tensor
		{1e-9, 5, 5e-4}, // less than float32 resolves
	}
	for _, tt := range tests {
		if got := gradientScale(tt.one, tt.whole); math.Abs(got-tt.want) > 1e-18 {
			t.Errorf("%v of %v: got %v, want %v", tt.one, tt.whole, got, tt.want)
		}
	}
}
