package history

import (
	"encoding/json"
	"fmt"
	"math"
)

// TrainResults is train-results.json (4.14).
type TrainResults struct {
	Type           string          `json:"type"` // "router"
	DatasetName    string          `json:"dataset_name"`
	RunName        string          `json:"run_name"`
	CompletionTime string          `json:"completion_time"` // in Layout
	Dataset        TrainDataset    `json:"dataset"`
	Training       Training        `json:"training"`
	Eval           json.RawMessage `json:"eval"` // an evaluation report (4.15); {} if nil
	OutputDir      string          `json:"output_dir"`
	LogDir         string          `json:"log_dir"`
}

// TrainDataset counts samples.
type TrainDataset struct {
	TrainSamples int `json:"train_samples"`
	ValSamples   int `json:"val_samples"`
	TotalSamples int `json:"total_samples"`
}

// Training holds the settings and the end of the training.
type Training struct {
	TotalSteps                int     `json:"total_steps"`
	TrainLoss                 float64 `json:"train_loss"` // mean over the run, nats
	LoRARank                  int     `json:"lora_rank"`
	LoRAAlpha                 int     `json:"lora_alpha"`
	LearningRate              float64 `json:"learning_rate"`
	BatchSize                 int     `json:"batch_size"`
	GradientAccumulationSteps int     `json:"gradient_accumulation_steps"`
}

// JSON returns the results as the file holds them.
func (r TrainResults) JSON() ([]byte, error) {
	if r.Eval == nil {
		r.Eval = json.RawMessage("{}")
	}
	return encode(r)
}

// ParseTrainResults reads train-results.json.
func ParseTrainResults(data []byte) (*TrainResults, error) {
	r := new(TrainResults)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("train results: %w", err)
	}
	return r, nil
}

// TrainerState is trainer_state.json: the fields that other programs read, and
// ours (4.11).
type TrainerState struct {
	GlobalStep          int             `json:"global_step"`
	LogHistory          []LogEntry      `json:"log_history"`
	BestMetric          *float64        `json:"best_metric"`           // lowest eval_loss, null before the first evaluation
	BestModelCheckpoint *string         `json:"best_model_checkpoint"` // null likewise
	Epoch               float64         `json:"epoch"`
	MaxSteps            int             `json:"max_steps"`
	NumTrainEpochs      float64         `json:"num_train_epochs"`
	DataPosition        int             `json:"data_position"` // examples that were taken from the order of the seed
	RNG                 json.RawMessage `json:"rng"`           // null if there is no state but the seed
	PatienceCounter     int             `json:"patience_counter"`
}

// LogEntry is what was logged at a step. Values that are not there are left
// out.
type LogEntry struct {
	Step         int      `json:"step"`
	Epoch        float64  `json:"epoch"`
	Loss         *float64 `json:"loss,omitempty"` // nats
	LearningRate *float64 `json:"learning_rate,omitempty"`
	GradNorm     *float64 `json:"grad_norm,omitempty"`
	EvalLoss     *float64 `json:"eval_loss,omitempty"` // nats
	EvalAccuracy *float64 `json:"eval_accuracy,omitempty"`
	EvalRuntime  *float64 `json:"eval_runtime,omitempty"` // seconds
	EvalRate     *float64 `json:"eval_samples_per_second,omitempty"`

	// Of the two losses, the mean over the tokens of each part of the answers that
	// is told apart, by name.
	LossByPart     map[string]float64 `json:"loss_by_part,omitempty"`
	EvalLossByPart map[string]float64 `json:"eval_loss_by_part,omitempty"`
}

// FinalMetrics is final_metrics.json of a run on a manifest: the evaluation with
// the lowest loss, whose weights the run has (4.11, 4.15).
type FinalMetrics struct {
	EvalLoss     float64  `json:"eval_loss"` // nats
	EvalAccuracy *float64 `json:"eval_accuracy,omitempty"`
	EvalRuntime  *float64 `json:"eval_runtime"` // seconds
	EvalRate     *float64 `json:"eval_samples_per_second"`
	Epoch        float64  `json:"epoch"`
	Step         int      `json:"step"`
}

// JSON returns the metrics as the file holds them.
func (m FinalMetrics) JSON() ([]byte, error) { return encode(m) }

// Final returns the final metrics; ok is false for a run without an evaluation.
func (s *TrainerState) Final() (m FinalMetrics, ok bool) {
	for _, e := range s.LogHistory {
		if e.EvalLoss != nil && (!ok || *e.EvalLoss < m.EvalLoss) {
			m, ok = FinalMetrics{*e.EvalLoss, e.EvalAccuracy, e.EvalRuntime, e.EvalRate, e.Epoch, e.Step}, true
		}
	}
	return m, ok
}

// JSON returns the state as the file holds it.
func (s TrainerState) JSON() ([]byte, error) {
	if s.LogHistory == nil {
		s.LogHistory = []LogEntry{}
	}
	if s.RNG == nil {
		s.RNG = json.RawMessage("null")
	}
	return encode(s)
}

// ParseTrainerState reads trainer_state.json.
func ParseTrainerState(data []byte) (*TrainerState, error) {
	s := new(TrainerState)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("trainer state: %w", err)
	}
	return s, nil
}

// BestEvalLoss returns the lowest validation loss, or NaN if none was logged.
func (s *TrainerState) BestEvalLoss() float64 {
	best := math.NaN()
	if s.BestMetric != nil {
		best = *s.BestMetric
	}
	for _, e := range s.LogHistory {
		if e.EvalLoss != nil && !(*e.EvalLoss >= best) {
			best = *e.EvalLoss
		}
	}
	return best
}

// EarlyStopped reports whether the run ended before its last step, which of a
// finished run only the rule of patience brings about.
func (s *TrainerState) EarlyStopped() bool { return s.MaxSteps > 0 && s.GlobalStep < s.MaxSteps }
