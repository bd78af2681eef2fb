package lora_test

import (
	"encoding/json"
	"regexp"
	"testing"

	"mole/lora"
	"mole/safetensors"
)

// TestForVLLM checks what another server, vLLM, reads of an adapter that was made
// here; docs/adapter.md says it in words.
func TestForVLLM(t *testing.T) {
	for _, preset := range []string{"text", "full"} {
		targets, err := lora.Preset(preset)
		if err != nil {
			t.Fatal(err)
		}
		a, err := lora.New(lora.Config{Rank: 4, Alpha: 8, Targets: targets, InitWeights: true}, tinySites(), 1)
		if err != nil {
			t.Fatal(err)
		}
		config, weights, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		wantConfig(t, preset, config)
		wantNames(t, preset, weights)
		for _, p := range a.Pairs {
			if p.Rank > 4 || p.Scale != 2 {
				t.Errorf("%s: %s has rank %d and scale %v: one scale is read for all layers", preset, p.Site.Name, p.Rank, p.Scale)
			}
		}
	}
}

// wantConfig checks the keys that are read; the others are passed over.
func wantConfig(t *testing.T, preset string, config []byte) {
	t.Helper()
	var c struct {
		Rank    *int     `json:"r"`
		Alpha   *int     `json:"lora_alpha"`
		Targets []string `json:"target_modules"`
		Save    []string `json:"modules_to_save"`
		Bias    string   `json:"bias"`
		DoRA    bool     `json:"use_dora"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatalf("%s: %v", preset, err)
	}
	if c.Rank == nil || c.Alpha == nil || len(c.Targets) == 0 || c.Save != nil || c.Bias != "none" || c.DoRA {
		t.Errorf("%s: got %s", preset, config)
	}
}

// wantNames checks the keys of the tensors.
func wantNames(t *testing.T, preset string, weights []byte) {
	t.Helper()
	f, err := safetensors.Parse(weights)
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^base_model\.model\.model\.(language_model|visual)\.[a-z0-9_.]+\.lora_[AB]\.weight$`)
	for _, name := range f.Names() {
		if !form.MatchString(name) {
			t.Errorf("%s: tensor %q is named otherwise", preset, name)
		}
	}
}
