package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"mole/base"
	"mole/stage"
	"mole/train"
)

// runOptions are what later stages of a chain are told.
type runOptions struct {
	name     string // of the run, "" for the set's
	settings stage.Settings
}

// fromUpload uploads a set and goes on.
func (c *chain) fromUpload(ctx context.Context, dir, from string, o runOptions) (*stage.Trained, error) {
	u, err := c.upload(ctx, dir, from, false)
	if err != nil {
		return nil, err
	}
	return c.fromPreprocess(ctx, u.Name, o)
}

// upload uploads a set and prints the line that other programs look for.
func (c *chain) upload(ctx context.Context, dir, from string, skipValidate bool) (*stage.Uploaded, error) {
	u, err := (&stage.Upload{Place: c.Place, Dir: dir, From: from, SkipValidate: skipValidate}).Run(ctx)
	if err != nil {
		return nil, err
	}
	if u.Done {
		c.say("upload: everything is there already")
	} else {
		c.say("upload: %d files, %s", u.Files, sizeText(u.Bytes))
	}
	c.say("DATASET_NAME=%s", u.Name)
	return u, nil
}

// fromPreprocess preprocesses a set and goes on.
func (c *chain) fromPreprocess(ctx context.Context, dataset string, o runOptions) (*stage.Trained, error) {
	if _, err := c.preprocess(ctx, dataset, false); err != nil {
		return nil, err
	}
	return c.train(ctx, dataset, o)
}

// preprocess preprocesses a set and prints what it holds.
func (c *chain) preprocess(ctx context.Context, dataset string, force bool) (*stage.Preprocessed, error) {
	v, err := c.view(ctx)
	if err != nil {
		return nil, err
	}
	p, err := (&stage.Preprocess{Place: c.Place, Dataset: dataset, Base: c.base, View: v, Workers: c.flags.Workers, Force: force}).Run(ctx)
	if err != nil {
		return nil, err
	}
	if p.Done {
		c.say("preprocess: done before")
	}
	m := p.Meta
	c.say("preprocess: %d pictures, %d distinct, %s; %d train, %d val, %d test samples",
		m.Images.Samples, m.Images.Distinct, sizeText(m.BytesTotal), m.TrainSamples, m.ValSamples, m.TestSamples)
	return p, nil
}

// train trains a router and prints where it is.
func (c *chain) train(ctx context.Context, dataset string, o runOptions) (*stage.Trained, error) {
	v, dev, err := c.network(ctx)
	if err != nil {
		return nil, err
	}
	if o.settings.Preset == "" {
		o.settings.Preset = "assembled"
		if c.base.Name == base.Tiny {
			o.settings.Preset = "tiny"
		}
	}
	name := o.name
	if name == "" {
		name = runName(dataset)
	}
	t := &stage.Train{Place: c.Place, Dataset: dataset, Name: name, Base: c.base, View: v, Device: dev, Settings: o.settings, Memory: memoryLimit()}
	c.watch(t)
	done, err := t.Run(ctx)
	if errors.Is(err, train.ErrStopped) {
		return nil, hintedError{err, "the same command continues it"}
	}
	if err != nil {
		return nil, err
	}
	if done.Done {
		c.say("train: done before")
	}
	c.say("train: run %s, best after %d steps", done.Name, done.Bundle.Step)
	c.say("Next: mole eval --dataset-name %s --run-name %s", dataset, done.Name)
	return done, nil
}

// memoryLimit returns the bytes that this process may take at most, 0 if that
// is not known.
func memoryLimit() int64 {
	h := readHost(os.DirFS("/"))
	if h.MemLimit > 0 && h.MemLimit < h.MemTotal {
		return h.MemLimit
	}
	return h.MemTotal
}

// watch shows the steps of a run.
func (c *chain) watch(t *stage.Train) {
	t.Report = func(s train.Step, of stage.Settings) {
		text := fmt.Sprintf("train  loss %.3f", s.Loss)
		if s.Skipped != "" {
			c.Log.Warn("step skipped", "step", s.Index, "reason", s.Skipped)
		}
		c.progress.step(text, int64(s.Index+1), int64(of.Steps))
	}
	t.Evaluated = func(e train.Evaluation) {
		c.Log.Info("evaluation", "step", e.Step, "loss_nats", e.Loss, "lowest", e.Lowest, "without_gain", e.Without)
	}
}
