package history

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// FuzzParse reads any bytes as each of the files about runs, which other
// programs write too, and uses what was understood.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"runs.jsonl", "cost_report.json", "train-results.json", "trainer_state.json", "run.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if runs, err := Read("runs.jsonl", bytes.NewReader(text)); err == nil {
			if err := Sum(runs).Write(io.Discard); err != nil {
				t.Error(err)
			}
			for _, r := range runs {
				if _, err := r.JSON(); err != nil {
					t.Error(err)
				}
			}
		}
		if c, err := ParseCostReport(text); err == nil {
			if _, err := c.JSON(); err != nil {
				t.Error(err)
			}
		}
		_, _ = ParseTrainResults(text) // an error is fine
		if s, err := ParseTrainerState(text); err == nil {
			_ = s.BestEvalLoss()
		}
	})
}
