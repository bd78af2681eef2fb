package history

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares got with a file in testdata, or rewrites it under -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// same compares one value.
func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func number(x float64) *float64 { return &x }

// noon is when the run of the examples was ready.
var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.Local)

// clock returns a clock that begins at noon, and what sets it.
func clock() (now func() time.Time, pass func(time.Duration)) {
	at := noon
	return func() time.Time { return at }, func(d time.Duration) { at = at.Add(d) }
}

// example is the record of 4.16.
func example() Run {
	at := noon.Add(10 * time.Minute)
	return Run{
		ID: ID("datasets/routing_20260105_110000", "routing-20260105-110000", at), Type: "router",
		DatasetName: "routing_20260105_110000", RunName: "routing-20260105-110000", Timestamp: at.Format(Layout),
		Metrics: Metrics{ValLoss: number(0.0123), EvalAccuracy: number(98.3), CostUSD: number(2.25), TrainingTimeHours: number(0.5),
			PerClassAccuracy: map[string]*float64{"calendar": number(100), "ocr": nil}, TotalSteps: 120, EarlyStopped: true},
		DatasetSize: DatasetSize{5600, 1400, 175},
		Hyperparams: Hyperparams{LoRARank: 16, LoRAAlpha: 32, LearningRate: 5e-5, BatchSize: 2, GradientAccumulationSteps: 8, VisionLoRARank: 8, VisionLoRAAlpha: 16},
	}
}

func TestRecord(t *testing.T) {
	if got, want := example().ID, "routing_20260105_110000__routing-20260105-110000__20260105_121000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := ID("a/b", "c/d", noon); strings.Contains(got, "/") {
		t.Errorf("got %s", got)
	}
	text, err := example().JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "run.json", text)
	line, err := example().Line()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "runs.jsonl", append(line, '\n'))
}

func TestRead(t *testing.T) {
	line, err := example().Line()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		text, wantErr string
		want          int
	}{
		{"", "", 0},
		{string(line) + "\n\n  \r\n" + string(line), "", 2},
		{`{"dataset_name": "calendar--demo", "more": [1]}`, "", 1},
		{"{}\n{\"run_name\": 3}\n", "runs.jsonl:2: json: cannot unmarshal number", 0},
		{"{", "runs.jsonl:1: ", 0},
	}
	for _, tt := range tests {
		runs, err := Read("runs.jsonl", strings.NewReader(tt.text))
		if len(runs) != tt.want || (err != nil) != (tt.wantErr != "") || err != nil && !strings.HasPrefix(err.Error(), tt.wantErr) {
			t.Errorf("%q: got %d runs, %v, want %d, %s", tt.text, len(runs), err, tt.want, tt.wantErr)
		}
	}
}

func TestCostReport(t *testing.T) {
	now, pass := clock()
	m := NewMeter(Hardware{GPUCount: 1, GPUType: "H100", HourlyRatePerGPU: 4.5}, nil, 0, now)
	pass(5 * time.Minute)
	m.Saved(20)
	pass(25 * time.Minute)
	if got := m.USD(); math.Abs(got-2.25) > 1e-9 {
		t.Errorf("got %v, want 2.25", got)
	}
	text, err := m.Report("routing_20260105_110000", "routing-20260105-110000", 120).JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "cost_report.json", text)
}

func TestCostOfSeveralAttempts(t *testing.T) {
	now, pass := clock()
	m := NewMeter(Hardware{GPUCount: 2, GPUType: "H100", HourlyRatePerGPU: 4.5}, nil, 0, now)
	pass(10 * time.Minute)
	m.Saved(20)
	saved := m.Report("d", "r", 20) // then the process is killed
	text, err := saved.JSON()
	if err != nil {
		t.Fatal(err)
	}
	earlier, err := ParseCostReport(text)
	if err != nil {
		t.Fatal(err)
	}
	pass(time.Hour) // nobody pays for the pause
	m = NewMeter(Hardware{GPUType: "cpu"}, earlier, 20, now)
	pass(20 * time.Minute)
	m.Saved(40)
	r := m.Report("d", "r", 40)
	same(t, "minutes", r.Time.TotalMinutes, 30)
	same(t, "cost", r.Cost.TotalUSD, 1.5)
	same(t, "attempts", len(r.Attempts), 2)
	same(t, "first step", r.Attempts[1].FirstStep, 20)
	same(t, "last step", r.Attempts[1].LastStep, 40)
	same(t, "checkpoints", len(r.Checkpoints), 2)
	same(t, "last checkpoint", r.Checkpoints[1], CostAtStep{40, 1800, 0.5, 1.5})
}

func TestCostWithoutSteps(t *testing.T) {
	now, pass := clock()
	m := NewMeter(Hardware{GPUType: "cpu"}, nil, 0, now)
	pass(-time.Minute) // a clock that was set back
	if r := m.Report("d", "r", 0); r.Cost.CostPerStep != 0 || r.Time.TotalSeconds != 0 || r.Checkpoints == nil {
		t.Errorf("got %+v", r)
	}
}

func TestOlderCostReport(t *testing.T) {
	r, err := ParseCostReport([]byte(`{"run_metadata": {"total_steps": 9}, "time": {"total_seconds": 60}, "cost": {"total_usd": 1}}`))
	if err != nil || len(r.Attempts) != 1 || r.Attempts[0].Seconds != 60 || r.Attempts[0].USD != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := ParseCostReport([]byte(`[]`)); err == nil {
		t.Error("a list was read as a report")
	}
}

func TestTrainResults(t *testing.T) {
	r := TrainResults{Type: "router", DatasetName: "routing_20260105_110000", RunName: "r", CompletionTime: noon.Format(Layout),
		Dataset:   TrainDataset{5600, 1400, 7000},
		Training:  Training{TotalSteps: 120, TrainLoss: 0.05, LoRARank: 16, LoRAAlpha: 32, LearningRate: 5e-5, BatchSize: 2, GradientAccumulationSteps: 8},
		OutputDir: "checkpoints/datasets/d/r", LogDir: "tb_logs/d/r"}
	text, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "train-results.json", text)
	back, err := ParseTrainResults(text)
	if err != nil || back.Training != r.Training {
		t.Errorf("got %+v, %v", back, err)
	}
	if _, err := ParseTrainResults([]byte(`{"dataset": 1}`)); err == nil {
		t.Error("a number was read as a dataset")
	}
}

func TestTrainerState(t *testing.T) {
	checkpoint := "checkpoint-40"
	s := TrainerState{GlobalStep: 60, MaxSteps: 200, BestMetric: number(0.2), BestModelCheckpoint: &checkpoint, Epoch: 1.5, NumTrainEpochs: 5,
		DataPosition: 960, PatienceCounter: 1,
		LogHistory: []LogEntry{{Step: 5, Epoch: 0.1, Loss: number(1.9), LearningRate: number(1e-4), GradNorm: number(0.3)}, {Step: 40, Epoch: 1, EvalLoss: number(0.2)}}}
	text, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "trainer_state.json", text)
	back, err := ParseTrainerState(text)
	if err != nil || back.BestEvalLoss() != 0.2 || !back.EarlyStopped() {
		t.Errorf("got %+v, %v", back, err)
	}
	if _, err := ParseTrainerState(nil); err == nil {
		t.Error("nothing was read as a state")
	}
}

func TestEmptyTrainerState(t *testing.T) {
	empty, err := TrainerState{}.JSON()
	if err != nil || !json.Valid(empty) || !strings.Contains(string(empty), `"log_history": []`) {
		t.Errorf("got %s, %v", empty, err)
	}
	if got := (&TrainerState{}).BestEvalLoss(); !math.IsNaN(got) || known(got) != nil {
		t.Errorf("got %v, want none", got)
	}
}
