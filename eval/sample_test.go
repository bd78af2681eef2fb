package eval

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"testing"

	"mole/expert"
	"mole/router"
	"mole/spec"
)

// newTable returns experts of the given names, labelled in order.
func newTable(t testing.TB, names ...string) expert.Table {
	t.Helper()
	var experts []expert.Expert
	for i, n := range names {
		experts = append(experts, expert.Expert{Name: n, Label: i})
	}
	table, err := expert.NewTable(experts)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// sevenExperts are names of the usual lengths.
var sevenExperts = []string{"calendar", "claim-window", "ocr", "desktop", "appointment", "login-window", "chart-screen"}

// decide returns a decision for the expert best with a confidence; the others
// share the rest.
func decide(t expert.Table, best int, confidence float64) router.Decision {
	d := router.Decision{Expert: t[best].Name, Label: t[best].Label, Confidence: confidence, Probs: make([]float64, len(t))}
	for i := range d.Probs {
		d.Probs[i] = (1 - confidence) / float64(len(t)-1)
	}
	d.Probs[best] = confidence
	return d
}

// outcomes returns n random outcomes of a fair router, or outside ones, whose
// decisions are unsure below 0.6 and beyond distance 1.5.
func outcomes(t expert.Table, seed uint64, n int, outside bool) []Outcome {
	r := rand.New(rand.NewPCG(seed, 1))
	var out []Outcome
	for i := range n {
		class := i % len(t)
		confidence := 1 - 0.65*r.Float64()*r.Float64()*r.Float64()
		distance := 0.7 + 0.6*r.Float64()
		expected, best := t[class].Name, class
		if r.Float64() > confidence {
			best = r.IntN(len(t))
		}
		if outside {
			expected, confidence, distance = "", 0.3+0.6*r.Float64(), 1+r.Float64()
		}
		d := decide(t, best, confidence)
		d.Distance = distance
		if confidence < 0.6 {
			d.Unsure, d.Reason = true, fmt.Sprintf("confidence %.2f below 0.60", confidence)
		}
		if distance > 1.5 {
			d.Unsure = true
		}
		out = append(out, Outcome{ID: fmt.Sprintf("test_%05d", i), Image: fmt.Sprintf("%s/test_%05d.png", t[class].Name, i),
			Expected: expected, Decision: d})
	}
	return out
}

// screen draws a picture that looks a little like a window, by its name.
func screen(name string) ([]byte, error) {
	if len(name)%7 == 0 {
		return nil, fmt.Errorf("picture %s is gone", name)
	}
	r := rand.New(rand.NewPCG(uint64(len(name)), uint64(name[len(name)-5])))
	im := image.NewRGBA(image.Rect(0, 0, 420, 300))
	fill := func(x, y, w, h int, c color.RGBA) {
		for j := y; j < min(y+h, 300); j++ {
			for i := x; i < min(x+w, 420); i++ {
				im.SetRGBA(i, j, c)
			}
		}
	}
	fill(0, 0, 420, 300, color.RGBA{236, 238, 241, 255})
	fill(0, 0, 420, 26, color.RGBA{uint8(r.IntN(120)), uint8(60 + r.IntN(90)), 150, 255})
	for k := range 9 {
		fill(24, 46+26*k, 80+r.IntN(260), 12, color.RGBA{170, uint8(170 + r.IntN(50)), 190, 255})
	}
	var out bytes.Buffer
	err := png.Encode(&out, im)
	return out.Bytes(), err
}

// sampleReport returns a report with everything in it.
func sampleReport(t testing.TB) *Report {
	t.Helper()
	table := newTable(t, sevenExperts...)
	known, outside := outcomes(table, 3, 175, false), outcomes(table, 4, 40, true)
	m, err := Measure(table, known, outside)
	if err != nil {
		t.Fatal(err)
	}
	linear := outcomes(table, 5, 175, false)
	lm, err := Measure(table, linear, outside)
	if err != nil {
		t.Fatal(err)
	}
	pm, err := Measure(table, outcomes(table, 6, 175, false), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compare("router-a", known, "router-b", linear)
	if err != nil {
		t.Fatal(err)
	}
	run := Run{RunName: "routing-20260105-110000", DatasetName: "datasets/routing_20260105_110000", Checkpoint: "checkpoint-120",
		CheckpointStep: 120, EvalMode: "test", Split: "test", SeenInTraining: "none", Rung: router.LoRA, Temperature: 1.31,
		MinConfidence: 0.6, MaxDistance: 1.5, DurationSeconds: 12.3,
		Spec: spec.Router{Version: 1, PromptID: "router-v1", Labels: spec.LabelsOf(table), Image: spec.Image{Patch: 16, Merge: 2,
			MinTokens: 4, MaxTokens: 64, Resample: "bicubic-torchvision"}, Base: "9f2c11ab04d7"},
		Settings: []Setting{{"adapter digest", "41e0b7c2f3aa"}},
	}
	ways := []Way{Summary("lora", m), Summary("linear (pooled)", lm), Summary("prototype (pooled)", pm)}
	return NewReport(run, table, m, known, outside, ways, c)
}
