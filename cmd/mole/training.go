package main

import (
	"mole/router"
	"mole/stage"
	"mole/train"
)

// trainFlags say how a router is trained.
type trainFlags struct {
	Fast            bool    `help:"A smoke test: 20 steps, one evaluation, no early stop."`
	Test            bool    `help:"A trial on little data: 64 samples to train on, 16 to validate, as many of each expert."`
	Preset          string  `enum:",tiny,assembled,linked,fast" default:"" placeholder:"NAME" help:"tiny, assembled, linked or fast. Default: tiny with the network inside the program, else linked for a manifest, assembled for a routing set."`
	Rung            string  `enum:"auto,lora,linear,prototype" default:"auto" placeholder:"NAME" help:"How the router decides: lora, linear, prototype, or auto for the one that does best on validation data. Default: auto."`
	TargetPreset    string  `enum:",text,full,reference" default:"" placeholder:"NAME" help:"Where adapters go: text, full or reference. Default: the preset's."`
	LoraRank        int     `placeholder:"N" help:"Rank of the adapter. Default: by the size of the set."`
	LoraAlpha       int     `placeholder:"N" help:"Alpha of the adapter. Default: twice the rank."`
	VisionLoraRank  int     `placeholder:"N" help:"Rank in the vision tower. Default: half the rank."`
	VisionLoraAlpha int     `placeholder:"N" help:"Alpha in the vision tower. Default: twice its rank."`
	LearningRate    float64 `placeholder:"R" help:"Peak learning rate."`
	Scheduler       string  `enum:",constant,cosine,linear" default:"" placeholder:"NAME" help:"Learning rate after the warm-up: constant, cosine or linear."`
	WarmupSteps     int     `placeholder:"N" help:"Steps of linear warm-up; negative for none."`
	WeightDecay     float64 `placeholder:"R" help:"Decoupled weight decay; negative for none."`
	MaxGradNorm     float64 `placeholder:"R" help:"Gradients are clipped to this norm."`
	BatchSize       int     `placeholder:"N" help:"Examples of a pass."`
	Accumulation    int     `name:"gradient-accumulation-steps" placeholder:"N" help:"Passes of a step."`
	Epochs          int     `placeholder:"N" help:"Rounds over the set, where --max-steps does not say."`
	MaxSteps        int     `placeholder:"N" help:"Steps of the run."`
	EvalSteps       int     `placeholder:"N" help:"Steps between evaluations."`
	EvalMaxSamples  int     `placeholder:"N" help:"Validation samples of an evaluation, as many of each expert; negative for all."`
	SaveSteps       int     `placeholder:"N" help:"Steps between checkpoints."`
	Patience        int     `placeholder:"N" help:"Evaluations without gain that end the run; negative for no early stop."`
	MaxError        float64 `placeholder:"P" help:"Wrong answers among those that are sure, at most, as a share. Default: 0.05."`
	MaxFalseAlarm   float64 `placeholder:"P" help:"Known screens that may come out as unsure, as a share. Default: 0.05."`
	ShuffleLabels   bool    `help:"A control run: labels without meaning, which must not be learnt."`
}

// settings returns what the flags say.
func (c *trainFlags) settings() stage.Settings {
	preset := c.Preset
	if c.Fast {
		preset = "fast"
	}
	s := stage.Settings{
		Preset: preset, Rung: router.Rung(c.Rung), Targets: c.TargetPreset,
		Rank: c.LoraRank, Alpha: c.LoraAlpha, VisionRank: c.VisionLoraRank, VisionAlpha: c.VisionLoraAlpha,
		Rate: c.LearningRate, Shape: train.Shape(c.Scheduler), Warmup: c.WarmupSteps, Decay: c.WeightDecay, ClipNorm: c.MaxGradNorm,
		Batch: c.BatchSize, Accumulation: c.Accumulation, Epochs: c.Epochs, Steps: c.MaxSteps,
		EvalEvery: c.EvalSteps, EvalMax: c.EvalMaxSamples, SaveEvery: c.SaveSteps, Patience: c.Patience,
		MaxError: c.MaxError, MaxFalseAlarm: c.MaxFalseAlarm, ShuffleLabels: c.ShuffleLabels,
	}
	if c.Test {
		s.TrainMax, s.EvalMax = testTrain, testVal
	}
	return s
}

// The samples of a trial (specification mole, 5.0).
const (
	testTrain = 64
	testVal   = 16
)
