package eval

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// near reports whether two numbers agree to twelve digits.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12*math.Max(1, math.Abs(b)) }

func TestWilson(t *testing.T) {
	tests := []struct {
		k, n      int
		low, high float64 // to four digits, from the closed form
	}{
		{0, 0, 0, 1}, {0, 10, 0, 0.2775}, {10, 10, 0.7225, 1}, {5, 10, 0.2366, 0.7634}, {172, 175, 0.9508, 0.9942},
	}
	for _, tt := range tests {
		got := Wilson(tt.k, tt.n)
		if math.Abs(got.Low-tt.low) > 5e-5 || math.Abs(got.High-tt.high) > 5e-5 {
			t.Errorf("%d of %d: got %.4f to %.4f, want %.4f to %.4f", tt.k, tt.n, got.Low, got.High, tt.low, tt.high)
		}
	}
	for n := range 60 {
		for k := range n + 1 {
			if i := Wilson(k, n); i.Low < 0 || i.Low > i.Value || i.Value > i.High || i.High > 1 {
				t.Errorf("%d of %d: got %+v", k, n, i)
			}
		}
	}
}

// small returns six outcomes that can be worked out by hand.
func small(t *testing.T) []Outcome {
	t.Helper()
	table := newTable(t, "a", "b", "c")
	rows := []struct {
		id, expected string
		best         int
		confidence   float64
	}{
		{"1", "a", 0, 0.9}, {"2", "a", 0, 0.8}, {"3", "a", 1, 0.8}, {"4", "b", 1, 0.7}, {"5", "b", 0, 0.5}, {"6", "b", 1, 0.4},
	}
	var out []Outcome
	for _, r := range rows {
		o := Outcome{ID: r.id, Expected: r.expected, Decision: decide(table, r.best, r.confidence)}
		o.Decision.Unsure = r.confidence < 0.6
		out = append(out, o)
	}
	return out
}

func TestMeasure(t *testing.T) {
	m, err := Measure(newTable(t, "a", "b", "c"), small(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"accuracy", m.Accuracy.Value, 4.0 / 6},
		{"macro", m.Macro, 2.0 / 3}, // c has no images
		{"confidence", m.Confidence, 4.1 / 6},
		{"NLL", m.NLL, -math.Log(0.9*0.8*0.1*0.7*0.25*0.4) / 6},
		// Bins of width 1/15: 0.9 (1 of 1), 0.8 (1 of 2), 0.7 (1 of 1), 0.5 (0 of 1), 0.4 (1 of 1).
		{"ECE", m.Calibration.ECE, (0.1 + 2*0.3 + 0.3 + 0.5 + 0.6) / 6},
		{"Brier", m.Calibration.Brier, (0.01 + 0.04 + 0.64 + 0.09 + 0.25 + 0.36) / 6},
		// 0.9: 0 of 1; 0.8: 1 of 3, for two; 0.7: 1 of 4; 0.5: 2 of 5; 0.4: 2 of 6.
		{"AURC", m.Risk.AURC, (2.0/3 + 0.25 + 0.4 + 1.0/3) / 6},
		{"points", float64(len(m.Risk.Curve)), 5},
		{"false alarms", m.Accepted.FalseAlarm.Value, 2.0 / 6},
	} {
		if !near(tt.got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	if diff := gocmp.Diff([][]int{{2, 1, 0}, {1, 2, 0}, {0, 0, 0}}, m.Confusion); diff != "" {
		t.Errorf("confusion: %s", diff)
	}
	if a := m.Accepted; a.Total != 4 || a.Errors != 1 || m.Outside != nil {
		t.Errorf("got %+v", a)
	}
	if diff := gocmp.Diff([]string{"3", "5"}, []string{m.Errors[0].ID, m.Errors[1].ID}); diff != "" {
		t.Errorf("errors: %s", diff)
	}
}

func TestMeasureOutside(t *testing.T) {
	table := newTable(t, "a", "b", "c")
	known, outside := small(t), []Outcome{
		{ID: "x", Decision: decide(table, 0, 0.8)}, {ID: "y", Decision: decide(table, 1, 0.35)}}
	for i := range known {
		known[i].Decision.Distance = float64(i)
	}
	outside[0].Decision.Distance, outside[1].Decision.Distance = 9, 2
	outside[1].Decision.Unsure = true
	m, err := Measure(table, known, outside)
	if err != nil {
		t.Fatal(err)
	}
	o := m.Outside
	// Confidence: 0.8 is stranger than 0.9 and ties with two of six; 0.35 than all.
	// Distance: 9 is stranger than all; 2 than two and ties with one.
	// Both: x is beyond all known distances, y below all known confidences.
	want := AUROC{Confidence: (2.0 + 6) / 12, Distance: (6 + 2.5) / 12, Both: 1}
	if !near(o.AUROC.Confidence, want.Confidence) || !near(o.AUROC.Distance, want.Distance) || !near(o.AUROC.Both, want.Both) {
		t.Errorf("got %+v, want %+v", o.AUROC, want)
	}
	if len(o.Accepted) != 1 || o.Accepted[0].ID != "x" || o.Unsure.Value != 0.5 {
		t.Errorf("got %+v", o)
	}
}

func TestMeasureRefuses(t *testing.T) {
	table := newTable(t, "a", "b", "c")
	change := func(f func(*Outcome)) []Outcome {
		s := small(t)
		f(&s[1])
		return s
	}
	tests := []struct {
		known, outside []Outcome
		want           string
	}{
		{nil, nil, "no images to measure"},
		{change(func(o *Outcome) { o.Expected = "z" }), nil, `image 2: expected expert "z" is not in the table`},
		{change(func(o *Outcome) { o.Expected = "" }), nil, `expected expert ""`},
		{change(func(o *Outcome) { o.Decision.Expert = "z" }), nil, `decision for expert "z"`},
		{small(t), change(func(o *Outcome) { o.Decision.Probs = nil }), "want 3 finite probabilities"},
		{change(func(o *Outcome) { o.Decision.Distance = math.NaN() }), nil, "distance NaN"},
	}
	for _, tt := range tests {
		if _, err := Measure(table, tt.known, tt.outside); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
	m, err := Measure(table, change(func(o *Outcome) { o.Decision.Expert = "" }), nil)
	if err != nil || m.Unusable != 1 || m.Correct != 3 || len(m.Errors) != 3 {
		t.Errorf("got %+v, %v", m, err)
	}
}

// TestBins checks that every image is in one bin of each kind, and in the right
// one.
func TestBins(t *testing.T) {
	table := newTable(t, sevenExperts...)
	for seed := range uint64(20) {
		known := outcomes(table, seed, 1+int(seed)*13, false)
		for i := range known {
			if seed%2 == 0 { // many ties
				known[i].Decision.Confidence = math.Round(known[i].Decision.Confidence*10) / 10
			}
		}
		c := calibration(known)
		checkBins(t, c.Equal, len(known), c.Accuracy)
		checkBins(t, c.Mass, len(known), c.Accuracy)
	}
}

// checkBins checks bins of n images.
func checkBins(t *testing.T, bins []Bin, n int, accuracy float64) {
	t.Helper()
	count, right := 0, 0.0
	for _, b := range bins {
		count += b.Count
		right += b.Accuracy * float64(b.Count)
		if b.Confidence < b.Low-1e-9 || b.Confidence > b.High+1e-9 {
			t.Errorf("mean confidence %v in the bin from %v to %v", b.Confidence, b.Low, b.High)
		}
	}
	if count != n || !near(right/float64(count), accuracy) || len(bins) > Bins {
		t.Errorf("%d images in %d bins, want %d", count, len(bins), n)
	}
}

func TestAurocCountsPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 3).Filter(func(v float64) bool { return !math.IsNaN(v) }), 1, 40)
		low, high := values.Draw(t, "low"), values.Draw(t, "high")
		if rapid.Bool().Draw(t, "ties") {
			for i := range low {
				low[i] = math.Floor(low[i])
			}
			for i := range high {
				high[i] = math.Floor(high[i])
			}
		}
		wins := 0.0
		for _, a := range low {
			for _, b := range high {
				wins += 0.5 + 0.5*float64(cmp.Compare(b, a))
			}
		}
		if got, want := Auroc(low, high), wins/float64(len(low)*len(high)); !near(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// atLeastAsUneven counts the sequences of n tosses that fall at least as
// unevenly as a heads.
func atLeastAsUneven(n, a int) int {
	count := 0
	for tosses := range uint(1) << n {
		if heads := bits.OnesCount(tosses); max(heads, n-heads) >= max(a, n-a) {
			count++
		}
	}
	return count
}

// TestSignTest enumerates every sequence of up to 14 tosses.
func TestSignTest(t *testing.T) {
	for n := range 15 {
		for a := range n + 1 {
			count := atLeastAsUneven(n, a)
			if got, want := SignTest(a, n-a), float64(count)/float64(int(1)<<n); got != want {
				t.Errorf("%d to %d: got %v, want %v", a, n-a, got, want)
			}
		}
	}
	// Exact values: 2·(1 + 2000 + 2000·1999/2)/2²⁰⁰⁰ is below the smallest
	// number; 1,000,000 tosses with 501,000 heads lie two deviations out.
	if got := SignTest(1998, 2); got != 0 {
		t.Errorf("got %v, want 0", got)
	}
	if got := SignTest(499000, 501000); math.Abs(got-0.04560) > 1e-4 {
		t.Errorf("got %v, want about 0.0456", got)
	}
}

func TestCompare(t *testing.T) {
	a, b := small(t), small(t)
	b[0].Decision.Expert, b[2].Decision.Expert, b[4].Decision.Expert = "c", "a", "b"
	slices.Reverse(b)
	c, err := Compare("one", a, "two", b)
	if err != nil {
		t.Fatal(err)
	}
	want := Comparison{A: "one", B: "two", Total: 6, BothRight: 3, OnlyA: 1, OnlyB: 2, P: 1, OnlyAExample: "1", OnlyBExample: "3"}
	if *c != want {
		t.Errorf("got %+v, want %+v", *c, want)
	}
	b[0].Expected = "a"
	_, err = Compare("one", a, "two", b)
	if err == nil || !strings.Contains(err.Error(), `sample 6 belongs to "b" in one and "a" in the other`) {
		t.Errorf("got %v", err)
	}
	b[0].ID = "7"
	if _, err = Compare("one", a, "two", b); err == nil || !strings.Contains(err.Error(), "sample 6 is missing") {
		t.Errorf("got %v", err)
	}
	if _, err = Compare("one", a[1:], "two", b); err == nil || !strings.Contains(err.Error(), "5 and 6 samples") {
		t.Errorf("got %v", err)
	}
}

// checkKeys checks that an object has all of the keys.
func checkKeys(t *testing.T, what string, object map[string]any, keys string) {
	t.Helper()
	for _, key := range strings.Fields(keys) {
		if _, ok := object[key]; !ok {
			t.Errorf("%s has no %s", what, key)
		}
	}
}

func TestJSON(t *testing.T) {
	r := sampleReport(t)
	text, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	checkKeys(t, "report", got, `run_name dataset_name manifest_name checkpoint checkpoint_step eval_mode eval_samples
		max_samples_per_expert timestamp accuracy results errors confusion confidence router_spec images_missing
		duration_seconds split seen_in_training`)
	checkKeys(t, "error", got["errors"].([]any)[0].(map[string]any),
		"expected predicted correct expected_label predicted_label raw_output")
	var back Report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := back.JSON()
	if err != nil || !bytes.Equal(again, text) {
		t.Errorf("report changed on its way through JSON: %v", err)
	}
	if got, want := r.Line(), "Overall Accuracy: 161/175 (92.0%)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTextKeepsTheWidth also looks for what a terminal would obey.
func TestTextKeepsTheWidth(t *testing.T) {
	r := sampleReport(t)
	r.RunName, r.Errors[0].Image = "evil\x1b[2J"+strings.Repeat("long", 30), "a\nb\x07.png"
	for _, width := range []int{60, 80, 132} {
		var out bytes.Buffer
		if err := r.WriteText(&out, TextOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if utf8.RuneCountInString(line) > width || strings.ContainsAny(line, "\x1b\x07") {
				t.Errorf("width %d: got %q", width, line)
			}
		}
	}
	var out bytes.Buffer
	if err := r.WriteText(&out, TextOptions{Colour: true}); err != nil || !strings.Contains(out.String(), "\x1b[1m") {
		t.Errorf("no bold titles in colour: %v", err)
	}
}

// TestHTMLIsSafe puts mark-up and broken pictures where data comes from files.
func TestHTMLIsSafe(t *testing.T) {
	r := sampleReport(t)
	r.RunName = `<script>alert(1)</script>`
	r.Errors[0].Image = `"><img src=x onerror=alert(1)>`
	r.Comparison, r.Outside, r.Ways = nil, nil, nil
	var out bytes.Buffer
	files := func(name string) ([]byte, error) {
		if strings.HasSuffix(name, "17.png") {
			return []byte("no picture"), nil
		}
		return nil, errors.New("image is gone")
	}
	if err := r.WriteHTML(&out, HTMLOptions{Picture: files}); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for _, bad := range []string{"<script", "<img src=x", "ZgotmplZ", "NaN", "http://", "https://"} {
		if strings.Contains(page, bad) {
			t.Errorf("page contains %q", bad)
		}
	}
	if !strings.Contains(page, "no picture: image is gone") {
		t.Error("a missing picture is not named")
	}
}

// TestPerfectReport has no errors, one class, and confidence 1.
func TestPerfectReport(t *testing.T) {
	table := newTable(t, "only")
	d := decide(newTable(t, "only", "other"), 0, 1)
	d.Probs = d.Probs[:1]
	known := []Outcome{{ID: "1", Expected: "only", Decision: d}}
	m, err := Measure(table, known, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.Calibration.ECE != 0 || m.Risk.AURC != 0 || m.NLL != 0 {
		t.Errorf("got %+v", m)
	}
	r := NewReport(Run{RunName: "perfect"}, table, m, known, nil, nil, nil)
	var out bytes.Buffer
	if err := r.WriteHTML(&out, HTMLOptions{}); err != nil || strings.Contains(out.String(), "NaN") {
		t.Errorf("page of a perfect router: %v", err)
	}
}

// TestShuffleChangesNothing: metrics do not depend on the order of samples.
func TestShuffleChangesNothing(t *testing.T) {
	table := newTable(t, sevenExperts...)
	known, outside := outcomes(table, 9, 120, false), outcomes(table, 10, 30, true)
	a, err := Measure(table, known, outside)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	r.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
	b, err := Measure(table, known, outside)
	if err != nil {
		t.Fatal(err)
	}
	if a.Accuracy != b.Accuracy || !near(a.Calibration.ECE, b.Calibration.ECE) || !near(a.Risk.AURC, b.Risk.AURC) ||
		a.Outside.AUROC != b.Outside.AUROC || a.Accepted != b.Accepted {
		t.Errorf("got %+v, want %+v", b, a)
	}
}
