package batch_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"mole/batch"
	"mole/vision"
)

// sample is one run of the reference implementation: what it was given, and
// the positions that it computed.
type sample struct {
	IDs       []int32 `json:"ids"`
	Labels    []int32 `json:"labels"`
	Images    [][3]any
	Positions [3][]int32 `json:"positions"`
	Delta     int        `json:"rope_delta"`
}

// readSamples returns the recorded samples and their examples. An image is
// known by its name.
func readSamples(t *testing.T) ([]sample, []batch.Example) {
	t.Helper()
	text, err := os.ReadFile("testdata/positions.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples []sample
	if err := json.Unmarshal(text, &samples); err != nil {
		t.Fatal(err)
	}
	named := map[string]*vision.Patches{}
	var examples []batch.Example
	for _, s := range samples {
		e := batch.Example{Tokens: s.IDs, Labels: s.Labels}
		for _, image := range s.Images {
			name := fmt.Sprint(image[0])
			if named[name] == nil {
				named[name] = still(int(image[1].(float64)), int(image[2].(float64)))
			}
			e.Images = append(e.Images, named[name])
		}
		examples = append(examples, e)
	}
	return samples, examples
}

// TestReference packs all recorded samples into one batch, and compares each
// with what the reference computed for it alone.
func TestReference(t *testing.T) {
	samples, examples := readSamples(t)
	b := pack(t, examples...)
	labels := 0
	for i, s := range samples {
		lo, hi := b.Segments[i].Start, b.End(i)
		for k, want := range s.Positions {
			if got := axis(b, k)[lo:hi]; !slices.Equal(got, want) {
				t.Errorf("sample %d axis %d: got %v, want %v", i, k, got, want)
			}
		}
		if got := int(b.Next(i)) - len(s.IDs); got != s.Delta {
			t.Errorf("sample %d rope_delta: got %d, want %d", i, got, s.Delta)
		}
		for k, label := range s.Labels {
			if label == batch.Ignore {
				continue
			}
			if got, want := b.Labels[labels], (batch.Label{Row: lo + int32(k) - 1, Target: label, Weight: 1}); got != want {
				t.Errorf("sample %d token %d: got label %v, want %v", i, k, got, want)
			}
			labels++
		}
	}
	if len(b.Labels) != labels {
		t.Errorf("got %d labels, want %d", len(b.Labels), labels)
	}
	if len(b.Images) != 5 { // a, screen, dot, wide, tall
		t.Errorf("got %d images, want 5", len(b.Images))
	}
}
