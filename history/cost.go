package history

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

// CostReport is cost_report.json (4.13).
type CostReport struct {
	Run         RunMetadata  `json:"run_metadata"`
	Hardware    Hardware     `json:"hardware"`
	Time        TimeSpent    `json:"time"`
	Cost        MoneySpent   `json:"cost"`
	Checkpoints []CostAtStep `json:"checkpoints"`
	Attempts    []Attempt    `json:"attempts"`
}

// RunMetadata says which run a report is about.
type RunMetadata struct {
	Dataset        string `json:"dataset"`
	RunName        string `json:"run_name"`
	CompletionTime string `json:"completion_time"` // in Layout; of the report while the run goes on
	TotalSteps     int    `json:"total_steps"`
}

// Hardware is what a run pays for.
type Hardware struct {
	GPUCount         int     `json:"gpu_count"`
	GPUType          string  `json:"gpu_type"` // as detected, "cpu" for none
	HourlyRatePerGPU float64 `json:"hourly_rate_per_gpu"`
	TotalHourlyRate  float64 `json:"total_hourly_rate"`
}

// TimeSpent is the time of all attempts.
type TimeSpent struct {
	TotalSeconds float64 `json:"total_seconds"`
	TotalMinutes float64 `json:"total_minutes"`
	TotalHours   float64 `json:"total_hours"`
}

// MoneySpent is the cost of all attempts.
type MoneySpent struct {
	TotalUSD    float64 `json:"total_usd"`
	CostPerStep float64 `json:"cost_per_step"` // 0 without steps
}

// CostAtStep is what a run had spent when a checkpoint was written.
type CostAtStep struct {
	Step              int     `json:"step"`
	ElapsedSeconds    float64 `json:"elapsed_seconds"`
	ElapsedHours      float64 `json:"elapsed_hours"`
	CumulativeCostUSD float64 `json:"cumulative_cost_usd"`
}

// Attempt is one process that worked on the run.
type Attempt struct {
	Started   string  `json:"started"` // in Layout
	FirstStep int     `json:"first_step"`
	LastStep  int     `json:"last_step"`
	Seconds   float64 `json:"seconds"`
	USD       float64 `json:"usd"`
	GPUType   string  `json:"gpu_type"`
	GPUCount  int     `json:"gpu_count"`
}

// Meter measures time and cost of a run while it goes on. It is safe for
// concurrent use.
type Meter struct {
	hardware Hardware
	now      func() time.Time
	start    time.Time

	mu      sync.Mutex
	earlier []Attempt
	saved   []CostAtStep
	attempt Attempt
}

// NewMeter starts the clock. A count of GPUs of 0 means the processor, at the
// rate given, usually 0. For a run that goes on from a step, earlier is the
// report that the last checkpoint was written with; its time and cost count.
// Now is time.Now if nil.
func NewMeter(h Hardware, earlier *CostReport, firstStep int, now func() time.Time) *Meter {
	if now == nil {
		now = time.Now
	}
	h.TotalHourlyRate = h.HourlyRatePerGPU * float64(max(1, h.GPUCount))
	m := &Meter{hardware: h, now: now, start: now()}
	m.attempt = Attempt{Started: m.start.Format(Layout), FirstStep: firstStep, LastStep: firstStep, GPUType: h.GPUType, GPUCount: h.GPUCount}
	if earlier != nil {
		m.earlier = slices.Clone(earlier.Attempts)
		for _, c := range earlier.Checkpoints {
			if c.Step <= firstStep {
				m.saved = append(m.saved, c)
			}
		}
	}
	return m
}

// spent returns the seconds and the cost up to now, all attempts included, and
// brings the present one up to date.
func (m *Meter) spent() (seconds, usd float64) {
	m.attempt.Seconds = max(0, m.now().Sub(m.start).Seconds())
	m.attempt.USD = m.attempt.Seconds / 3600 * m.hardware.TotalHourlyRate
	for _, a := range m.earlier {
		seconds += a.Seconds
		usd += a.USD
	}
	return seconds + m.attempt.Seconds, usd + m.attempt.USD
}

// USD returns the cost up to now.
func (m *Meter) USD() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, usd := m.spent()
	return usd
}

// Saved notes that the checkpoint of a step was written.
func (m *Meter) Saved(step int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seconds, usd := m.spent()
	m.attempt.LastStep = max(m.attempt.LastStep, step)
	m.saved = append(m.saved, CostAtStep{step, round(seconds, 3), round(seconds/3600, 4), round(usd, 6)})
}

// Report returns the report of a run that has made so many steps. It may be
// asked for at every checkpoint and at the end.
func (m *Meter) Report(dataset, run string, steps int) CostReport {
	m.mu.Lock()
	defer m.mu.Unlock()
	seconds, usd := m.spent()
	m.attempt.LastStep = max(m.attempt.LastStep, steps)
	r := CostReport{
		Run:         RunMetadata{dataset, run, m.now().Format(Layout), steps},
		Hardware:    m.hardware,
		Time:        TimeSpent{round(seconds, 3), round(seconds/60, 4), round(seconds/3600, 4)},
		Cost:        MoneySpent{TotalUSD: round(usd, 6)},
		Checkpoints: append([]CostAtStep{}, m.saved...),
		Attempts:    append(slices.Clone(m.earlier), m.attempt),
	}
	if steps > 0 {
		r.Cost.CostPerStep = round(usd/float64(steps), 8)
	}
	last := &r.Attempts[len(r.Attempts)-1]
	last.Seconds, last.USD = round(last.Seconds, 3), round(last.USD, 6)
	return r
}

// JSON returns the report as the file holds it.
func (r CostReport) JSON() ([]byte, error) { return encode(r) }

// ParseCostReport reads cost_report.json.
func ParseCostReport(data []byte) (*CostReport, error) {
	r := new(CostReport)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("cost report: %w", err)
	}
	if r.Attempts == nil && r.Time.TotalSeconds > 0 { // older reports know one attempt only
		r.Attempts = []Attempt{{LastStep: r.Run.TotalSteps, Seconds: r.Time.TotalSeconds, USD: r.Cost.TotalUSD,
			GPUType: r.Hardware.GPUType, GPUCount: r.Hardware.GPUCount}}
	}
	return r, nil
}
