package train

import (
	"math"
	"testing"
)

// TestScheduleRecorded compares with the rates that the Trainer of the library
// transformers (5.23.0) took, which are recorded to the last bit.
func TestScheduleRecorded(t *testing.T) {
	want := []float64{
		0, 0.0005, 0.001, 0.0009619397662556434, 0.0008535533905932737, 0.000691341716182545,
		0.0005, 0.0003086582838174551, 0.00014644660940672628, 3.806023374435663e-05,
	}
	s := Schedule{Peak: 1e-3, Warmup: 2, Steps: 10}
	for i, w := range want {
		if got := s.Rate(i); math.Abs(got-w) > 1e-16*w { // one unit in the last place is 2e-16
			t.Errorf("step %d: got %v, want %v", i, got, w)
		}
	}
}

func TestSchedule(t *testing.T) {
	tests := []struct {
		name string
		s    Schedule
		want map[int]float64
	}{
		{"cosine", Schedule{Cosine, 2, 4, 12}, map[int]float64{0: 0, 1: 0.5, 3: 1.5, 4: 2, 8: 1, 12: 0, 20: 0}},
		{"linear", Schedule{Linear, 2, 4, 12}, map[int]float64{0: 0, 2: 1, 4: 2, 6: 1.5, 8: 1, 11: 0.25, 12: 0, 20: 0}},
		{"constant", Schedule{Constant, 2, 4, 12}, map[int]float64{0: 0, 3: 1.5, 4: 2, 11: 2, 20: 2}},
		{"no warm-up", Schedule{Linear, 2, 0, 4}, map[int]float64{0: 2, 2: 1}},
		{"nothing but warm-up", Schedule{Cosine, 2, 4, 4}, map[int]float64{0: 0, 3: 1.5, 4: 2, 5: 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for step, want := range tt.want {
				if got := tt.s.Rate(step); math.Abs(got-want) > 1e-15 {
					t.Errorf("step %d: got %v, want %v", step, got, want)
				}
			}
		})
	}
}

func TestScheduleUnknown(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic for an unknown shape")
		}
	}()
	Schedule{Shape: "step"}.Rate(0)
}
