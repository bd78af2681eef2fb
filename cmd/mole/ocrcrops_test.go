package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/synth"
)

func TestOcrCrops(t *testing.T) {
	state := t.TempDir()
	args := []string{"ocr-crops", "--state", state, "--expert", "calendar", "--max-grids", "0", "--max-dropdowns", "0", "--max-blocks", "1", "--max-lines", "2"}
	var out, errs bytes.Buffer
	got := run(append(args, "--json"), &out, &errs)
	var c synth.CropConfig
	if err := json.Unmarshal(out.Bytes(), &c); err != nil || got != statusOK || c.Blocks != 1 || c.Lines != 2 || c.Total != 3 {
		t.Fatalf("got status %d, %v, %s%s", got, err, &out, &errs)
	}
	text, err := os.ReadFile(filepath.Join(state, "datasets", "ocr", "train.jsonl"))
	if err != nil || strings.Count(string(text), "\n") != 3 {
		t.Errorf("got %v, %s", err, text)
	}
	if got := run(args, &out, &errs); got != statusFailed || !strings.Contains(errs.String(), "hint: --output-dir") {
		t.Errorf("a second time: got status %d, %s", got, &errs)
	}
}
