package stage

import (
	"errors"
	"fmt"
	"math"

	"mole/router"
	"mole/train"
)

// Settings are the numbers of a training run. The zero value of a field means
// that the preset decides.
type Settings struct {
	Preset   string          `json:"preset"`   // "tiny", "assembled", "linked", "fast"
	Rung     router.Rung     `json:"rung"`     // auto
	Features router.Features `json:"features"` // frozen features of the heads; pooled+colour
	Targets  string          `json:"targets"`  // preset of package lora: text

	Rank        int `json:"lora_rank"`
	Alpha       int `json:"lora_alpha"`
	VisionRank  int `json:"vision_lora_rank"`
	VisionAlpha int `json:"vision_lora_alpha"`

	Batch        int         `json:"batch_size"` // examples of a pass, for the record; passes are cut by tokens
	Accumulation int         `json:"gradient_accumulation_steps"`
	Rate         float64     `json:"learning_rate"`
	Shape        train.Shape `json:"scheduler"`
	Warmup       int         `json:"warmup_steps"` // the preset's is cut to Steps; negative: none
	Decay        float64     `json:"weight_decay"` // negative: none
	ClipNorm     float64     `json:"max_grad_norm"`

	Epochs     int     `json:"epochs"` // bound a run that has no Steps; 1000
	Steps      int     `json:"max_steps"`
	EvalEvery  int     `json:"eval_steps"`
	SaveEvery  int     `json:"save_steps"`
	Patience   int     `json:"patience"` // 0 decides nothing; negative: no early stop
	MinGain    float64 `json:"min_gain"`
	TrainMax   int     `json:"train_max_samples"` // of the training set, balanced; 0 for all
	EvalMax    int     `json:"eval_max_samples"`  // of validation during training, balanced; negative for all
	PassTokens int     `json:"pass_tokens"`       // of a pass, at most; 0: as many as fit into the memory, up to 4096
	// PerPicture is how many samples about one picture follow each other in the
	// training of an expert, at most: they share its computation.
	PerPicture int `json:"samples_per_picture,omitempty"` // 4; negative for an order that does not look
	// Loss weighs the tokens of an expert's answers; routers have none.
	Loss LossWeights `json:"loss_weights,omitzero"`

	Seed          uint64  `json:"seed"`
	ShuffleLabels bool    `json:"shuffle_labels"` // control run: labels without meaning
	MaxError      float64 `json:"max_error"`      // of Calibrate
	MaxFalseAlarm float64 `json:"max_false_alarm"`
}

// Tuned are the values that follow from the size of the training set
// (specification mole, 8.2).
type Tuned struct {
	Rank, Alpha, VisionRank, VisionAlpha int
	Batch, Accumulation                  int
	Rate                                 float64
	Patience                             int
}

// AutoTune returns the values for n training samples.
func AutoTune(n int) (Tuned, error) {
	if n < 1 {
		return Tuned{}, errors.New("empty training set")
	}
	exponent := math.RoundToEven(math.Log2(float64(n) / (150 * 3)))
	rank := int(math.Pow(2, min(max(exponent, 1), 5)))
	t := Tuned{Rank: rank, Alpha: 2 * rank, VisionRank: max(1, rank/2), Patience: 3}
	t.VisionAlpha = 2 * t.VisionRank
	switch {
	case n < 5000:
		t.Batch = 1
	case n < 50000:
		t.Batch = 2
	default:
		t.Batch = 4
	}
	t.Accumulation = max(1, 16/t.Batch)
	t.Rate = min(max(1e-4*math.Sqrt(4/float64(rank)), 2e-5), 1e-4)
	return t, nil
}

// presets are the values of each preset that do not follow from the size of
// the set.
var presets = map[string]Settings{
	// What did best on validation data with the embedded network: twice the rate
	// and the steps of DESIGN 7.
	"tiny": {
		Targets: "text", Rank: 16, Alpha: 32, VisionRank: 8, VisionAlpha: 16, Batch: 8, Accumulation: 1, Rate: 2e-3, Shape: train.Cosine, Warmup: 10,
		Decay: 0, ClipNorm: 1, Steps: 400, EvalEvery: 50, SaveEvery: 50, Patience: -1, EvalMax: 70,
	},
	// The predecessor's route A (specification mole, 8.5).
	"assembled": {
		Targets: "full", Shape: train.Constant, Warmup: 10, Decay: 0.01, ClipNorm: 0.3, EvalEvery: 20, SaveEvery: 20, MinGain: 0.0005, EvalMax: 280,
	},
	// The predecessor's route B (8.5 and 8.7); the warm-up is linkedWarmup.
	"linked": {
		Targets: "text", Rank: 64, Alpha: 128, Batch: 1, Accumulation: 8, Rate: 2e-4, Shape: train.Cosine, Decay: 0.01, ClipNorm: 1,
		Epochs: 3, EvalEvery: 20, SaveEvery: 20, Patience: 5, EvalMax: 280, Seed: 42,
	},
	// A smoke test: one evaluation, one checkpoint, no early stop (5.0).
	"fast": {
		Targets: "text", Shape: train.Constant, Warmup: 10, Decay: 0.01, ClipNorm: 0.3, Steps: 20, EvalEvery: 20, SaveEvery: 20, Patience: -1, EvalMax: 70,
	},
}

// linkedWarmup is the share of the steps that the preset linked warms up in.
const linkedWarmup = 0.03

// epochs bounds a run that names neither steps nor epochs: early stop ends it
// long before.
const epochs = 1000

// Resolve fills in what s leaves open: from its preset, then from the size of
// the training set, n samples.
func (s Settings) Resolve(n int) (Settings, error) {
	p, ok := presets[s.Preset]
	if !ok {
		return s, fmt.Errorf("preset %q, want tiny, assembled, linked or fast", s.Preset)
	}
	t, err := AutoTune(n)
	if err != nil {
		return s, err
	}
	if err := s.Loss.check(); err != nil {
		return s, fmt.Errorf("loss weights: %w", err)
	}
	for _, f := range []struct {
		value *int
		open  []int
	}{
		{&s.Rank, []int{p.Rank, t.Rank}}, {&s.Alpha, []int{p.Alpha, t.Alpha}},
		{&s.VisionRank, []int{p.VisionRank, t.VisionRank}}, {&s.VisionAlpha, []int{p.VisionAlpha, t.VisionAlpha}},
		{&s.Batch, []int{p.Batch, t.Batch}}, {&s.Accumulation, []int{p.Accumulation, t.Accumulation}},
		{&s.EvalEvery, []int{p.EvalEvery}}, {&s.SaveEvery, []int{p.SaveEvery}},
		{&s.Patience, []int{p.Patience, t.Patience}}, {&s.EvalMax, []int{p.EvalMax}}, {&s.PassTokens, []int{passTokens}},
	} {
		*f.value = first(*f.value, f.open...)
	}
	if s.Epochs == 0 {
		s.Epochs, s.Steps = first(p.Epochs, epochs), first(s.Steps, p.Steps)
	}
	perStep := s.Batch * s.Accumulation
	s.Steps = first(s.Steps, (s.Epochs*n+perStep-1)/perStep)
	if s.Preset == "linked" {
		p.Warmup = int(math.Ceil(linkedWarmup * float64(s.Steps)))
	}
	s.Warmup = first(s.Warmup, min(p.Warmup, s.Steps))
	s.Rate, s.Decay = first(s.Rate, p.Rate, t.Rate), first(s.Decay, p.Decay)
	s.ClipNorm, s.MinGain = first(s.ClipNorm, p.ClipNorm), first(s.MinGain, p.MinGain)
	s.MaxError, s.MaxFalseAlarm = first(s.MaxError, 0.05), first(s.MaxFalseAlarm, 0.05)
	s.Targets, s.Shape = first(s.Targets, p.Targets), first(s.Shape, p.Shape)
	s.Rung, s.Features = first(s.Rung, router.Auto), first(s.Features, router.PooledColour)
	s.Seed = first(s.Seed, p.Seed, 420)
	return s, nil
}

// first returns value or, if it is zero, the first of the others that is not.
func first[T comparable](value T, others ...T) T {
	var zero T
	for _, o := range others {
		if value == zero {
			value = o
		}
	}
	return value
}
