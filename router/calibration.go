package router

import (
	"fmt"
	"strconv"
	"strings"

	"mole/expert"
)

// Options say how careful a router has to be. The zero value of a field means
// the default in its comment.
type Options struct {
	MaxError      float64 // errors among accepted answers, as a share, 0.05; negative for any
	MaxFalseAlarm float64 // known screens that may come out as unsure, as a share, 0.05; negative for none
}

// withDefaults returns o with the defaults filled in.
func (o Options) withDefaults() Options {
	if o.MaxError == 0 {
		o.MaxError = 0.05
	}
	if o.MaxFalseAlarm == 0 {
		o.MaxFalseAlarm = 0.05
	}
	if o.MaxFalseAlarm < 0 {
		o.MaxFalseAlarm = 0
	}
	return o
}

// Calibration turns the evidence about an image into a decision. It belongs to
// one router and is kept beside it, as JSON. Make one with Calibrate or
// ParseCalibration. It is safe for concurrent use.
type Calibration struct {
	Version       int       `json:"version"`            // calibrationVersion
	Rung          Rung      `json:"rung"`               // of the router
	Experts       []string  `json:"experts"`            // in the order of the table
	Temperature   float64   `json:"temperature"`        // logits are divided by it
	MinConfidence float64   `json:"min_confidence"`     // a lower one is unsure; 0 for no threshold
	MaxDistance   float64   `json:"max_distance"`       // a greater one is unsure; 0 for no threshold
	Distance      *Distance `json:"distance,omitempty"` // nil if none is measured
	Fit           Fit       `json:"fit"`                // how the thresholds came about
}

// calibrationVersion is the version of the layout of Calibration.
const calibrationVersion = 1

// Fit says what the thresholds of a calibration did on the images that they
// were fitted on.
type Fit struct {
	Images          int     `json:"images"`
	Loss            float64 `json:"loss"`     // mean negative log-likelihood with the temperature, nats
	Rejected        int     `json:"rejected"` // unsure
	Errors          int     `json:"errors"`   // wrong among the accepted
	MaxError        float64 `json:"max_error"`
	MaxFalseAlarm   float64 `json:"max_false_alarm"`
	KeepsError      bool    `json:"keeps_error"`       // false if the images are too few, or too hard, to vouch for MaxError
	KeepsFalseAlarm bool    `json:"keeps_false_alarm"` // false if keeping MaxError cost more than MaxFalseAlarm
}

// Calibrate fits temperature, distance and thresholds on validation images that
// the router was not trained on. The statistics of the distance come from the
// training images; if train is empty, they come from val too, and what val
// is compared with is cross-fitted in five folds. Every image must have as many
// logits as t has experts, and the same vectors as the others; images without
// vectors give a calibration without a distance. f names the set that the
// pooled features belong to.
func Calibrate(t expert.Table, r Rung, f Features, train, val []Known, o Options) (*Calibration, error) {
	if err := checkKnown(t, r, f, train, val); err != nil {
		return nil, fmt.Errorf("calibrate: %w", err)
	}
	o = o.withDefaults()
	c := &Calibration{Version: calibrationVersion, Rung: r, Experts: t.Names(), Temperature: FitTemperature(val)}
	scores := make([]scored, len(val))
	for i, k := range val {
		probs := Softmax(make([]float64, len(t)), k.Logits, c.Temperature)
		best := argmax(probs)
		scores[i] = scored{confidence: probs[best], right: best == k.Class}
	}
	if space := spaceOf(val); space != "" {
		if err := c.fitDistance(t, f, space, train, val, scores); err != nil {
			return nil, fmt.Errorf("calibrate: %w", err)
		}
	}
	c.MinConfidence, c.MaxDistance, c.Fit = fitThresholds(scores, c.Distance != nil, o)
	c.Fit.Loss = calibratedLoss(val, c.Temperature)
	return c, nil
}

// fitDistance sets the statistics of the distance, and in scores the distance
// of every image of val.
func (c *Calibration) fitDistance(t expert.Table, f Features, space Space, train, val []Known, scores []scored) error {
	from := train
	if len(train) == 0 {
		from = val
	}
	d, err := fitDistance(t, f, space, from)
	if err != nil {
		return err
	}
	var parts [][]float64
	if len(train) == 0 {
		parts, err = heldOut(t, f, space, val)
	} else {
		parts, err = d.allParts(val)
	}
	if err != nil {
		return err
	}
	d.setTypical(parts)
	for i, p := range parts {
		scores[i].distance = d.join(p)
	}
	c.Distance = d
	return nil
}

// checkKnown refuses images that a calibration cannot be fitted on.
func checkKnown(t expert.Table, r Rung, f Features, train, val []Known) error {
	if _, err := ParseRung(string(r)); err != nil {
		return err
	}
	if _, err := ParseFeatures(string(f)); err != nil {
		return err
	}
	if len(t) == 0 {
		return fmt.Errorf("the table has no expert")
	}
	if len(val) == 0 {
		return fmt.Errorf("no validation images")
	}
	for _, set := range []struct {
		name  string
		known []Known
		// Training images are looked at for their vectors only.
		logits bool
	}{{"training", train, false}, {"validation", val, true}} {
		for i, k := range set.known {
			if err := checkImage(t, k, val[0], set.logits); err != nil {
				return fmt.Errorf("%s image %d: %w", set.name, i, err)
			}
		}
	}
	return nil
}

// checkImage refuses an image whose vectors are not like those of first.
func checkImage(t expert.Table, k, first Known, logits bool) error {
	switch {
	case k.Class < 0 || k.Class >= len(t):
		return fmt.Errorf("class %d, want 0 to %d", k.Class, len(t)-1)
	case logits && len(k.Logits) != len(t):
		return fmt.Errorf("%d logits for %d experts", len(k.Logits), len(t))
	case len(k.Hidden) != len(first.Hidden):
		return fmt.Errorf("hidden state of %d numbers, want %d", len(k.Hidden), len(first.Hidden))
	case len(k.Pooled) != len(first.Pooled):
		return fmt.Errorf("%d pooled features, want %d", len(k.Pooled), len(first.Pooled))
	case !finite(k.Logits) || !finite(k.Hidden) || !finite(k.Pooled):
		return fmt.Errorf("a number that is not finite")
	}
	return nil
}

// Decide returns the decision about one image; t is the table that c was made
// for. It never fails: evidence that c cannot use (a missing vector, a number
// that is not finite) gives an unsure decision that says so.
func (c *Calibration) Decide(t expert.Table, e Evidence) Decision {
	switch {
	case len(e.Logits) != len(t) || len(t) == 0:
		return unusable(t, fmt.Sprintf("%d logits for %d experts", len(e.Logits), len(t)))
	case !finite(e.Logits):
		return unusable(t, "a logit is not finite")
	}
	d := Decision{Probs: Softmax(make([]float64, len(t)), e.Logits, c.Temperature)}
	best := argmax(d.Probs)
	d.Expert, d.Label, d.Confidence = t[best].Name, t[best].Label, d.Probs[best]
	var reasons []string
	if d.Confidence < c.MinConfidence {
		reasons = append(reasons, against("confidence", d.Confidence, "below", c.MinConfidence))
	}
	if c.Distance != nil {
		var err error
		d.Distance, err = c.Distance.Of(e)
		switch {
		case err != nil:
			reasons = append(reasons, err.Error())
		case c.MaxDistance > 0 && d.Distance > c.MaxDistance:
			reasons = append(reasons, against("distance", d.Distance, "above", c.MaxDistance))
		}
	}
	d.Unsure, d.Reason = reasons != nil, strings.Join(reasons, ", ")
	return d
}

// unusable returns the decision about evidence that says nothing.
func unusable(t expert.Table, reason string) Decision {
	d := Decision{Label: -1, Probs: make([]float64, len(t)), Unsure: true, Reason: reason}
	for i := range d.Probs {
		d.Probs[i] = 1 / float64(len(t))
	}
	return d
}

// against returns "name got relation limit", with as many decimals, two at
// least, as it takes to tell the numbers apart.
func against(name string, got float64, relation string, limit float64) string {
	for digits := 2; ; digits++ {
		a, b := strconv.FormatFloat(got, 'f', digits, 64), strconv.FormatFloat(limit, 'f', digits, 64)
		if a != b || digits == 9 {
			return name + " " + a + " " + relation + " " + b
		}
	}
}
