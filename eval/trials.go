package eval

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Trial is one test of an expert and what it answered.
type Trial struct {
	ID       string `json:"test_id"`
	Picture  string `json:"screenshot"`
	TaskType string `json:"task_type"`
	Prompt   string `json:"prompt"`
	Expected string `json:"expected"` // the call
	Got      string `json:"got"`      // the whole answer
	Passed   bool   `json:"-"`
	Reason   string `json:"reason"` // why it did not pass
}

// ExpertRun is what was tested.
type ExpertRun struct {
	Expert     string  `json:"expert"`
	RunName    string  `json:"run_name"`
	Dataset    string  `json:"dataset_name"`
	Checkpoint string  `json:"checkpoint"` // VOLUME:PATH, or a folder
	Adapter    string  `json:"adapter_sha256"`
	Base       string  `json:"base_model"`
	PromptID   string  `json:"prompt_id"`
	Timestamp  string  `json:"timestamp"` // RFC 3339, UTC
	Seconds    float64 `json:"duration_seconds"`
}

// ExpertReport says how many of its tests an expert passes.
type ExpertReport struct {
	ExpertRun
	Accuracy ExpertAccuracy   `json:"accuracy"`
	Results  ExpertResults    `json:"results"`
	PerTask  map[string]Count `json:"per_task"` // by task type
	Failures []Trial          `json:"failures"` // in the order of the tests
}

// ExpertAccuracy holds percentages, 0 to 100.
type ExpertAccuracy struct {
	Overall float64 `json:"overall"`
	Low     float64 `json:"low"`  // of Wilson's 95 % interval
	High    float64 `json:"high"` // of the same
}

// ExpertResults holds counts.
type ExpertResults struct {
	Passed int `json:"passed"`
	Total  int `json:"total"`
}

// NewExpertReport counts trials, of which there must be one.
func NewExpertReport(run ExpertRun, trials []Trial) (*ExpertReport, error) {
	if len(trials) == 0 {
		return nil, fmt.Errorf("no tests")
	}
	r := &ExpertReport{ExpertRun: run, PerTask: map[string]Count{}, Failures: []Trial{}}
	r.Results.Total = len(trials)
	for _, t := range trials {
		c := r.PerTask[t.TaskType]
		c.Total++
		if t.Passed {
			c.Correct++
			r.Results.Passed++
		} else {
			r.Failures = append(r.Failures, t)
		}
		r.PerTask[t.TaskType] = c
	}
	i := r.share()
	r.Accuracy = ExpertAccuracy{100 * i.Value, 100 * i.Low, 100 * i.High}
	return r, nil
}

// share returns the share of passed tests with its interval.
func (r *ExpertReport) share() Interval { return Wilson(r.Results.Passed, r.Results.Total) }

// JSON returns the report as the files hold it.
func (r *ExpertReport) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // answers are full of tags
	e.SetIndent("", "  ")
	err := e.Encode(r)
	return b.Bytes(), err
}

// ParseExpertReport reads what JSON returns, and refuses counts that cannot be.
func ParseExpertReport(text []byte) (*ExpertReport, error) {
	r := &ExpertReport{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, err
	}
	if c := r.Results; c.Total < 1 || c.Passed < 0 || c.Passed > c.Total {
		return nil, fmt.Errorf("%d of %d tests passed", c.Passed, c.Total)
	}
	return r, nil
}

// Line is the line that other programs look for (specification mole, 5.0).
func (r *ExpertReport) Line() string {
	return fmt.Sprintf("Overall Accuracy: %d/%d (%.1f%%)", r.Results.Passed, r.Results.Total, r.Accuracy.Overall)
}

// shownFailures is how many failures WriteText lists.
const shownFailures = 10

// WriteText writes the report for a terminal.
func (r *ExpertReport) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "expert %s, %s: %d of %d tests passed, %.1f %% (95 %%: %.1f to %.1f)\n",
		r.Expert, r.Checkpoint, r.Results.Passed, r.Results.Total, r.Accuracy.Overall, r.Accuracy.Low, r.Accuracy.High)
	for _, task := range r.tasks() {
		c := r.PerTask[task]
		i := Wilson(c.Correct, c.Total)
		fmt.Fprintf(&b, "  %-26s %4d of %4d  %5.1f %%  (%.1f to %.1f)\n", task, c.Correct, c.Total, 100*i.Value, 100*i.Low, 100*i.High)
	}
	for i, f := range r.Failures {
		if i == shownFailures {
			fmt.Fprintf(&b, "  and %d failures more\n", len(r.Failures)-i)
			break
		}
		fmt.Fprintf(&b, "  %s %s: %q: %s\n", f.ID, f.Picture, f.Prompt, f.Reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tasks returns the task types in their order.
func (r *ExpertReport) tasks() []string {
	var names []string
	for name := range r.PerTask {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
