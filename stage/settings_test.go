package stage

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestAutoTune is acceptance scenario 7 of the specification mole.
func TestAutoTune(t *testing.T) {
	tests := []struct {
		n, rank, vision, batch, accumulation int
		rate                                 float64
	}{
		{1, 2, 1, 1, 16, 1e-4}, {1272, 2, 1, 1, 16, 1e-4}, {1273, 4, 2, 1, 16, 1e-4}, {2545, 4, 2, 1, 16, 1e-4},
		{2546, 8, 4, 1, 16, 7.07e-5}, {4999, 8, 4, 1, 16, 7.07e-5}, {5000, 8, 4, 2, 8, 7.07e-5}, {5091, 8, 4, 2, 8, 7.07e-5},
		{5092, 16, 8, 2, 8, 5e-5}, {10182, 16, 8, 2, 8, 5e-5}, {10183, 32, 16, 2, 8, 3.54e-5}, {49999, 32, 16, 2, 8, 3.54e-5},
		{50000, 32, 16, 4, 4, 3.54e-5}, {1000000, 32, 16, 4, 4, 3.54e-5},
	}
	for _, tt := range tests {
		got, err := AutoTune(tt.n)
		if err != nil {
			t.Fatal(err)
		}
		want := Tuned{
			Rank: tt.rank, Alpha: 2 * tt.rank, VisionRank: tt.vision, VisionAlpha: 2 * tt.vision, Batch: tt.batch, Accumulation: tt.accumulation,
			Rate: got.Rate, Patience: 3,
		}
		if got != want || math.Abs(got.Rate-tt.rate) > 5e-8 {
			t.Errorf("n = %d: got %+v, want %+v", tt.n, got, tt)
		}
	}
	if _, err := AutoTune(0); err == nil || err.Error() != "empty training set" {
		t.Errorf("n = 0: got %v", err)
	}
}

func TestResolve(t *testing.T) {
	tests := []struct {
		s    Settings
		n    int
		want string // steps, warm-up, rank, alpha, batch, patience, tokens of a pass
	}{
		{Settings{Preset: "assembled", Rank: 5}, 5600, "350000 10 5 32 2 3 4096"},
		{Settings{Preset: "fast"}, 100, "20 10 2 4 1 -1 4096"},
		{Settings{Preset: "fast", Steps: 4}, 100, "4 4 2 4 1 -1 4096"},
		{Settings{Preset: "linked"}, 3500, "1313 40 64 128 1 5 4096"},
		{Settings{Preset: "linked", Warmup: -1, Steps: 9}, 3500, "9 -1 64 128 1 5 4096"},
		{Settings{Preset: "tiny", PassTokens: 99}, 100, "400 10 16 32 8 -1 99"},
	}
	for _, tt := range tests {
		s, err := tt.s.Resolve(tt.n)
		got := fmt.Sprint(s.Steps, s.Warmup, s.Rank, s.Alpha, s.Batch, s.Patience, s.PassTokens)
		if err != nil || got != tt.want {
			t.Errorf("%+v: got %s, %v, want %s", tt.s, got, err, tt.want)
		}
	}
}

func TestResolveRefuses(t *testing.T) {
	if _, err := (Settings{Preset: "huge"}).Resolve(100); err == nil || !strings.Contains(err.Error(), `preset "huge"`) {
		t.Errorf("an unknown preset: got %v", err)
	}
	if _, err := (Settings{Preset: "tiny"}).Resolve(0); err == nil {
		t.Error("an empty training set was accepted")
	}
}
