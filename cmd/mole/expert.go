package main

import (
	"context"
	"errors"
	"fmt"

	"mole/config"
	"mole/stage"
	"mole/train"
	"mole/view"
)

// expertView opens the base network, once, and returns how an expert sees.
func (c *chain) expertView(ctx context.Context, name string) (*view.Expert, error) {
	if err := config.CheckExpertName(name); err != nil {
		return nil, err
	}
	if err := c.openBase(ctx); err != nil {
		return nil, err
	}
	return view.NewExpert(view.ExpertOptions{
		Expert: name, Tokenizer: c.base.Tokenizer, Base: c.base.Digest, Vision: c.base.Vision, MaxTokens: c.imageTokens(),
	})
}

// expertPath returns where an expert is deployed: where adapters.yaml says, or at
// the usual place.
func (c *chain) expertPath(name string) string {
	if e := c.config.Adapters.Experts[name]; e != nil && e.InferencePath != "" {
		return e.InferencePath
	}
	return stage.ExpertPath(name)
}

// expert trains an expert.
func (c *trainCmd) expert(ctx context.Context, ch *chain) error {
	weights, err := c.lossWeights()
	if err != nil {
		return err
	}
	if c.Dry {
		ch.say("would run: mole train --expert %s", c.Expert)
		return nil
	}
	t, err := ch.trainExpert(ctx, c.Expert)
	if err != nil {
		return err
	}
	t.Dataset, t.From, t.Name, t.Force = c.DatasetName, c.FromDir, c.RunName, c.Force
	t.Settings = c.settings()
	t.Settings.Seed, t.Settings.PerPicture, t.Settings.Loss = c.Seed, c.PerPicture, weights
	t.Settings.Preset = ch.preset(t.Settings.Preset, false)
	if c.Plan {
		n, err := t.Needs(ctx)
		if err == nil {
			ch.sayNeeds(n, t.Memory)
		}
		return err
	}
	done, err := within(ctx, ch.job("train"), t.Run)
	if errors.Is(err, train.ErrStopped) && hint(err) == "" {
		return hintedError{err, "the same command continues it"}
	}
	if err != nil {
		return err
	}
	ch.sayTrainedExpert(done)
	ch.say("Next: mole test --expert %s --dataset-name %s --run-name %s", done.Expert, done.Dataset, done.Name)
	return nil
}

// lossWeights returns the weights of tokens that the flags name.
func (c *trainCmd) lossWeights() (stage.LossWeights, error) {
	w, err := stage.ParseLossWeights(c.Weights, c.WeightsMode)
	if err != nil {
		err = fmt.Errorf("--loss-weights: %w", err)
	}
	return w, err
}

// trainExpert returns the stage that trains an expert.
func (c *chain) trainExpert(ctx context.Context, name string) (*stage.TrainExpert, error) {
	v, err := c.expertView(ctx, name)
	if err != nil {
		return nil, err
	}
	d, err := c.accelerator("train")
	if err != nil {
		return nil, err
	}
	report, evaluated := c.watchers()
	return &stage.TrainExpert{
		Place: c.Place, Base: c.base, View: v, Device: d, Workers: c.flags.Workers, Memory: c.job("train").memory(memoryLimit()),
		HourlyRate: c.hourlyRate(), Report: report, Evaluated: evaluated,
	}, nil
}

// sayTrainedExpert prints where the adapter is and how well it fits.
func (c *chain) sayTrainedExpert(t *stage.TrainedExpert) {
	if t.Done {
		c.say("train: done before")
	}
	m := t.Meta
	c.say("train: expert %s, run %s of %s: %d samples of %d pictures, %d steps", t.Expert, t.Name, t.Dataset, m.TrainSamples, m.Images.Distinct, t.Steps)
	if t.Loss != nil {
		c.say("  loss %.4f on validation; %d of its %d samples show a picture of training", *t.Loss, t.Shared, m.ValSamples)
	}
	if w := t.Settings.Loss; w.On() {
		c.say("  loss weights  %v", w)
	}
	c.say("  adapter  %s:%s", c.Volumes.Training, stage.ExpertCheckpointPath(t.Dataset, t.Name))
}
