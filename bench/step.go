package bench

import (
	"context"
	"fmt"

	"mole/device"
	"mole/device/cpu"
	"mole/lora"
	"mole/model/qwen3vl"
	"mole/train"
	"mole/vision"
)

// step measures steps of the training loop, as mole train takes them.
func (s *session) step(ctx context.Context) error {
	d, err := s.open(s.all())
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // all work is done by then
	m := newMeter(d)
	net, examples, err := s.network(m)
	if err != nil {
		return err
	}
	w := &watch{session: s, ctx: ctx, meter: m, device: d}
	if err := w.train(net, examples); err != nil {
		return err
	}
	s.report.addSteps(s, w)
	return nil
}

// network makes a network with an adapter, and what it learns from.
func (s *session) network(d device.Accelerator) (*qwen3vl.Net, samples, error) {
	c, err := config(s.Widths, s.Step.Layers, s.Step.VisionLayers, s.Step.Vocab)
	if err != nil {
		return nil, nil, err
	}
	examples, err := s.Step.samples(c)
	if err != nil {
		return nil, nil, err
	}
	model, err := qwen3vl.New(d, c, newNoise(c))
	if err != nil {
		return nil, nil, err
	}
	net, err := s.adapted(model, s.Step.Preset)
	if err == nil && s.Step.Cached {
		err = examples.encode(net)
	}
	return net, examples, err
}

// adapted puts a new adapter on a model.
func (s *session) adapted(m *qwen3vl.Model, preset string) (*qwen3vl.Net, error) {
	a, err := s.adapter(m, preset)
	if err != nil {
		return nil, err
	}
	return m.With(a)
}

// adapter returns a new adapter for a model.
func (s *session) adapter(m *qwen3vl.Model, preset string) (*lora.Adapter, error) {
	targets, err := lora.Preset(preset)
	if err != nil {
		return nil, err
	}
	return lora.New(lora.Config{Rank: s.Rank, Alpha: float64(2 * s.Rank), Targets: targets, InitWeights: true}, m.Sites(), 420)
}

// encode replaces the pixels of all images by their features.
func (e samples) encode(net *qwen3vl.Net) error {
	for _, example := range e {
		for _, im := range example.Images {
			if im.Features != nil {
				continue
			}
			f, err := net.Encode([]*vision.Patches{im})
			if err != nil {
				return err
			}
			im.Features, im.Pixels = f[0], nil
		}
	}
	return nil
}

// watch takes the measurements of a run. The peak loop runs in pauses of the
// steps, as the machine may be another one a moment later.
type watch struct {
	*session
	ctx    context.Context
	meter  *meter
	device *cpu.Device

	samples, ideal []float64 // per second, of each step; ideal: of the same arithmetic at the peak
	seconds        []float64 // of each step
	shares         [opCount][]float64
	speeds         [opCount]outcomes // of products and attention, in operations per second, beside the peak
	host           []float64
	tokens         int

	f32, bf16 []float64 // rates of the peak loops in the step at hand
}

// outcomes are what turns gave.
type outcomes struct{ values, yards []float64 }

// train runs the loop.
func (w *watch) train(net *qwen3vl.Net, examples samples) error {
	defer net.Model.Close()
	defer net.Close()
	w.meter.reset()
	w.meter.pause = w.pause
	t := &train.Trainer{
		Network: net, Layout: net.Layout(), Examples: examples,
		Options: train.Options{Steps: w.Step.Steps, BatchExamples: w.Step.Batch, PassTokens: w.Step.PassTokens, Rate: 2e-4, Seed: 420},
		Report:  w.stepped,
	}
	_, err := t.Run(w.ctx)
	return err
}

// pause runs the peak loops.
func (w *watch) pause() {
	p := w.peakRates(w.device, arithmetic{1, 1}, w.Slice/5)
	w.f32, w.bf16 = append(w.f32, p.f32), append(w.bf16, p.bf16)
}

// stepped notes a step, unless it is the first of several.
func (w *watch) stepped(s train.Step) {
	w.pause()
	if s.Index > 0 || w.Step.Steps == 1 {
		w.tokens = s.Tokens
		w.note((s.Duration - w.meter.paused).Seconds(), peakRates{mean(w.f32), mean(w.bf16)})
	}
	w.f32, w.bf16 = nil, nil
	w.meter.reset()
}

// note keeps the figures of a step.
func (w *watch) note(seconds float64, p peakRates) {
	batch := float64(w.Step.Batch)
	w.seconds = append(w.seconds, seconds)
	w.samples = append(w.samples, batch/seconds)
	ideal := 0.0
	if p.f32 > 0 {
		ideal = batch / p.seconds(w.meter.arithmetic())
	}
	w.ideal = append(w.ideal, ideal)
	rest := seconds
	for i, o := range w.meter.ops {
		w.shares[i] = append(w.shares[i], o.time.Seconds())
		rest -= o.time.Seconds()
		if o.flops > 0 {
			v := &w.speeds[i]
			v.values, v.yards = append(v.values, o.flops/o.time.Seconds()), append(v.yards, p.of(i))
		}
	}
	w.host = append(w.host, rest)
}

// of returns the rate for a kind of operation.
func (p peakRates) of(op int) float64 {
	if op == opProduct && p.bf16 > 0 {
		return p.bf16
	}
	return p.f32
}

// mean returns the mean of v, 0 of nothing.
func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / max(1, float64(len(v)))
}

// otherMost is the most that all but products and attention may take of a step.
const otherMost = 0.15

// addSteps adds the figures of a run: speed beside that of its arithmetic at the
// peak, and what each kind of operation takes of a step.
func (r *Report) addSteps(s *session, w *watch) {
	name := fmt.Sprintf("step %s, %s, %s, rank %d", s.Widths, s.Step, s.Step.Preset, s.Rank)
	unit := "samples/s"
	r.add(name, s.all(), summarise(w.samples, w.ideal), unit, 1, "arithmetic at the peak", nil)
	r.add(name+": computed", s.all(), outcome{value: float64(w.tokens)}, "tokens", 1, "", nil)
	other := make([]float64, len(w.seconds))
	for op, v := range w.speeds {
		if v.values != nil {
			r.add(name+": speed of "+opNames[op], s.all(), summarise(v.values, v.yards), "Gflop/s", giga, peakName, nil)
		}
	}
	for op, times := range w.shares {
		r.addShare(s, name+": "+opNames[op], times, w.seconds, nil)
		for i := range times {
			if !heavy(op) {
				other[i] += times[i]
			}
		}
	}
	r.addShare(s, name+": outside operations", w.host, w.seconds, nil)
	for i := range other {
		other[i] += w.host[i]
	}
	r.addShare(s, name+": all but products and attention", other, w.seconds, atMost(otherMost))
}

// addShare adds the part of a step that something takes.
func (r *Report) addShare(s *session, name string, times, whole []float64, want *Want) {
	r.add(name, s.all(), summarise(times, whole), "s", 1, "whole step", want)
}
