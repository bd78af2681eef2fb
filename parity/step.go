package parity

import (
	"fmt"

	"mole/batch"
	"mole/model/qwen3vl"
	"mole/train"
)

// checkStep checks one sample: every intermediate value without and with
// adapter, loss, gradient, and some steps of the optimizer.
func (r *run) checkStep() {
	n := r.openNetwork()
	defer n.close()
	s := r.sample(n, r.meta.object("sample"))
	m := r.meta.object("adapter")
	preset, settings := m.text("preset"), readAdapter(m)
	steps := r.readSteps()
	r.build(n)
	r.checkWeights(n)
	rows, _ := s.rows()
	b := r.alone(n, s, 1/float64(len(rows)))
	if r.failed() {
		return
	}
	if len(rows) == 0 {
		r.fail(fmt.Errorf("%s: sample.labels: none is supervised", metaFile))
		return
	}
	r.checkPositions("position_ids", "position_ids", b)
	r.exact("position_ids", "rope_delta", unequal(ropeDelta(b), r.meta.integer("rope_delta", -len(s.ids), 0)))
	r.checkPixels(n, s)
	r.checkTrace(n, s, b, "base", "", adapterSettings{})
	r.checkTrace(n, s, b, "adapter", preset, settings)
	r.checkTraining(n, b, preset, settings, steps)
	r.provenance("unchanged_library_max_logit_difference")
}

// checkPixels compares the patches that the network is given.
func (r *run) checkPixels(n *network, s *sample) {
	if _, sine := n.fill.(sineFill); sine {
		// One matrix for all images, recorded even if there is none.
		var got []float32
		for _, image := range s.images {
			got = append(got, image.Pixels...)
		}
		if len(got) == 0 {
			for i := range sinePatches * sinePatchWidth {
				got = append(got, float32(sinePixel(i)))
			}
		}
		r.values("pixels", "pixels.0", got, r.floats("pixels.0", sinePatches, sinePatchWidth), pixelRounding)
		return
	}
	for k, image := range s.images {
		name := fmt.Sprintf("pixels.%d", k)
		want := r.floats(name, image.Grid.Patches(), n.config.Vision.PatchWidth())
		r.values("pixels", name, image.Pixels, want, pixelRounding)
	}
}

// pixelRounding is what one rounding to float32 costs.
const pixelRounding = 1e-7

// checkTrace compares one forward pass, and the loss where it is recorded for
// that pass only.
func (r *run) checkTrace(n *network, s *sample, b *batch.Batch, prefix, preset string, a adapterSettings) {
	want := map[string][]float64{}
	for _, t := range tracedValues(n.config, s) {
		want[t.name] = r.floats(prefix+"."+t.name, t.shape...)
	}
	net := r.with(n, preset, a)
	if r.failed() {
		return
	}
	defer net.Close()
	got := r.trace(net, b)
	for _, t := range tracedValues(n.config, s) {
		r.values(group(prefix, t.name), prefix+"."+t.name, got[t.name], want[t.name], r.limits.values)
	}
	if preset == "" {
		_, loss := r.losses(net, b)
		r.number("loss", "loss_base", loss, r.meta.number("loss_base"), r.limits.values)
	}
}

// optimizerSteps are the recorded steps of an optimizer, with its settings.
type optimizerSteps struct {
	rate   float64 // peak
	warmup int
	clip   float64
	steps  []optimizerStep
}

// optimizerStep is what one step did: the loss before it, the norm of the
// gradient before clipping and the rate.
type optimizerStep struct{ loss, norm, rate float64 }

func (r *run) readSteps() optimizerSteps {
	m := r.meta.object("optimizer")
	list := r.meta.objects("steps")
	o := optimizerSteps{rate: m.number("lr"), warmup: m.integer("warmup", 0, 1<<30), clip: m.number("clip")}
	if n := m.integer("steps", 0, 1<<30); n != len(list) && !r.failed() {
		r.fail(fmt.Errorf("%s: steps: %d of them, want optimizer.steps %d", metaFile, len(list), n))
	}
	if o.clip <= 0 {
		r.fail(fmt.Errorf("%s: optimizer.clip: %v, want a positive number", metaFile, o.clip))
	}
	for i, s := range list {
		if at := s.integer("step", 0, 1<<30); at != i && !r.failed() {
			r.fail(fmt.Errorf("%s: %sstep: %d, want %d", metaFile, s.prefix, at, i))
		}
		o.steps = append(o.steps, optimizerStep{s.number("loss"), s.number("grad_norm"), s.number("lr")})
	}
	return o
}

// checkTraining compares loss, gradient, the steps of the optimizer and the
// adapter after them.
func (r *run) checkTraining(n *network, b *batch.Batch, preset string, a adapterSettings, o optimizerSteps) {
	net := r.with(n, preset, a)
	if r.failed() {
		return
	}
	defer net.Close()
	_, loss := r.backward(net, b)
	r.number("loss", "loss", loss, r.meta.number("loss"), r.limits.values)
	r.checkGradients(net, "grad", "grad.")
	r.takeSteps(net, b, loss, o)
	for _, p := range net.Params() {
		name := "final." + p.Name
		if want := r.floats(name, extents(p.Weight.Shape)...); !r.failed() {
			r.values("final", name, r.read(p.Weight), want, r.limits.after)
		}
	}
}

// takeSteps repeats the recorded steps. The gradient of the first is already
// there, and so is its loss.
func (r *run) takeSteps(net *qwen3vl.Net, b *batch.Batch, loss float64, o optimizerSteps) {
	if r.failed() {
		return
	}
	opt := train.NewOptimizer(r.dev, net.Params(), train.OptimizerOptions{ClipNorm: o.clip})
	defer opt.Close()
	schedule := train.Schedule{Shape: train.Cosine, Peak: o.rate, Warmup: o.warmup, Steps: len(o.steps)}
	for i, want := range o.steps {
		if i > 0 {
			_, loss = r.backward(net, b)
		}
		if r.failed() {
			return
		}
		rate := schedule.Rate(i)
		norm, err := opt.Step(rate)
		if err != nil {
			r.fail(fmt.Errorf("step %d: %w", i, err))
			return
		}
		r.number("steps", fmt.Sprintf("%d.loss", i), loss, want.loss, r.limits.after)
		r.number("steps", fmt.Sprintf("%d.grad_norm", i), norm, want.norm, r.limits.after)
		r.number("steps.lr", fmt.Sprintf("%d.lr", i), rate, want.rate, rateRounding)
	}
}

// rateRounding is what a few float64 operations in another order cost.
const rateRounding = 1e-12
