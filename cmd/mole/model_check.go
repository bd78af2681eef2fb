package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"mole/base"
	"mole/device/cpu"
	"mole/hub"
	"mole/store"
)

// modelCheckCmd is mole model check.
type modelCheckCmd struct {
	modelStore
	Name      string `arg:"" optional:"" help:"Name on the hub, folder, or tiny. Default: tiny."`
	Values    bool   `help:"Also look at every weight, whether it is a number."`
	Try       bool   `help:"Also route one picture, and say what that took."`
	Workers   int    `placeholder:"N" help:"Cores for --try. Default: all."`
	Precision string `enum:"auto,f32,bf16" default:"auto" placeholder:"NAME" help:"Matrix products of --try: f32, bf16, or auto for bf16 where the processor multiplies in it. Default: auto."`
	JSON      bool   `name:"json" help:"Print one JSON object."`
}

// checkedModel is what check prints.
type checkedModel struct {
	Name       string     `json:"name"`
	Dir        string     `json:"dir,omitempty"`
	Volume     string     `json:"volume,omitempty"` // VOLUME:PATH of a stored one
	Digest     string     `json:"digest"`
	Shape      string     `json:"shape"`
	Parameters int64      `json:"parameters"`
	Bytes      int64      `json:"weight_bytes"`
	Files      int        `json:"files"`
	Verified   int        `json:"verified_files"`
	Values     bool       `json:"values_checked"`
	Needs      memoryPlan `json:"memory"`
	Trial      *trial     `json:"trial,omitempty"`
}

// memoryPlan says what routing one picture takes in memory, in bytes.
type memoryPlan struct {
	Cells   int   `json:"image_tokens"`
	Tokens  int   `json:"tokens"`
	Weights int64 `json:"weight_bytes"` // mapped: the system may drop and read them again
	Rest    int64 `json:"other_bytes"`
}

// trial says what routing one picture took.
type trial struct {
	Open  float64 `json:"open_seconds"`
	Build float64 `json:"build_seconds"`
	First float64 `json:"first_pass_seconds"`
	Again float64 `json:"second_pass_seconds"`
	Peak  int64   `json:"peak_bytes"` // of the process; 0 if not known
	tier  string
}

// Run checks the model.
func (c *modelCheckCmd) Run(ctx context.Context, out io.Writer, errs errorWriter) error {
	m := &checkedModel{Values: c.Values}
	models, err := c.volume()
	if err != nil {
		return err
	}
	if c.Try { // first: a check of hashes or values reads all weights
		t, err := c.try(ctx, models)
		if err != nil {
			return err
		}
		m.Trial = t
	}
	p := newProgressLine(errs)
	defer p.end()
	r, err := base.Check(ctx, c.Name, base.CheckOptions{
		Values:   c.Values,
		Models:   models,
		Progress: func(what string, done, total int64) { p.update("checking "+what+", MiB", done>>20, total>>20) },
	})
	if err != nil {
		return hintCheck(err)
	}
	p.end()
	m.Name, m.Dir, m.Volume, m.Digest, m.Shape = r.Name, r.Dir, r.Volume, r.Digest, base.Describe(r.Config)
	m.Parameters, m.Bytes, m.Files, m.Verified = r.Parameters, r.WeightBytes, r.Files, r.Verified
	m.Needs = memoryPlan{Cells: base.TrialCells, Tokens: base.TrialCells + base.TrialText}
	m.Needs.Weights, m.Needs.Rest = r.Needs(m.Needs.Cells, m.Needs.Tokens)
	if c.JSON {
		return writeObject(out, m)
	}
	return m.write(out)
}

// hintCheck adds what to do about an error.
func hintCheck(err error) error {
	switch {
	case errors.Is(err, hub.ErrDamaged):
		return hintedError{err, "remove that file, and mole model pull downloads it again"}
	case errors.Is(err, store.ErrDamaged):
		return hintedError{err, "remove that file, and mole model pull --to-volume, or mole volume put --replace, stores it again"}
	}
	return err
}

// try opens the model and routes a picture.
func (c *modelCheckCmd) try(ctx context.Context, models store.Volume) (_ *trial, err error) {
	start := time.Now()
	b, err := base.OpenFrom(ctx, models, c.Name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	opened := time.Since(start)
	dev, err := cpu.Open(cpu.Options{Workers: c.Workers, Precision: precisionOf(c.Precision)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	t, err := b.Try(dev)
	if err != nil {
		return nil, fmt.Errorf("base model %s: %w", b.Name, err)
	}
	return &trial{opened.Seconds(), t.Build.Seconds(), t.First.Seconds(), t.Again.Seconds(), peakMemory(os.DirFS("/")), dev.Tier().String()}, nil
}

// write prints what was found for people.
func (m *checkedModel) write(out io.Writer) error {
	fmt.Fprintf(out, "%s: usable\n", m.Name)
	fmt.Fprintf(out, "shape     %s\n", m.Shape)
	fmt.Fprintf(out, "weights   %.3f billion parameters, %s, digest %.12s\n", float64(m.Parameters)/1e9, byteSize(m.Bytes), m.Digest)
	fmt.Fprintf(out, "contents  %s\n", m.contents())
	n := m.Needs
	fmt.Fprintf(out, "memory    %s to route a picture of %d tokens in a question of %d: weights %s, mapped, and %s\n",
		byteSize(n.Weights+n.Rest), n.Cells, n.Tokens, byteSize(n.Weights), byteSize(n.Rest))
	if t := m.Trial; t != nil {
		fmt.Fprintf(out, "trial     opened in %.3f s, built in %.3f s, routed in %.2f s, again in %.2f s (%s)\n", t.Open, t.Build, t.First, t.Again, t.tier)
		if t.Peak > 0 {
			fmt.Fprintf(out, "peak      %s, %.2f of what was said\n", byteSize(t.Peak), float64(t.Peak)/float64(n.Weights+n.Rest))
		}
	}
	return nil
}

// contents says what is known of the contents of the files.
func (m *checkedModel) contents() string {
	text := "part of the program"
	switch {
	case m.Files > 0 && m.Verified == 0:
		text = fmt.Sprintf("%d files, of which nobody knows the hashes: they were not downloaded by name", m.Files)
	case m.Files > 0:
		text = fmt.Sprintf("%d of %d files are as they were %s", m.Verified, m.Files, map[bool]string{true: "downloaded", false: "stored"}[m.Volume == ""])
	}
	if m.Values {
		text += "; every weight is a number"
	}
	return text
}
