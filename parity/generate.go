package parity

import (
	"fmt"
	"math"
	"slices"

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
	all := []*generation{{name: "base"}, {name: "adapter"}}
	longest := 0
	for _, g := range all {
		g.read(r, runs.object(g.name), n.config.Text.Vocab)
		longest = max(longest, len(g.ids))
	}
	e := r.engine(n, 2*len(all), len(s.ids)+longest)
	if r.failed() {
		return
	}
	defer e.Free()
	all[1].adapter = r.attach(e, n, preset, settings)
	for _, g := range all {
		r.checkGenerations(e, s, "alone", g)
	}
	r.checkGenerations(e, s, "together", append(all, all...)...)
}

// engine returns an engine with room for some sequences of so many tokens. The
// caller frees it.
func (r *run) engine(n *network, sequences, tokens int) *qwen3vl.Engine {
	if r.failed() {
		return nil
	}
	const page = 64
	e, err := n.model.NewEngine(qwen3vl.EngineOptions{Tokens: sequences * (tokens + page), PageTokens: page})
	r.fail(err)
	return e
}

// attach gives the adapter of a preset to e.
func (r *run) attach(e *qwen3vl.Engine, n *network, preset string, s adapterSettings) (adapter int) {
	if r.failed() {
		return 0
	}
	a, err := n.adapter(preset, s)
	if err == nil {
		adapter, err = e.Attach(a)
	}
	if err != nil {
		r.fail(fmt.Errorf("%s: adapter: %w", metaFile, err))
	}
	return adapter
}

// generation is one recorded run.
type generation struct {
	name    string
	adapter int // of the engine, 0 for none
	ids     []int32
	logits  []float64 // [len(ids), V]: what each id was chosen from
	width   int       // V
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

// checkGenerations runs sequences at a time, and compares logits and choices step
// by step. Each step is given the recorded ids, not its own choice, so that one
// difference does not hide what comes after it; as long as the choices are equal,
// that is the same. Together, the pieces of their prompts are of different sizes.
func (r *run) checkGenerations(e *qwen3vl.Engine, s *sample, how string, list ...*generation) {
	var all []*sequence
	defer func() {
		for _, q := range all {
			e.Close(q.number)
		}
	}()
	for i, g := range list {
		q := &sequence{generation: g, piece: len(s.ids)/(2*i+1) + 1}
		var cached int
		var err error
		if q.number, cached, err = e.Open(s.example(), g.adapter, len(g.ids)); err != nil {
			r.fail(fmt.Errorf("%s: %w", g.name, err))
			return
		}
		q.left = len(s.ids) - cached
		all = append(all, q)
	}
	for active := slices.Clone(all); len(active) > 0 && !r.failed(); {
		r.checkPass(e, how, active)
		active = slices.DeleteFunc(active, func(q *sequence) bool { return q.step == len(q.ids) })
	}
}

// sequence is a generation at work.
type sequence struct {
	*generation
	number int
	piece  int // tokens of the prompt that it runs at once
	left   int // tokens of the prompt
	step   int
}

// turn returns what q does next.
func (q *sequence) turn() qwen3vl.Turn {
	if q.left > 0 {
		return qwen3vl.Turn{Sequence: q.number, Rows: min(q.piece, q.left)}
	}
	return qwen3vl.Turn{Sequence: q.number, Token: q.ids[q.step-1]}
}

// checkPass runs one pass of all sequences.
func (r *run) checkPass(e *qwen3vl.Engine, how string, all []*sequence) {
	turns := make([]qwen3vl.Turn, len(all))
	for i, q := range all {
		turns[i] = q.turn()
	}
	logits, err := e.Run(turns)
	if err != nil {
		r.fail(fmt.Errorf("%s: %w", how, err))
		return
	}
	for i, q := range all {
		q.left -= turns[i].Rows
		if q.left > 0 {
			continue
		}
		want, name := q.logits[q.step*q.width:][:q.width], fmt.Sprintf("%s, step %d", how, q.step)
		r.values(q.name+".logits", name, logits[i], want, r.limits.values)
		r.choices(q.name+".ids", name, logits[i], want, q.width)
		q.step++
	}
}
