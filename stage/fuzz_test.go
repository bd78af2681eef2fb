package stage_test

import (
	"encoding/json"
	"testing"

	"mole/stage"
)

// FuzzParseMetadata reads any bytes as the metadata of a release.
func FuzzParseMetadata(f *testing.F) {
	for _, text := range []string{
		`{"eval_accuracy":0.98,"run_name":"a","labels":{"a":0},"sha256":{"bundle.json":"00"}}`, `{"eval_accuracy":"good","run_name":7}`, `{"labels":[]}`, `[]`, `{}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := stage.ParseMetadata(text)
		if err != nil {
			return
		}
		if m.Accuracy != nil && !(*m.Accuracy >= 0 && *m.Accuracy <= 1) {
			t.Errorf("got accuracy %v, want 0 to 1", *m.Accuracy)
		}
		if _, err := json.Marshal(m); err != nil {
			t.Error(err)
		}
	})
}
