package train

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Normalise names what the loss of a step is a mean of.
type Normalise string

// The rules of normalisation. Both look at all examples of a step, however
// many passes the step takes.
const (
	// TokenMean is the mean over all supervised tokens, weighted by their weights
	// and those of their examples. It is what "" means.
	TokenMean Normalise = "token-mean"
	// SampleMean is the mean over the examples, weighted likewise, of each one's
	// mean over its supervised tokens.
	SampleMean Normalise = "sample-mean"
)

// Options holds the settings of a run. A field that is 0 or empty means the
// default in its comment. All but SaveEvery decide what the run computes; a run
// can be continued only with the same ones.
type Options struct {
	Steps         int              // optimizer steps, 1000
	BatchExamples int              // examples per step, 16
	PassTokens    int              // tokens per forward pass, shared ones counted once, 4096; a longer example has a pass of its own
	Rate          float64          // peak learning rate, 1e-4
	Warmup        int              // steps of linear warm-up, 3 % of Steps; negative for none
	Shape         Shape            // of the rate after the warm-up, Cosine
	Normalise     Normalise        // TokenMean
	Optimizer     OptimizerOptions // of AdamW and of clipping
	Seed          uint64           // of the order of the examples
	SaveEvery     int              // steps between checkpoints, 20
	EvalEvery     int              // steps between evaluations, 20; for a Trainer with Evaluate
	Patience      int              // evaluations in a row without gain that end the run; 0 for no early stop
	MinGain       float64          // how much lower than the best a loss must be to be a gain, in nats

	// Settings holds what else must be the same for a run to be continued, by
	// name: digests of the base model, of the data, the rank of the adapter.
	Settings map[string]string
}

// withDefaults returns o with defaults filled in.
func (o Options) withDefaults() Options {
	setDefault(&o.Steps, 1000)
	setDefault(&o.BatchExamples, 16)
	setDefault(&o.PassTokens, 4096)
	setDefault(&o.Rate, 1e-4)
	setDefault(&o.Warmup, o.Steps*3/100)
	setDefault(&o.SaveEvery, 20)
	setDefault(&o.EvalEvery, 20)
	o.Warmup = max(0, o.Warmup)
	if o.Shape == "" {
		o.Shape = Cosine
	}
	if o.Normalise == "" {
		o.Normalise = TokenMean
	}
	o.Optimizer = o.Optimizer.withDefaults()
	return o
}

// schedule returns the learning rates of the run.
func (o Options) schedule() Schedule {
	return Schedule{Shape: o.Shape, Peak: o.Rate, Warmup: o.Warmup, Steps: o.Steps}
}

// check returns an error if a setting, defaults filled in, is out of range.
func (o Options) check() error {
	for _, s := range []struct {
		name  string
		value int
	}{{"steps", o.Steps}, {"examples per step", o.BatchExamples}, {"tokens per pass", o.PassTokens}, {"steps between checkpoints", o.SaveEvery}, {"steps between evaluations", o.EvalEvery}} {
		if s.value < 1 {
			return fmt.Errorf("%s: %d, want at least 1", s.name, s.value)
		}
	}
	if o.Normalise != TokenMean && o.Normalise != SampleMean {
		return fmt.Errorf("normalise %q, want %q or %q", o.Normalise, TokenMean, SampleMean)
	}
	return cmp.Or(o.schedule().check(), o.Optimizer.check())
}

// settings returns, by name, everything that a continued run must share with
// the run that wrote a checkpoint. Numbers are written so that they read back
// exactly.
func (o Options) settings(examples int) map[string]string {
	float := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	all := map[string]string{
		"steps":          strconv.Itoa(o.Steps),
		"batch_examples": strconv.Itoa(o.BatchExamples),
		"pass_tokens":    strconv.Itoa(o.PassTokens),
		"rate":           float(o.Rate),
		"warmup":         strconv.Itoa(o.Warmup),
		"shape":          string(o.Shape),
		"normalise":      string(o.Normalise),
		"beta1":          float(o.Optimizer.Beta1),
		"beta2":          float(o.Optimizer.Beta2),
		"eps":            float(o.Optimizer.Eps),
		"decay":          float(o.Optimizer.Decay),
		"clip_norm":      float(o.Optimizer.ClipNorm),
		"eval_every":     strconv.Itoa(o.EvalEvery),
		"patience":       strconv.Itoa(o.Patience),
		"min_gain":       float(o.MinGain),
		"seed":           strconv.FormatUint(o.Seed, 10),
		"examples":       strconv.Itoa(examples),
		"packing":        packing,
	}
	for name, value := range o.Settings {
		all[callerPrefix+name] = value
	}
	return all
}

// packing names how the examples of a pass are laid out. It is a setting,
// because another layout sums in another order.
const packing = "forest"

// callerPrefix keeps the names of Options.Settings apart from ours.
const callerPrefix = "run."

// digest returns the SHA-256 of all names and values.
func digest(settings map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(h, "%q=%q\n", name, settings[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// difference returns an error that names the settings that differ, nil if none
// does.
func difference(was, is map[string]string) error {
	names := map[string]string{}
	maps.Copy(names, was)
	maps.Copy(names, is)
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, had := was[name]
		now, has := is[name]
		if had != has || old != now {
			lines = append(lines, fmt.Sprintf("%s was %s, is %s", strings.TrimPrefix(name, callerPrefix), shown(old, had), shown(now, has)))
		}
	}
	if lines == nil {
		return nil
	}
	return fmt.Errorf("other settings than the run was begun with: %s", strings.Join(lines, "; "))
}

// shown returns a setting for a message.
func shown(value string, present bool) string {
	if !present {
		return "not set"
	}
	return strconv.Quote(value)
}
