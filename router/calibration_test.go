package router

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

// checkErr checks that an error says what is wanted.
func checkErr(t *testing.T, name string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got %v, want %q", name, err, want)
	}
}

// known returns n images of k classes with noisy logits, hidden states and
// features.
func known(seed uint64, n, k int) []Known {
	r := rand.New(rand.NewPCG(seed, 9))
	hidden, pooled := clouds(seed, n, 12, k, 1.5), clouds(seed+1000, n, 20, k, 1)
	out := make([]Known, n)
	for i := range out {
		out[i] = Known{Class: i % k, Evidence: Evidence{Hidden: hidden.X[i], Pooled: pooled.X[i]}}
		for c := range k {
			l := 3 * r.NormFloat64()
			if c == i%k {
				l += 8
			}
			out[i].Logits = append(out[i].Logits, l)
		}
	}
	return out
}

func TestTemperatureIsTheMinimum(t *testing.T) {
	images := known(3, 90, 4)
	got := FitTemperature(images)
	best, bestLoss := 0.0, math.Inf(1)
	for temperature := 0.05; temperature < 10; temperature *= 1.002 {
		if loss := plattLoss(images, temperature); loss < bestLoss {
			best, bestLoss = temperature, loss
		}
	}
	if math.Abs(got/best-1) > 0.003 {
		t.Errorf("got %v, want %v", got, best)
	}
}

// plattLoss is the loss of FitTemperature, written out.
func plattLoss(images []Known, temperature float64) float64 {
	loss := 0.0
	for _, k := range images {
		p := Softmax(make([]float64, len(k.Logits)), k.Logits, temperature)
		miss := 1 / float64(len(images)+2)
		for c := range p {
			target := miss / float64(len(p)-1)
			if c == k.Class {
				target = 1 - miss
			}
			loss -= target * math.Log(p[c])
		}
	}
	return loss
}

func TestTemperatureOfFewImages(t *testing.T) {
	if got := FitTemperature(nil); got != 1 {
		t.Errorf("no images: got %v, want 1", got)
	}
	right := []Known{{Evidence: Evidence{Logits: []float64{5, 0}}}}
	// One right image of two classes counts 2/3: 5/T = ln 2.
	if got, want := FitTemperature(right), 5/math.Ln2; math.Abs(got-want) > 1e-9 {
		t.Errorf("one right image: got %v, want %v", got, want)
	}
	right[0].Class = 1
	if got := FitTemperature(right); math.Abs(got-maxTemperature) > 1e-6 {
		t.Errorf("one wrong image: got %v, want the largest", got)
	}
}

func TestSoftmaxProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := rapid.SliceOfN(rapid.Float64Range(-1e3, 1e3), 1, 12).Draw(t, "logits")
		temperature := rapid.Float64Range(minTemperature, maxTemperature).Draw(t, "temperature")
		p := Softmax(make([]float64, len(logits)), logits, temperature)
		sum := 0.0
		for _, v := range p {
			sum += v
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("sum %v", sum)
		}
		if best := argmax(logits); p[best] != slices.Max(p) { // rounding may make others equal
			t.Errorf("%v makes %v", logits, p)
		}
	})
}

// TestMahalanobis compares with the inverse of the shrunk covariance, once with
// more vectors than features and once with fewer.
func TestMahalanobis(t *testing.T) {
	for _, n := range []int{60, 7} {
		e := clouds(1, n, 10, 2, 1)
		m, err := fitMahalanobis(e, 2)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.distance([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
		if err != nil {
			t.Fatal(err)
		}
		if want := slowMahalanobis(t, e, []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}); math.Abs(got/want-1) > 1e-5 {
			t.Errorf("%d vectors: got %v, want %v", n, got, want)
		}
	}
}

// slowMahalanobis is the distance for two classes, with all axes, by inversion.
func slowMahalanobis(t *testing.T, e Examples, x []float64) float64 {
	t.Helper()
	means, _ := classMeans(e, 2)
	scale := withinScale(e, means)
	width := len(x)
	s := mat.NewSymDense(width, nil)
	fourth := 0.0
	for i, v := range e.X {
		z := mat.NewVecDense(width, nil)
		for j := range v {
			z.SetVec(j, (v[j]-means[e.Class[i]][j])/scale[j])
		}
		s.SymRankOne(s, 1/float64(len(e.X)), z)
		fourth += math.Pow(mat.Dot(z, z), 2) / float64(len(e.X))
	}
	mean, square := mat.Trace(s)/float64(width), mat.Norm(s, 2)*mat.Norm(s, 2)
	share := (fourth - square) / float64(len(e.X)) / (square - float64(width)*mean*mean)
	share = math.Max(minShrinkage, math.Min(1, share))
	s.ScaleSym(1-share, s)
	for j := range width {
		s.SetSym(j, j, s.At(j, j)+share*mean)
	}
	var inverse mat.Dense
	if err := inverse.Inverse(s); err != nil {
		t.Fatal(err)
	}
	best := math.Inf(1)
	for _, m := range means {
		z := mat.NewVecDense(width, nil)
		for j := range x {
			z.SetVec(j, (x[j]-m[j])/scale[j])
		}
		best = math.Min(best, mat.Inner(z, &inverse, z))
	}
	return math.Sqrt(best / float64(width))
}

func TestThresholds(t *testing.T) {
	s := make([]scored, 19) // confidences 0.05 to 0.95, distances 1.9 down to 0.1
	for i := range s {
		s[i] = scored{confidence: float64(i+1) / 20, distance: float64(19-i) / 10, right: true}
	}
	wrong := append([]scored(nil), s...)
	wrong[10].right = false // confidence 0.55
	tied := append([]scored(nil), s...)
	for i := range 3 {
		tied[i].confidence = 0.05
	}
	tests := []struct {
		name           string
		s              []scored
		distance       bool
		maxError       float64
		maxFalseAlarm  float64
		wantConfidence float64
		wantDistance   float64
		wantRejected   int
	}{
		// 5 % of 20: one image, the least confident and the farthest in one.
		{"one", s, true, -1, 0.05, 0.05, 1.9, 0},
		{"two", s, true, -1, 0.1, 0.1, 1.8, 1},
		{"too few", s, true, -1, 0.049, 0, 0, 0},
		{"no distance", s, false, -1, 0.1, 0.1, 0, 1},
		{"none", s, true, -1, 0, 0, 0, 0},
		{"ties go together", tied, false, -1, 0.1, 0, 0, 0},
		{"ties fit", tied, false, -1, 0.15, 0.05, 0, 0},
		// 8 accepted above the error: (0+1)/(8+1) = 0.11.
		{"error", wrong, false, 0.112, 0, 0.05, 0, 0},
		{"error kept by no bound", wrong, false, 0.06, 0, 0.05, 0, 0},
		{"strict error", wrong, false, 0.01, 0, 0.6, 0, 11},
	}
	for _, tt := range tests {
		c, d, f := fitThresholds(tt.s, tt.distance, Options{MaxError: tt.maxError, MaxFalseAlarm: tt.maxFalseAlarm})
		if c != tt.wantConfidence || d != tt.wantDistance || f.Rejected != tt.wantRejected {
			t.Errorf("%s: got confidence %v, distance %v, %d rejected, want %v, %v, %d", tt.name, c, d, f.Rejected,
				tt.wantConfidence, tt.wantDistance, tt.wantRejected)
		}
	}
}

// rejected returns how many of n draws the thresholds reject.
func rejected(draw func() scored, n int, minConfidence, maxDistance float64) int {
	count := 0
	for range n {
		if !accepts(draw(), minConfidence, maxDistance) {
			count++
		}
	}
	return count
}

// TestFalseAlarmRate draws validation and test images alike, many times: the
// share of unsure ones among the latter must keep the rate.
func TestFalseAlarmRate(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	draw := func() scored { return scored{confidence: r.Float64(), distance: r.Float64(), right: true} }
	for _, rate := range []float64{0.05, 0.2} {
		alarms := 0
		for range 400 {
			s := make([]scored, 79)
			for i := range s {
				s[i] = draw()
			}
			c, d, _ := fitThresholds(s, true, Options{MaxError: -1, MaxFalseAlarm: rate})
			alarms += rejected(draw, 50, c, d)
		}
		got := float64(alarms) / (400 * 50)
		if got > rate+0.005 || got < rate/2 {
			t.Errorf("rate %v: got %v", rate, got)
		}
	}
}

func TestDecide(t *testing.T) {
	table := newTable(t, 3)
	c := &Calibration{Temperature: 2, MinConfidence: 0.6}
	evidence := Evidence{Logits: []float64{0, 2 * math.Log(2), 0}} // 1/4, 1/2, 1/4
	d := c.Decide(table, evidence)
	if d.Expert != "b" || d.Label != 10 || math.Abs(d.Confidence-0.5) > 1e-12 {
		t.Errorf("got %+v", d)
	}
	for _, tt := range []struct {
		threshold float64
		want      string
	}{{0.6, "confidence 0.50 below 0.60"}, {0.5004, "confidence 0.5000 below 0.5004"}, {0.5 - 1e-12, ""}} {
		c.MinConfidence = tt.threshold
		if d = c.Decide(table, evidence); d.Reason != tt.want || d.Unsure != (tt.want != "") {
			t.Errorf("got %v %q, want %q", d.Unsure, d.Reason, tt.want)
		}
	}
}

func TestDecideOnUnusableEvidence(t *testing.T) {
	table := newTable(t, 3)
	c := &Calibration{Temperature: 2}
	for _, logits := range [][]float64{nil, {1, 2}, {1, math.NaN(), 2}, {1, 2, math.Inf(1)}} {
		d := c.Decide(table, Evidence{Logits: logits})
		if d.Expert != "" || d.Label != -1 || !d.Unsure || d.Reason == "" || math.Abs(d.Probs[0]-1.0/3) > 1e-15 {
			t.Errorf("logits %v: got %+v", logits, d)
		}
	}
}

func TestCalibrate(t *testing.T) {
	table := newTable(t, 4)
	for _, train := range [][]Known{nil, known(1, 200, 4)} {
		c, err := Calibrate(table, LoRA, Pooled, train, known(2, 120, 4), Options{MaxFalseAlarm: 0.1})
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseCalibration(toJSON(t, c), table)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(toJSON(t, back), toJSON(t, c)) {
			t.Error("calibration changed on its way through JSON")
		}
		checkUnsure(t, back, len(train))
		for _, tt := range []struct {
			evidence Evidence
			want     string
		}{
			{Evidence{}, "no hidden vector"},
			{Evidence{Hidden: make([]float64, 12)}, "0 features"},
			{Evidence{Hidden: make([]float64, 3), Pooled: make([]float64, 20)}, "3 numbers"},
		} {
			tt.evidence.Logits = make([]float64, 4)
			if d := c.Decide(table, tt.evidence); !d.Unsure || !strings.Contains(d.Reason, tt.want) {
				t.Errorf("got %q, want %q", d.Reason, tt.want)
			}
		}
	}
}

// checkUnsure counts how many fresh images c is unsure of, and how many of the
// same with the vectors of something else it finds too far away.
func checkUnsure(t *testing.T, c *Calibration, train int) {
	t.Helper()
	table := newTable(t, 4)
	alarms, strange := 0, 0
	for _, k := range known(5, 200, 4) {
		if c.Decide(table, k.Evidence).Unsure {
			alarms++
		}
		k.Hidden, k.Pooled = clouds(77, 1, 12, 1, 9).X[0], clouds(78, 1, 20, 1, 9).X[0]
		if d := c.Decide(table, k.Evidence); d.Unsure && strings.Contains(d.Reason, "distance ") {
			strange++
		}
	}
	if alarms > 40 || strange < 190 {
		t.Errorf("%d training images: %d of 200 known and %d of 200 strange ones unsure", train, alarms, strange)
	}
}

func TestCalibrateWithLittle(t *testing.T) {
	table := newTable(t, 3)
	for _, n := range []int{1, 2, 3, 7} {
		val := known(3, n, 3)
		c, err := Calibrate(table, Linear, Pooled, nil, val, Options{})
		if err != nil {
			t.Fatalf("%d images: %v", n, err)
		}
		if _, err := ParseCalibration(toJSON(t, c), table); err != nil {
			t.Errorf("%d images: %v", n, err)
		}
	}
	bare := []Known{{Evidence: Evidence{Logits: []float64{1, 2, 3}}, Class: 2}}
	if c, err := Calibrate(table, LoRA, Pooled, nil, bare, Options{}); err != nil || c.Distance != nil {
		t.Errorf("got %+v, %v", c, err)
	}
	_, err := Calibrate(table, LoRA, Pooled, known(3, 4, 3), bare, Options{})
	checkErr(t, "mixed", err, "training image 0: hidden state of 12 numbers, want 0")
	_, err = Calibrate(table, LoRA, Pooled, nil, nil, Options{})
	checkErr(t, "none", err, "no validation images")
}

func TestCalibratedLoss(t *testing.T) {
	images := []Known{
		{Evidence{Logits: []float64{0, 0}}, 1},               // log 2
		{Evidence{Logits: []float64{2 * math.Log(3), 0}}, 0}, // log 4/3
	}
	if got, want := calibratedLoss(images, 2), (math.Log(2)+math.Log(4.0/3))/2; math.Abs(got-want) > 1e-12 {
		t.Errorf("got %v, want %v", got, want)
	}
}
