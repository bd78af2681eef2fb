package parity

import (
	"fmt"

	"mole/batch"
	"mole/lora"
	"mole/model/qwen3vl"
)

// batchLoss is what a case holds of the loss of one sample.
type batchLoss struct {
	sum, mean float64
	tokens    int
}

// checkBatch checks several samples: each alone, all of them packed into one
// batch, and all of them as the tree of what they share. All must give the same
// losses, logits and gradients.
func (r *run) checkBatch() {
	n := r.openNetwork()
	defer n.close()
	var samples []*sample
	for _, m := range r.meta.objects("samples") {
		samples = append(samples, r.sample(n, m))
	}
	m := r.meta.object("adapter")
	presets, settings := m.texts("presets"), readAdapter(m)
	if len(samples) == 0 || len(presets) == 0 {
		r.fail(fmt.Errorf("%s: %d samples and %d presets, want at least one of each", metaFile, len(samples), len(presets)))
	}
	r.build(n)
	r.checkBatchPositions(n, samples)
	runs := r.meta.object("runs")
	for _, preset := range presets {
		r.checkPreset(n, samples, preset, settings, runs.object(preset))
	}
}

func (r *run) checkBatchPositions(n *network, samples []*sample) {
	deltas := r.meta.integers("rope_deltas")
	if len(deltas) != len(samples) {
		r.fail(fmt.Errorf("%s: rope_deltas: %d of them, want %d, one for each sample", metaFile, len(deltas), len(samples)))
	}
	for i, s := range samples {
		b := r.alone(n, s, 1)
		if r.failed() {
			return
		}
		name := fmt.Sprintf("position_ids.%d", i)
		r.checkPositions("position_ids", name, b)
		r.exact("position_ids", fmt.Sprintf("rope_deltas.%d", i), unequal(ropeDelta(b), int(deltas[i])))
	}
}

// checkPreset compares all samples under one adapter.
func (r *run) checkPreset(n *network, samples []*sample, preset string, a adapterSettings, m *record) {
	losses := r.readBatchLosses(samples, m)
	net := r.with(n, preset, a)
	if r.failed() {
		return
	}
	defer net.Close()
	total := 0
	for _, l := range losses {
		total += l.tokens
	}
	tokenMean := make([]float64, len(samples))
	sampleMean := make([]float64, len(samples))
	for i, l := range losses {
		tokenMean[i] = 1 / float64(total)
		sampleMean[i] = 1 / float64(l.tokens*len(samples))
	}
	for i, s := range samples {
		r.checkLabelLogits(net, preset, i, s, r.alone(n, s, 1), losses[i])
	}
	r.checkMean(n, net, samples, preset, "token_mean", tokenMean, m.number("token_mean"))
	r.checkMean(n, net, samples, preset, "sample_mean", sampleMean, m.number("sample_mean"))
	r.exact(preset+".loss", "tokens", unequal(total, m.integer("tokens", 0, 1<<30)))
}

func (r *run) readBatchLosses(samples []*sample, m *record) []batchLoss {
	var out []batchLoss
	list := m.objects("samples")
	if len(list) != len(samples) {
		r.fail(m.errorf("samples: %d of them, want %d", len(list), len(samples)))
	}
	for i, l := range list {
		out = append(out, batchLoss{sum: l.number("sum"), mean: l.number("mean"), tokens: l.integer("tokens", 1, 1<<30)})
		if r.failed() {
			return nil
		}
		if rows, _ := samples[i].rows(); len(rows) != out[i].tokens {
			r.fail(l.errorf("tokens: %d, want %d, the supervised tokens of the sample", out[i].tokens, len(rows)))
		}
	}
	return out
}

// checkLabelLogits compares one sample, run alone.
func (r *run) checkLabelLogits(net *qwen3vl.Net, preset string, i int, s *sample, b *batch.Batch, want batchLoss) {
	if r.failed() {
		return
	}
	rows, _ := s.rows()
	logits, err := net.Logits(b, rows)
	r.fail(err)
	name := fmt.Sprintf("%s.label_logits.%d", preset, i)
	r.values(preset+".label_logits", name, logits, r.floats(name, len(rows), net.Config().Text.Vocab), r.limits.values)
	_, sum := r.losses(net, b)
	quantity := preset + ".loss"
	r.number(quantity, fmt.Sprintf("samples.%d.sum", i), sum, want.sum, r.limits.values)
	r.number(quantity, fmt.Sprintf("samples.%d.mean", i), sum/float64(want.tokens), want.mean, r.limits.values)
}

// checkMean compares a weighted sum of losses and its gradient, in three ways:
// sample by sample, in one batch, and in one batch that shares beginnings.
func (r *run) checkMean(n *network, net *qwen3vl.Net, samples []*sample, preset, mean string, weights []float64, want float64) {
	var each []*batch.Batch
	for i, s := range samples {
		each = append(each, r.alone(n, s, weights[i]))
	}
	for _, way := range []struct {
		name    string
		batches []*batch.Batch
	}{
		{"alone", each},
		{"packed", []*batch.Batch{r.pack(n, samples, weights)}},
		{"shared", []*batch.Batch{r.share(n, samples, weights)}},
	} {
		if r.failed() {
			return
		}
		r.zero(net.Params())
		sum := 0.0
		for _, b := range way.batches {
			_, part := r.backward(net, b)
			sum += part
		}
		r.number(preset+".loss", mean+", "+way.name, sum, want, r.limits.values)
		r.checkGradients(net, fmt.Sprintf("%s.grad_%s.%s", preset, mean, way.name), fmt.Sprintf("%s.grad_%s.", preset, mean))
	}
}

// zero clears gradients.
func (r *run) zero(params []lora.Param) {
	for _, p := range params {
		r.dev.Fill(p.Grad, 0)
	}
}
