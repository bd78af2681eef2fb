package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg" // the format of the drawn screens
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mole/eval"
)

// TestLearning is acceptance scenario 6 of the specification mole: seven
// experts, the embedded network, preset tiny, seed 420. The router is right
// about 95 % of pictures that it has not seen; a second run has the same bytes,
// with another number of workers; one that learnt labels without meaning knows
// nothing. Then scenario 15: it tells a strip of text from the window that the
// strip was cut out of.
func TestLearning(t *testing.T) {
	if os.Getenv("MOLE_TEST_HEAVY") == "" {
		t.Skip("MOLE_TEST_HEAVY=1 runs this: three trainings of a minute")
	}
	state := t.TempDir()
	in := func(line string) string {
		t.Helper()
		return must(t, append(strings.Fields(line), "--state="+state)...)
	}
	in("synth --images 110 --tests 7 --scale 0.5 --seed 420")
	in("generate --samples-per-adapter 50 --test-per-adapter 25 --name routing_test --no-chain")
	in("upload --no-chain")
	in("preprocess --dataset-name routing_test --no-chain")
	const train = "train --dataset-name routing_test --preset tiny --rung lora --seed 420 --run-name "
	in(train + "first --workers 2")
	in(train + "again --workers 3")
	if !bytes.Equal(weightsOf(t, state, "first"), weightsOf(t, state, "again")) {
		t.Error("the same run gave other bytes the second time")
	}
	in(train + "control --shuffle-labels")
	accuracy := map[string]float64{}
	for _, run := range []string{"first", "control"} {
		in("eval --dataset-name routing_test --run-name " + run)
		accuracy[run] = heldOut(t, filepath.Join(state, "reports", "routing_test", run, "eval-report.json"), 175)
	}
	t.Logf("held-out accuracy %v", accuracy)
	const chance = 1. / 7
	if off := math.Abs(accuracy["control"] - chance); accuracy["first"] < 0.95 || off > 3*math.Sqrt(chance*(1-chance)/175) {
		t.Errorf("got %.3f, want 0.95 or more, and the control run %.3f, want 1/7 within three standard errors", accuracy["first"], accuracy["control"])
	}
	in("deploy --run-name first")
	wantClaims(t, state)
}

// heldOut returns the accuracy of a report about n pictures.
func heldOut(t *testing.T, file string, n int) float64 {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r eval.Report
	if err := json.Unmarshal(text, &r); err != nil || r.Results.Total != n || r.SeenInTraining != "none" {
		t.Fatalf("%s: got %+v, error %v, want %d pictures that training did not see", file, r.Results, err, n)
	}
	return float64(r.Results.Correct) / float64(r.Results.Total)
}

// wantClaims draws claim windows and strips of text of another seed, and asks the
// deployed router about them (scenario 15). The grid of a window as the
// predecessor cut it out, wider than any strip of the training set, has to be
// recognised too, however sure the router is.
func wantClaims(t *testing.T, state string) {
	t.Helper()
	drawn, shown := t.TempDir(), t.TempDir()
	for _, name := range []string{"claim-window", "ocr"} {
		must(t, "synth", "--expert", name, "--images", "60", "--tests", "7", "--scale", "0.5", "--seed", "20260105", "--out", drawn)
	}
	windows, err := filepath.Glob(filepath.Join(drawn, "claim-window--*", "images", "*.jpg"))
	if err != nil || len(windows) < 8 {
		t.Fatalf("got %v, error %v, want eight pictures", windows, err)
	}
	for i, name := range windows[:8] {
		window := readImage(t, name)
		writeImage(t, filepath.Join(shown, fmt.Sprintf("claim-window-%d.png", i)), window, window.Bounds())
		writeImage(t, filepath.Join(shown, fmt.Sprintf("ocr-wide-%d.png", i)), window, image.Rect(0, 108, 549, 192)) // 5.14, at half the size
	}
	for i, name := range claimGrids(t, drawn) {
		strip := readImage(t, name)
		writeImage(t, filepath.Join(shown, fmt.Sprintf("ocr-%d.png", i)), strip, strip.Bounds())
	}
	least := leastConfidence(t, must(t, "infer", "--state="+state, "--json", shown))
	t.Logf("least confidence %v", least)
	if least["claim-window"] < 0.9 || least["ocr"] < 0.9 || len(least) != 3 {
		t.Errorf("got least confidence %v, want 0.9 or more", least)
	}
}

// leastConfidence reads answers about pictures whose names begin with the expert
// that they belong to, and returns the least confidence of each kind.
func leastConfidence(t *testing.T, answers string) map[string]float64 {
	t.Helper()
	var v struct{ Answers []inferred }
	if err := json.Unmarshal([]byte(answers), &v); err != nil {
		t.Fatalf("got %s, error %v", answers, err)
	}
	least := map[string]float64{}
	for _, a := range v.Answers {
		name := filepath.Base(a.Image)
		kind := name[:strings.LastIndexByte(name, '-')]
		if before, ok := least[kind]; !ok || *a.Confidence < before {
			least[kind] = *a.Confidence
		}
		if a.Adapter != strings.TrimSuffix(kind, "-wide") {
			t.Errorf("%s: got %s with confidence %.3f", name, a.Adapter, *a.Confidence)
		}
	}
	return least
}

// claimGrids returns strips of the grid of claim windows, as they were drawn.
func claimGrids(t *testing.T, drawn string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(drawn, "ocr--*", "train.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got %v, error %v, want one file", files, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []string
	for lines := json.NewDecoder(f); lines.More(); {
		var r struct {
			Image    string
			Metadata struct {
				TaskType string `json:"task_type"`
				Screen   string
			}
		}
		if err := lines.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.Metadata.TaskType == "ocr-grid" && r.Metadata.Screen == "claim-window" {
			out = append(out, filepath.Join(filepath.Dir(files[0]), filepath.FromSlash(r.Image)))
		}
	}
	return out
}

// readImage reads a picture.
func readImage(t *testing.T, name string) image.Image {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	im, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// writeImage writes a part of a picture.
func writeImage(t *testing.T, name string, im image.Image, part image.Rectangle) {
	t.Helper()
	out := image.NewRGBA(image.Rect(0, 0, part.Dx(), part.Dy()))
	draw.Draw(out, out.Rect, im, part.Min, draw.Src)
	var file bytes.Buffer
	if err := png.Encode(&file, out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, file.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}
