package parity

import (
	"fmt"
	"math"
	"slices"

	"mole/batch"
	"mole/model/qwen3vl"
)

// checkGenerate checks greedy generation with the cache, with and without
// adapter.
func (r *run) checkGenerate() {
	n := r.openNetwork()
	defer n.close()
	s := r.sample(n, r.meta.object("sample"))
	m := r.meta.object("adapter")
	preset, settings := m.text("preset"), readAdapter(m)
	r.build(n)
	b := r.alone(n, s, 1)
	if r.failed() {
		return
	}
	r.exact("position_ids", "rope_delta", unequal(ropeDelta(b), r.meta.integer("rope_delta", -len(s.ids), 0)))
	runs := r.meta.object("runs")
	for _, g := range []generation{{name: "base"}, {name: "adapter", preset: preset}} {
		g.read(r, runs.object(g.name), n.config.Text.Vocab)
		net := r.with(n, g.preset, settings)
		if r.failed() {
			return
		}
		r.checkGeneration(net, b, g)
		net.Close()
	}
}

// generation is one recorded run.
type generation struct {
	name   string
	preset string // of the adapter, "" for none
	ids    []int32
	logits []float64 // [len(ids), V]: what each id was chosen from
	width  int       // V
}

// read reads the recorded run and checks what it says of itself.
func (g *generation) read(r *run, m *record, vocabulary int) {
	g.ids, g.width = m.integers("ids"), vocabulary
	margins := m.numbers("margins")
	smallest, distinct := m.number("smallest_margin"), m.integer("distinct", 0, len(g.ids))
	if len(g.ids) == 0 || len(margins) != len(g.ids) {
		r.fail(m.errorf("ids: %d of them and %d margins, want as many of each, at least 1", len(g.ids), len(margins)))
		return
	}
	g.logits = r.floats(g.name+".logits", len(g.ids), vocabulary)
	if r.failed() {
		return
	}
	recorded := make([]int, len(g.ids))
	for i, id := range g.ids {
		recorded[i] = int(id)
		row := g.logits[i*vocabulary:][:vocabulary]
		// The margin was taken in float32, so it is exact to the rounding of
		// the largest logit.
		off := math.Abs(margin(row)-margins[i]) / math.Abs(slices.Max(row))
		r.add("recorded.margins", selfConsistentFloat32, fmt.Sprintf("%s.margins.%d", g.name, i), off)
	}
	r.exact("recorded", g.name+".ids", differences(top(g.logits, vocabulary), recorded))
	r.exact("recorded", g.name+".smallest_margin", unequal(slices.Min(margins), smallest))
	r.exact("recorded", g.name+".distinct", unequal(len(slices.Compact(slices.Sorted(slices.Values(g.ids)))), distinct))
	if m.has("cache_max_logit_difference") { // of the library, with and without its cache
		m.number("cache_max_logit_difference")
		r.out.leave("provenance", Provenance, "", g.name+".cache_max_logit_difference")
	}
}

// margin returns the largest of row minus the second largest; 0 if there is
// no second.
func margin(row []float64) float64 {
	first, second := math.Inf(-1), math.Inf(-1)
	for _, x := range row {
		if x > first {
			first, second = x, first
		} else {
			second = max(second, x)
		}
	}
	if math.IsInf(second, -1) {
		return 0
	}
	return first - second
}

// checkGeneration compares logits and choices step by step. Each step is
// given the recorded ids, not its own choice, so that one difference does not
// hide what comes after it; as long as the choices are equal, that is the same.
func (r *run) checkGeneration(net *qwen3vl.Net, b *batch.Batch, g generation) {
	session, err := net.Start(b, len(b.Tokens)+len(g.ids))
	if err != nil {
		r.fail(err)
		return
	}
	defer session.Close()
	for i := range g.ids {
		var logits []float32
		if i == 0 {
			logits, err = session.Prefill(len(b.Tokens))
		} else {
			logits, err = session.Next(g.ids[i-1])
		}
		if err != nil {
			r.fail(fmt.Errorf("%s: step %d: %w", g.name, i, err))
			return
		}
		want := g.logits[i*g.width:][:g.width]
		r.values(g.name+".logits", fmt.Sprintf("step %d", i), logits, want, r.limits.values)
		r.choices(g.name+".ids", fmt.Sprintf("step %d", i), logits, want, g.width)
	}
}
