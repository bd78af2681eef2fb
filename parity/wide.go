package parity

import (
	"fmt"
	"math"
	"slices"

	"mole/batch"
	"mole/model/qwen3vl"
)

// checkWide checks a network of true widths: too large to record in full, so
// that hidden states and gradients are kept as summaries. The reference is the
// run in float64; those in float32 and bfloat16 say how far the library itself
// is from it, and are checked against what they are made of.
func (r *run) checkWide() {
	n := r.openNetwork()
	defer n.close()
	s := r.sample(n, r.meta.object("sample"))
	m := r.meta.object("adapter")
	presets, settings := m.texts("presets"), readAdapter(m)
	rows, _ := s.rows()
	if !r.failed() && (len(rows) == 0 || len(presets) == 0) {
		r.fail(fmt.Errorf("%s: %d supervised tokens and %d presets, want at least one of each", metaFile, len(rows), len(presets)))
	}
	r.build(n)
	r.checkWeights(n)
	b := r.alone(n, s, 1/float64(len(rows)))
	if r.failed() {
		return
	}
	r.checkPositions("position_ids", "position_ids", b)
	r.exact("position_ids", "rope_delta", unequal(ropeDelta(b), r.meta.integer("rope_delta", -len(s.ids), 0)))
	r.exact("position_ids", "label_rows", differences(rows, r.meta.integers("label_rows")))
	r.checkHidden(n, s, b)
	runs := r.meta.object("runs")
	for _, preset := range presets {
		w := wideRun{n: n, s: s, b: b, rows: rows, preset: preset, settings: settings}
		w.want = r.readWide(runs.object(preset+".f64"), preset, w.rows, n)
		r.checkWideRun(w)
		for _, dtype := range []string{"f32", "bf16"} {
			r.checkLibrary(runs.object(preset+"."+dtype), w, dtype)
		}
	}
}

// checkHidden compares the pass without adapter.
func (r *run) checkHidden(n *network, s *sample, b *batch.Batch) {
	net := r.with(n, "", adapterSettings{})
	if r.failed() {
		return
	}
	defer net.Close()
	got := r.trace(net, b)
	hidden := r.meta.object("hidden")
	for _, t := range tracedValues(n.config, s) {
		want := r.readSummary(hidden.object(t.name))
		d := want.deviation(summarise(t.name, got[t.name]), want.norm, product(t.shape))
		r.addDeviation(group("hidden", t.name), t.name, d, r.limits.values)
	}
	if r.failed() {
		return
	}
	rows, _ := s.rows()
	vocabulary := n.config.Text.Vocab
	var logits []float32
	for _, row := range rows {
		logits = append(logits, got["logits"][int(row)*vocabulary:][:vocabulary]...)
	}
	want := r.floats("base.label_logits", len(rows), vocabulary)
	r.values("label_logits", "base", logits, want, r.limits.values)
	r.choices("top-1", "base", logits, want, vocabulary)
}

// addDeviation records the three measures of one tensor.
func (r *run) addDeviation(quantity, name string, d deviation, tolerance float64) {
	r.add(quantity+".entries", tolerance, name, d.entries)
	r.add(quantity+".norm", tolerance, name, d.norm)
	r.add(quantity+".sum", tolerance, name, d.sum)
}

// wideRun is one preset of such a case.
type wideRun struct {
	n        *network
	s        *sample
	b        *batch.Batch
	rows     []int32
	preset   string
	settings adapterSettings
	want     wideTruth
}

// wideTruth is what the run in float64 gave.
type wideTruth struct {
	loss, norm float64
	logits     []float64
	gradients  map[string]summary
	shapes     map[string][]int32
}

func (r *run) readWide(m *record, preset string, rows []int32, n *network) wideTruth {
	w := wideTruth{loss: m.number("loss"), norm: m.number("grad_norm"), gradients: map[string]summary{}, shapes: map[string][]int32{}}
	list := m.object("gradients")
	sum := 0.0
	for _, key := range list.keys() {
		g := list.object(key)
		w.gradients[key], w.shapes[key] = r.readSummary(g), g.integers("shape")
		sum += square(w.gradients[key].norm)
	}
	w.logits = r.floats(preset+".f64.label_logits", len(rows), n.config.Text.Vocab)
	r.number("recorded", preset+".f64 grad_norm", math.Sqrt(sum), w.norm, selfConsistent)
	return w
}

// selfConsistent is how far numbers of a case may be from what other numbers
// of it give: they are float64, or were computed in float32 and then recorded
// as such, which the second constant allows for.
const (
	selfConsistent        = 1e-9
	selfConsistentFloat32 = 1e-6
)

// checkWideRun compares loss, logits and gradients under one adapter.
func (r *run) checkWideRun(w wideRun) {
	net := r.with(w.n, w.preset, w.settings)
	if r.failed() {
		return
	}
	defer net.Close()
	logits, err := net.Logits(w.b, w.rows)
	r.fail(err)
	vocabulary := w.n.config.Text.Vocab
	r.values("label_logits", w.preset, logits, w.want.logits, r.limits.values)
	r.choices("top-1", w.preset, logits, w.want.logits, vocabulary)
	_, loss := r.backward(net, w.b)
	r.number("loss", w.preset, loss, w.want.loss, r.limits.values)
	r.checkSummaries(net, w)
}

// checkSummaries compares the gradients of net, which must be those of the
// case.
func (r *run) checkSummaries(net *qwen3vl.Net, w wideRun) {
	if r.failed() {
		return
	}
	params := net.Params()
	if len(params) != len(w.want.gradients) {
		r.fail(fmt.Errorf("%s: runs.%s.f64.gradients: %d tensors, want %d", metaFile, w.preset, len(w.want.gradients), len(params)))
		return
	}
	quantity := w.preset + ".grad"
	var off, size float64
	for _, p := range params {
		want, ok := w.want.gradients[p.Name]
		if !ok {
			r.fail(fmt.Errorf("%s: runs.%s.f64.gradients: no %q", metaFile, w.preset, p.Name))
			return
		}
		shape := make([]int32, 0, 2)
		for _, e := range extents(p.Weight.Shape) {
			shape = append(shape, int32(e))
		}
		r.exact(quantity+".shape", p.Name, differences(shape, w.want.shapes[p.Name]))
		got := summarise(p.Name, r.read(p.Grad))
		d := want.deviation(got, gradientScale(want.norm, w.want.norm), p.Weight.Len())
		r.addDeviation(quantity, p.Name, d, r.limits.gradient)
		off += square(d.entries * want.norm)
		size += square(got.norm)
	}
	// Over all tensors, as far as the entries tell.
	r.add(quantity+".whole", r.limits.gradients, "all tensors together", ratio(math.Sqrt(off), w.want.norm))
	r.number(quantity+".whole", "norm", math.Sqrt(size), w.want.norm, r.limits.gradients)
}

// checkLibrary checks what a case says of the library's own run in another
// precision against the logits and the norms that it is made of.
func (r *run) checkLibrary(m *record, w wideRun, dtype string) {
	name := w.preset + "." + dtype
	vocabulary := w.n.config.Text.Vocab
	logits := r.floats(name+".label_logits", len(w.rows), vocabulary)
	loss, norm := m.number("loss"), m.number("grad_norm")
	rel, relAll, topEqual := m.number("logits_relative"), m.number("gradients_relative"), m.flag("top1_equal")
	list := m.object("gradient_relative")
	off := 0.0
	for key, g := range w.want.gradients {
		off += square(list.number(key) * g.norm)
	}
	if r.failed() {
		return
	}
	r.number("recorded", name+" logits_relative", relative(logits, w.want.logits), rel, selfConsistent)
	r.exact("recorded.top-1", name+" top1_equal", unequal(topEqual, slices.Equal(top(logits, vocabulary), top(w.want.logits, vocabulary))))
	r.number("recorded.float32", name+" loss", crossEntropy(logits, w.s, vocabulary), loss, selfConsistentFloat32)
	r.number("recorded.float32", name+" gradients_relative", ratio(math.Sqrt(off), w.want.norm), relAll, selfConsistentFloat32)
	// By the triangle inequality norms differ by no more than the tensors do.
	excess := math.Abs(norm-w.want.norm)/w.want.norm - relAll
	r.add("recorded.float32", selfConsistentFloat32, name+" grad_norm", max(0, excess))
}

// crossEntropy returns the mean loss in nats of the supervised tokens of s,
// given the logits of the rows that predict them.
func crossEntropy(logits []float64, s *sample, vocabulary int) float64 {
	_, targets := s.rows()
	sum := 0.0
	for i, target := range targets {
		row := logits[i*vocabulary:][:vocabulary]
		most, total := slices.Max(row), 0.0
		for _, x := range row {
			total += math.Exp(x - most)
		}
		sum += most + math.Log(total) - row[target]
	}
	return sum / float64(len(targets))
}
