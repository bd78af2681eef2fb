// Package history holds what is kept of a training run: its cost report, its
// results, the state of the trainer, and the record that a list of all runs
// has of it; and it sums the list up as text and as a plot (specification mole,
// 4.11, 4.13, 4.14, 4.16 and 5.12). The names in the JSON files are those that
// other programs read.
package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// Layout is how times are written: local, without a zone.
const Layout = "2006-01-02T15:04:05"

// stamp is how a time is written at the end of a run's id.
const stamp = "20060102_150405"

// Run is the record of one run (4.16). Metrics that are not known are null.
type Run struct {
	ID          string      `json:"run_id"`
	Type        string      `json:"type"` // "router"
	DatasetName string      `json:"dataset_name"`
	RunName     string      `json:"run_name"`
	Timestamp   string      `json:"timestamp"` // in Layout
	Metrics     Metrics     `json:"metrics"`
	DatasetSize DatasetSize `json:"dataset_size"`
	Hyperparams Hyperparams `json:"hyperparams"`
	Backfilled  bool        `json:"backfilled,omitempty"` // written after the fact from what the run left
	Supersedes  string      `json:"supersedes,omitempty"` // id of the record of the same run that this one stands for
}

// Metrics are the results of a run.
type Metrics struct {
	ValLoss           *float64            `json:"val_loss"`           // the best, nats
	EvalAccuracy      *float64            `json:"eval_accuracy"`      // percent
	PerClassAccuracy  map[string]*float64 `json:"per_class_accuracy"` // percent
	CostUSD           *float64            `json:"cost_usd"`
	TrainingTimeHours *float64            `json:"training_time_hours"`
	TotalSteps        int                 `json:"total_steps"`
	EarlyStopped      bool                `json:"early_stopped"`
}

// DatasetSize counts samples.
type DatasetSize struct {
	Train int `json:"train"`
	Val   int `json:"val"`
	Eval  int `json:"eval"`
}

// Hyperparams are the settings of a run that are compared most.
type Hyperparams struct {
	LoRARank                  int     `json:"lora_rank"`
	LoRAAlpha                 int     `json:"lora_alpha"`
	LearningRate              float64 `json:"learning_rate"`
	BatchSize                 int     `json:"batch_size"`
	GradientAccumulationSteps int     `json:"gradient_accumulation_steps"`
	VisionLoRARank            int     `json:"vision_lora_rank"`
	VisionLoRAAlpha           int     `json:"vision_lora_alpha"`
}

// ID returns the id of a run: DATASET__RUN__TIME, without slashes.
func ID(dataset, run string, at time.Time) string { return idPrefix(dataset, run) + at.Format(stamp) }

// idPrefix begins the ids of all records of a run.
func idPrefix(dataset, run string) string {
	dataset = strings.TrimPrefix(dataset, "datasets/")
	return flat(dataset) + "__" + flat(run) + "__"
}

// flat removes slashes.
func flat(name string) string { return strings.ReplaceAll(name, "/", "") }

// encode returns a value as the files hold it: two spaces a level, a newline at
// the end.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// Line returns the record as one line of runs.jsonl, without a newline.
func (r Run) Line() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(r)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// JSON returns the record as a file of its own.
func (r Run) JSON() ([]byte, error) { return encode(r) }

// Read reads runs.jsonl, the oldest record first. Blank lines and fields that
// MOLE does not know are passed over; name is for messages.
func Read(name string, r io.Reader) ([]Run, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var runs []Run
	n := 0
	for line := range bytes.Lines(data) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		var run Run
		if err := json.Unmarshal(line, &run); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// known returns a pointer to x, or nil if x is no number.
func known(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// round returns x with so many digits after the point.
func round(x float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(x*scale) / scale
}
